"""Clocks, disks and shared memory of the executors."""

import collections
from collections.abc import Iterator

from sparkcv.doctor import estimate
from sparkcv.doctor.facts import Facts, Machine
from sparkcv.doctor.finding import FAIL, OK, WARNING, Finding, quantity

__all__ = ["check_clocks", "check_disks", "check_shared_memory"]

_CLOCK_WARNING_S = 1.0
_CLOCK_FAILURE_S = 300.0  # Kerberos's
_SHM_BYTES = 64e6  # what containers get that ask for nothing


def check_clocks(facts: Facts) -> Iterator[Finding]:
    """Compare each executor's clock with the driver's, less what the way there and back may hide."""
    for machine in facts.executors:
        if machine.clock_s is None:
            continue
        surely_s = max(0.0, abs(machine.clock_s) - machine.clock_error_s)
        side = "ahead of" if machine.clock_s > 0 else "behind"
        advice = "let chrony or ntpd set the clock of this host and of the driver's"
        if surely_s > _CLOCK_FAILURE_S:
            found = f"the clock is {{}} {side} the driver's, Kerberos allows {_CLOCK_FAILURE_S / 60:.0f} min"
            yield Finding("clock", machine.place, FAIL, found, advice, surely_s, "s")
        elif surely_s > _CLOCK_WARNING_S:
            found = f"the clock is {{}} {side} the driver's: times in logs and curves will not fit"
            yield Finding("clock", machine.place, WARNING, found, advice, surely_s, "s")
        else:
            within_s = abs(machine.clock_s) + machine.clock_error_s
            yield Finding("clock", machine.place, OK, "within {} of the driver's", amount=within_s, unit="s")


def check_disks(facts: Facts) -> Iterator[Finding]:
    """Compare the roles' scratch folder with what they spool and save there, those of one host together."""
    share = _roles_by_host(facts)
    for machine in facts.executors:
        if machine.scratch_error:
            advice = "set spark.local.dir (on YARN: yarn.nodemanager.local-dirs) to a folder that can be written to"
            found = f"the roles' folder cannot be written to: {machine.scratch_error}"
            yield Finding("disk", machine.place, FAIL, found, advice)
        elif machine.scratch_free is not None:
            yield _disk(machine, share[machine.place.host] * estimate.disk(facts.config, facts.dataset))


def _disk(machine: Machine, wanted: float) -> Finding:
    found = (
        f"{{}} free on the disk at {machine.scratch_disk} for the roles' files, which may take"
        f" {quantity(wanted, 'bytes')} on this host"
    )
    if machine.scratch_free is not None and machine.scratch_free < wanted:
        advice = "lower --spool_bytes, make room there, or move spark.local.dir (YARN: yarn.nodemanager.local-dirs)"
        return Finding("disk", machine.place, FAIL, found, advice, machine.scratch_free, "bytes")
    return Finding("disk", machine.place, OK, found, amount=machine.scratch_free, unit="bytes")


def check_shared_memory(facts: Facts) -> Iterator[Finding]:
    """Check the space for memory that processes share: where it is full they die by SIGBUS."""
    for machine in facts.executors:
        if machine.import_error:
            continue
        if machine.shm_free is None:
            yield Finding("shm", machine.place, WARNING, "there is no /dev/shm", "mount a tmpfs at /dev/shm")
        elif machine.shm_free < _SHM_BYTES:
            found, advice = "{} free in /dev/shm", "make room there; a container gets more by --shm-size"
            yield Finding("shm", machine.place, WARNING, found, advice, machine.shm_free, "bytes")
        else:
            yield Finding("shm", machine.place, OK, "{} free in /dev/shm", amount=machine.shm_free, unit="bytes")


def _roles_by_host(facts: Facts) -> dict[str, int]:
    """Return how many roles each host gets if Spark spreads them evenly."""
    executors = collections.Counter(machine.place.host for machine in facts.executors)
    return {host: min(facts.num_roles, facts.roles_each * count) for host, count in executors.items()}
