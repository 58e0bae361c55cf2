"""Sizes as Kubernetes spells them: ``1536Mi``, ``1500M``, ``1e9``, ``1.5Gi``, ``500m``."""

import re
from decimal import Decimal

__all__ = ["quantity"]

_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?(m|k|[KMGTPE]i|[MGTPE])?")
_UNITS = {"": Decimal(1), "m": Decimal("0.001"), "k": Decimal(1000)}
_UNITS |= {f"{unit}i": Decimal(1024**power) for power, unit in enumerate("KMGTPE", start=1)}
_UNITS |= {unit: Decimal(1000**power) for power, unit in enumerate("MGTPE", start=2)}


def quantity(text: str) -> int:
    """Return the whole number, of bytes where it is a memory's; 0 for what is no quantity."""
    found = _QUANTITY.fullmatch(text)
    if found is None or (found[2] and found[3]):
        return 0
    return int(Decimal(found[1] + (found[2] or "")) * _UNITS[found[3] or ""])
