"""The checks: each is a function of the facts that gives findings, and asks nobody anything.

``ALL`` is what the doctor judges, in the order of its table; ``SETTINGS_FIRST`` and ``QUICK`` are what a training job
judges of itself before and after its first short stage.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from sparkcv.doctor.checks import (
    exposure,
    gpus,
    hosts,
    kubernetes,
    launcher,
    login,
    memory,
    network,
    on_kubernetes,
    roles,
    security,
    settings,
    slots,
    storage,
    versions,
)
from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import Finding

__all__ = ["ALL", "QUICK", "SETTINGS_FIRST", "judge"]

Check = Callable[[Facts], Iterable[Finding]]

ALL: tuple[Check, ...] = (
    settings.check,
    slots.check,
    kubernetes.check,
    versions.check,
    roles.check,
    storage.check,
    login.check,
    network.check,
    hosts.check_clocks,
    hosts.check_disks,
    hosts.check_shared_memory,
    memory.check,
    gpus.check,
    exposure.check,
    launcher.check,
    security.check,
)
SETTINGS_FIRST: tuple[Check, ...] = (settings.check, slots.check_asked, memory.check_surely)
QUICK: tuple[Check, ...] = (
    exposure.check,
    launcher.check,
    gpus.check_surely,
    slots.check_silent,
    versions.check,
    storage.check,
)


def judge(facts: Facts, checks: Sequence[Check]) -> Iterator[Finding]:
    """Yield what each of the checks finds."""
    for check in checks:
        for finding in check(facts):
            yield on_kubernetes.fitting(finding) if facts.spark.is_kubernetes else finding
