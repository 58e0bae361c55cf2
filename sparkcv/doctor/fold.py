"""Findings as rows for people: executors of which the same is to be said share one."""

import dataclasses
from collections.abc import Iterable, Sequence

from sparkcv.doctor.finding import Finding, Location, quantity

__all__ = ["FindingRow", "fold"]


@dataclasses.dataclass(frozen=True)
class FindingRow:
    """One row of the table; ``where`` and ``found`` are text as it is shown."""

    check: str
    where: str
    status: str
    found: str
    advice: str


def fold(findings: Iterable[Finding]) -> list[FindingRow]:
    """Return the rows of findings, in the order in which each was first found; checks stand together."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        # What is not about an executor keeps its own row.
        where = "" if finding.place.is_executor else str(finding.place)
        key = (finding.check, where, finding.status, finding.found, finding.advice, finding.unit)
        groups.setdefault(key, []).append(finding)
    checks = list(dict.fromkeys(finding.check for group in groups.values() for finding in group))
    return [_row(group) for check in checks for group in groups.values() if group[0].check == check]


def _row(group: Sequence[Finding]) -> FindingRow:
    first = group[0]
    found = first.found
    amounts = [finding.amount for finding in group if finding.amount is not None]
    if amounts:
        least, most = quantity(min(amounts), first.unit), quantity(max(amounts), first.unit)
        found = found.replace("{}", least if least == most else f"{least} to {most}")
    return FindingRow(first.check, _where([finding.place for finding in group]), first.status, found, first.advice)


def _where(places: Sequence[Location]) -> str:
    places = list(dict.fromkeys(places))
    if len(places) == 1:
        return str(places[0])
    num_hosts = len({place.host for place in places})
    on = f" on {num_hosts} hosts" if num_hosts > 1 else ""
    return f"executors {_ranges([place.name for place in places])}{on}"


def _ranges(names: Sequence[str]) -> str:
    """Return text such as ``0-39, 41`` for names that are numbers; others are listed."""
    if not all(name.isdigit() for name in names):
        return ", ".join(sorted(names))
    numbers, parts = sorted(map(int, names)), []
    start = last = numbers[0]
    for number in [*numbers[1:], None]:
        if number is not None and number == last + 1:
            last = number
            continue
        parts.append(str(start) if start == last else f"{start}-{last}")
        if number is not None:
            start = last = number
    return ", ".join(parts)
