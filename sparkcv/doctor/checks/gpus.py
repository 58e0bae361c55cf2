"""GPUs that Spark gives to the tasks, and that the machines have, against those that are wanted."""

from collections.abc import Iterator

from sparkcv.config import TrainConfig
from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import APPLICATION, FAIL, OK, WARNING, Finding

__all__ = ["check", "check_surely", "lacking"]

_CHECK = "gpus"


def check(facts: Facts) -> Iterator[Finding]:
    """Compare ``--num_gpus`` with the addresses that each task got and the devices of its machine."""
    wanted = facts.config.num_gpus
    if not wanted:
        if not facts.config.num_gpu_towers:
            yield Finding(_CHECK, APPLICATION, OK, "none are asked for (--num_gpus)")
        yield from check_surely(facts)
        return
    advice = (
        f"--conf spark.executor.resource.gpu.amount={wanted} --conf spark.task.resource.gpu.amount={wanted}, with a"
        " discovery script"
    )
    for machine in facts.executors:
        if machine.gpu_devices < wanted:
            found = f"{machine.gpu_devices} GPU devices (/dev/nvidia*), --num_gpus asks for {wanted}"
            yield Finding(_CHECK, machine.place, FAIL, found, "use hosts with GPUs, or --num_gpus 0")
        elif len(machine.gpus) < wanted:
            status = FAIL if machine.gpus else WARNING
            found = f"Spark gives a task {len(machine.gpus)} GPUs, --num_gpus asks for {wanted}"
            yield Finding(_CHECK, machine.place, status, found, advice)
        else:
            yield Finding(_CHECK, machine.place, OK, f"GPUs {', '.join(machine.gpus)}")


def check_surely(facts: Facts) -> Iterator[Finding]:
    """Find what no worker can have: more towers on GPUs than any of the machines has GPUs."""
    if facts.executors:
        most = max(machine.gpu_devices for machine in facts.executors)
        yield from lacking(facts.config, most, "no executor's machine has more than")


def lacking(config: TrainConfig, most: int, who: str) -> Iterator[Finding]:
    """Find that machines with ``most`` GPUs at most have too few for the towers of a worker; ``who`` says which."""
    towers = config.num_gpu_towers
    if most >= towers:
        return
    flag, otherwise = ("num_clones", "--clone_on_cpu puts the towers on the CPU")
    if config.num_gpus is not None:
        flag, otherwise = "num_gpus", "--num_gpus 0 is the CPU"
    found = f"--{flag} {towers} wants a GPU for each tower of a worker, {who} {most}"
    yield Finding(_CHECK, APPLICATION, FAIL, found, f"wanted hosts with GPUs; {otherwise}")
