"""Numbers as the report writes them."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """Return a share in [0, 1] as a percentage; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, such as "1 class" or "1,200 classes"; ``many`` is an irregular plural."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
