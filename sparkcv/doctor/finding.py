"""What the doctor found, as data: a finding a row, and the report that they make."""

import dataclasses

__all__ = [
    "APPLICATION",
    "DRIVER",
    "DoctorReport",
    "FAIL",
    "Finding",
    "Location",
    "OK",
    "WARNING",
    "quantity",
    "sentence",
]

OK, WARNING, FAIL = "ok", "warning", "FAIL"


@dataclasses.dataclass(frozen=True)
class Location:
    """Where something was found: the driver, an executor on a host, or the application as a whole."""

    name: str
    host: str = ""
    is_executor: bool = False

    def __str__(self) -> str:
        if not self.is_executor:
            return self.name
        return f"executor {self.name}" + (f" on {self.host}" if self.host else "")


DRIVER = Location("driver")
APPLICATION = Location("application")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at, in one place.

    Attributes:
        check: what was looked at, one word; findings of one check stand together.
        place: where.
        status: ``OK``, ``WARNING`` (training starts, but see) or ``FAIL`` (it would fail).
        found: what is there and, unless it is well, what was wanted; ``{}`` stands for ``amount``.
        advice: the setting or the deed that mends it; "" where there is nothing to mend.
        amount: a measured value, in ``unit``: executors whose findings differ in nothing else are shown together.
        unit: ``"bytes"`` or ``"s"``.
    """

    check: str
    place: Location
    status: str
    found: str
    advice: str = ""
    amount: float | None = None
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class DoctorReport:
    """All findings, in the order in which they are to be read."""

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> list[Finding]:
        """Those with which the training job would fail."""
        return [finding for finding in self.findings if finding.status == FAIL]

    @property
    def warnings(self) -> list[Finding]:
        """Those that a person should know of."""
        return [finding for finding in self.findings if finding.status == WARNING]

    @property
    def is_ok(self) -> bool:
        """Whether training can start."""
        return not self.failures


def quantity(amount: float, unit: str) -> str:
    """Return an amount as a person says it: ``73.2 GB``, ``512 MB``, ``0.3 MB``, ``4 ms``, ``2.5 s``, ``6 min``."""
    size = abs(amount)
    if unit == "bytes":
        if size >= 1e9:
            return f"{amount / 1e9:.1f} GB"
        return f"{amount / 1e6:.0f} MB" if size >= 1e7 else f"{amount / 1e6:.1f} MB"
    if size >= 120:
        return f"{amount / 60:.0f} min"
    return f"{amount:.1f} s" if size >= 1 else f"{max(1, amount * 1e3):.0f} ms"


def sentence(finding: Finding) -> str:
    """Return a finding as the one sentence of an error: where, what was found, and the advice."""
    found = finding.found
    if finding.amount is not None:
        found = found.replace("{}", quantity(finding.amount, finding.unit))
    where = "" if finding.place == APPLICATION else f"{finding.place}: "
    return f"{where}{found}" + (f"; {finding.advice}" if finding.advice else "")
