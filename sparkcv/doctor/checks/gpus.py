"""GPUs that Spark gives to the tasks, and that the machines have, against those that are wanted."""

from collections.abc import Iterator

from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import APPLICATION, FAIL, OK, WARNING, Finding

__all__ = ["check"]

_CHECK = "gpus"


def check(facts: Facts) -> Iterator[Finding]:
    """Compare ``--num_gpus`` with the addresses that each task got and the devices of its machine."""
    wanted = facts.config.num_gpus
    if not wanted:
        yield Finding(_CHECK, APPLICATION, OK, "none are asked for (--num_gpus)")
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
