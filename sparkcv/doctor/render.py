"""The report as a table for a terminal or a log file."""

import textwrap

from sparkcv import logs
from sparkcv.doctor.finding import FAIL, OK, WARNING, DoctorReport
from sparkcv.doctor.fold import FindingRow, fold

__all__ = ["sentence", "table"]

_COLOURS = {OK: "\x1b[32m", WARNING: "\x1b[33m", FAIL: "\x1b[1;31m"}
_END = "\x1b[0m"
_CHECK, _WHERE, _STATUS = 12, 20, 9  # columns, the space between them included
_MIN_FOUND = 30
_ARROW = "-> "


def table(report: DoctorReport, columns: int = 100, *, colour: bool = False) -> str:
    """Return all findings as lines of at most ``columns`` characters, folded, each with its advice below it."""
    lines = [f"{'check':{_CHECK}}{'where':{_WHERE}}{'status':{_STATUS}}found", "-" * columns]
    before = ""
    for row in fold(report.findings):
        lines += _lines(row, row.check if row.check != before else "", columns, colour)
        before = row.check
    return "\n".join(lines)


def sentence(report: DoctorReport) -> str:
    """Return the report's last word in one sentence."""
    failures, warnings = fold(report.failures), len(fold(report.warnings))
    also = f"{warnings} warning{'s' if warnings != 1 else ''}" if warnings else "no warnings"
    if not failures:
        return f"training can start, with {also}"
    more = f", and {len(failures) - 1} more" if len(failures) > 1 else ""
    first = failures[0]
    advice = f"; {first.advice}" if first.advice else ""
    return f"training would fail ({first.check}, {first.where}): {first.found}{advice}{more} ({also})"


def _lines(row: FindingRow, check: str, columns: int, colour: bool) -> list[str]:
    width = max(_MIN_FOUND, columns - _CHECK - _WHERE - _STATUS)
    found = textwrap.wrap(logs.clean(row.found), width) or [""]
    if row.advice:
        found += textwrap.wrap(
            logs.clean(row.advice),
            width,
            initial_indent=_ARROW,
            subsequent_indent=" " * len(_ARROW),
            break_on_hyphens=False,
        )
    where = textwrap.wrap(logs.clean(row.where), _WHERE - 2)
    height = max(len(found), len(where))
    found += [""] * (height - len(found))
    where += [""] * (height - len(where))
    lines = []
    for at in range(height):
        status = f"{row.status if at == 0 else '':{_STATUS}}"
        if colour and at == 0:
            status = f"{_COLOURS[row.status]}{status}{_END}"
        lines.append(f"{check if at == 0 else '':{_CHECK}}{where[at]:{_WHERE}}{status}{found[at]}".rstrip())
    return lines
