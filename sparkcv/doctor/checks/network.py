"""Whether executors can listen, reach the driver, and reach each other."""

from collections.abc import Iterator

from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import FAIL, OK, Finding

__all__ = ["check"]

_CHECK = "ports"


def check(facts: Facts) -> Iterator[Finding]:
    """Check each executor's listening, its way to the driver, and its way to the next executor in a ring of all."""
    for machine in facts.executors:
        failures = []
        if machine.driver_error:
            found = f"the driver cannot be reached at {machine.driver_error}"
            advice = "set spark.driver.host to an address that the executors reach, and let its ports through firewalls"
            failures.append((found, advice))
        if machine.bind_error:
            found = f"cannot listen on the address that other executors use, {machine.bind_error}"
            failures.append((found, "let this host's name lead to an address of its own, or set SPARK_LOCAL_IP there"))
        if machine.peer_error:
            found = f"cannot reach the executor at {machine.peer}: {machine.peer_error}"
            failures.append(
                (found, "let all ports between the cluster's hosts, or those of --port_range, through firewalls")
            )
        for found, advice in failures:
            yield Finding(_CHECK, machine.place, FAIL, found, advice)
        if not failures and machine.peer:
            yield Finding(_CHECK, machine.place, OK, "listens, reaches the driver and the next executor")
        elif not failures and machine.clock_s is not None:
            yield Finding(_CHECK, machine.place, OK, "reaches the driver")
