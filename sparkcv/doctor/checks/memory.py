"""Whether the memory of an executor's container, or of its host, holds the roles that come to lie in it."""

import collections
from collections.abc import Iterator

from sparkcv.doctor import estimate
from sparkcv.doctor.facts import Facts, Machine
from sparkcv.doctor.finding import APPLICATION, FAIL, OK, WARNING, Finding, quantity
from sparkcv.doctor.sizes import container_mb
from sparkcv.spark.memory import LEAST_JAVA_BYTES, executor_memory, overhead_for

__all__ = ["advice", "check", "check_surely"]

_CHECK = "memory"
_SURELY = 0.75  # of the estimate: what is below it has no chance


def check(facts: Facts) -> Iterator[Finding]:
    """Check the container of an executor where there are containers, else the memory that its host has left."""
    yield from _address_spaces(facts)
    if facts.spark.has_containers:
        _, role = estimate.largest(facts.config, facts.dataset)
        yield _container(facts, max(role.least, _SURELY * role.likely))
    else:
        yield from _hosts(facts)


def check_surely(facts: Facts) -> Iterator[Finding]:
    """Find a container that does not even hold TensorFlow and the weights."""
    if facts.spark.has_containers:
        _, role = estimate.largest(facts.config, facts.dataset)
        yield _container(facts, role.least)


def advice(facts: Facts) -> str:
    """Return the memoryOverhead that holds an executor's roles, if YARN can give it."""
    overhead, largest = _wanted_overhead(facts), facts.spark.limits_mb[1]
    if largest and overhead + executor_memory(facts.spark.conf).heap_mb > largest:
        return f"a smaller --batch_size or --train_image_size: YARN's largest container has {largest} MiB"
    return f"--conf spark.executor.memoryOverhead={overhead}m, or a smaller --batch_size"


def _container(facts: Facts, least_each: float) -> Finding:
    """Compare a container's limit with its processes: Java, the Spark task, and the roles beside it."""
    spark, each = facts.spark, facts.roles_each
    name, role = estimate.largest(facts.config, facts.dataset)
    limit, given = container_mb(spark) * 2**20, executor_memory(spark.conf)
    found = (
        f"a container of {quantity(limit, 'bytes')} ({given.overhead_mb} MiB of it are memoryOverhead) has to hold"
        f" {_roles(each, name)} of about {quantity(role.likely, 'bytes')} and Java"
    )
    if limit >= (given.heap_mb + _wanted_overhead(facts)) * 2**20:
        return Finding(_CHECK, APPLICATION, OK, found)
    if limit >= each * least_each + LEAST_JAVA_BYTES:
        return Finding(_CHECK, APPLICATION, WARNING, f"{found}: it may be killed", advice(facts))
    return Finding(_CHECK, APPLICATION, FAIL, f"{found}: it will be killed", advice(facts))


def _hosts(facts: Facts) -> Iterator[Finding]:
    """Compare what a host has left with the roles of all its executors, where nothing bounds an executor."""
    count = collections.Counter(machine.place.host for machine in facts.executors)
    name, _ = estimate.largest(facts.config, facts.dataset)
    for machine in facts.executors:
        if machine.memory_free is None:
            continue
        num_roles = min(facts.num_roles, count[machine.place.host] * facts.roles_each)
        likely = _together(facts, num_roles)
        found = f"{{}} free, {_roles(num_roles, name)} on this host take about {quantity(likely, 'bytes')}"
        less = "a smaller --batch_size, fewer roles on this host, or more memory"
        status = OK
        if machine.memory_free < likely:
            status = FAIL if machine.memory_free < _SURELY * likely else WARNING
        yield Finding(_CHECK, machine.place, status, found, "" if status == OK else less, machine.memory_free, "bytes")


def _address_spaces(facts: Facts) -> Iterator[Finding]:
    """Find a bound that somebody set by ``ulimit -v``; ``settings`` finds Spark's own."""
    if "spark.executor.pyspark.memory" in facts.spark.conf:
        return
    wanted = estimate.address_space(facts.config)
    for machine in facts.executors:
        if machine.address_space is not None and machine.address_space < wanted:
            found = (
                f"the address space of a process is bound to {{}} (RLIMIT_AS), TensorFlow maps {wanted / 1e9:.0f} GB"
            )
            yield _too_narrow(machine, found)


def _too_narrow(machine: Machine, found: str) -> Finding:
    return Finding(_CHECK, machine.place, FAIL, found, "ulimit -v unlimited there", machine.address_space, "bytes")


def _wanted_overhead(facts: Facts) -> int:
    """Return the MB that ``spark.session`` asks for where the user sets nothing."""
    _, role = estimate.largest(facts.config, facts.dataset)
    return overhead_for(facts.roles_each * role.likely, executor_memory(facts.spark.conf).heap_mb)


def _together(facts: Facts, num_roles: int) -> float:
    """Return the bytes that so many roles take, workers first."""
    workers = min(num_roles, facts.config.num_workers)
    memory = workers * estimate.worker(facts.config, facts.dataset).likely
    return memory + (num_roles - workers) * estimate.ps(facts.config).likely


def _roles(count: int, name: str) -> str:
    return f"a {name}" if count == 1 else f"{count} roles"
