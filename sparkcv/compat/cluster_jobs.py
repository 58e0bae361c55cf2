"""The nodes of a cluster as TensorFlowOnSpark counts them: how many of each job, and which executor_id each has."""

from collections.abc import Iterable, Sequence

from sparkcv.errors import UsageError
from sparkcv.roles import Role

__all__ = ["first_trainer", "is_in_lockstep", "jobs_of", "template"]

_TRAINERS = ("worker", "chief", "master")  # TensorBoard is beside the first of these


def jobs_of(num_executors: int, num_ps: int, master_node: str | None, eval_node: bool) -> list[tuple[str, int]]:
    """Return [job, number of its nodes] in the order of executor_ids; raise UsageError if the numbers do not fit."""
    special = [("ps", num_ps), (master_node or "chief", int(bool(master_node))), ("evaluator", int(eval_node))]
    num_workers = num_executors - sum(count for _, count in special)
    if num_ps < 0 or num_workers < 0:
        wanted = " + ".join(f"{count} {job}" for job, count in special if count)
        raise UsageError(f"num_executors={num_executors} nodes cannot be {wanted}")
    if not num_workers and not master_node:
        raise UsageError(f"num_executors={num_executors} with num_ps={num_ps} leaves no node for a worker or a chief")
    if master_node in ("ps", "evaluator", "worker"):
        raise UsageError(f"master_node is what the chief is called, such as 'chief', not {master_node!r}")
    return [(job, count) for job, count in [*special, ("worker", num_workers)] if count]


def template(jobs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Return the executor_ids of each job, in stock's order."""
    executor_ids, first = {}, 0
    for job, count in jobs:
        executor_ids[job] = list(range(first, first + count))
        first += count
    return executor_ids


def first_trainer(roles: Sequence[Role]) -> int:
    """Return the executor_id that TensorBoard is started beside: worker:0's, else the chief's."""
    found = [at for job in _TRAINERS for at, role in enumerate(roles) if role.job == job]
    return found[0] if found else next(at for at, role in enumerate(roles) if role.job not in ("ps", "evaluator"))


def is_in_lockstep(jobs: Sequence[tuple[str, int]]) -> bool:
    """Return whether one node's death ends all: a chief and workers without a ps, which reduce together."""
    counts = dict(jobs)
    return not counts.get("ps") and len(set(counts) - {"worker", "evaluator"}) == 1 and counts.get("worker", 0) > 0
