"""The ports that a run may open: for networks whose firewalls let only some of them through."""

import dataclasses
import re

from sparkcv.errors import UsageError

__all__ = ["ANY_PORT", "PortRange"]

_TEXT = re.compile(r"([0-9]{1,6})-([0-9]{1,6})")
_LEAST, _MOST = 1024, 65535
_LEAST_PORTS = 2  # where each role has a host of its own: the driver's control channel and one role


@dataclasses.dataclass(frozen=True)
class PortRange:
    """The ports from ``low`` to ``high``, both included; 0 to 0 stands for whichever the system gives."""

    low: int = 0
    high: int = 0

    @classmethod
    def parse(cls, text: str | None) -> "PortRange":
        """Return the range that ``LOW-HIGH`` names, any port for None; raise UsageError for anything else."""
        if text is None:
            return ANY_PORT
        match = _TEXT.fullmatch(text)
        low, high = (int(match[1]), int(match[2])) if match else (0, 0)
        if not _LEAST <= low <= high <= _MOST:
            raise UsageError(
                f"--port_range: got {text!r}, wanted LOW-HIGH from {_LEAST} to {_MOST}, such as 40000-40099"
            )
        if high - low + 1 < _LEAST_PORTS:
            raise UsageError(
                f"--port_range {text}: got 1 port, wanted {_LEAST_PORTS} at least: one for the driver's control"
                " channel, and one for each role on a host"
            )
        return cls(low, high)

    def __bool__(self) -> bool:
        """Return whether the ports are bounded at all."""
        return self != ANY_PORT

    def __len__(self) -> int:
        return self.high - self.low + 1

    def __str__(self) -> str:
        return f"{self.low}-{self.high}" if self else "any"


ANY_PORT = PortRange()
