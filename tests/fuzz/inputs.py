"""Bytes that are nearly right: valid inputs, bent in the ways in which files break, and some that never were right."""

import random
from collections.abc import Callable

# Numbers at which sizes and counts go wrong, as bytes of either order.
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1)
_MOST_STEPS = 4


def mutated(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Return ``data`` after a few steps, of which one mixes it with ``other``."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, _MOST_STEPS)):
        rng.choice(_STEPS)(rng, changed, other)
    return bytes(changed)


def noise(rng: random.Random) -> bytes:
    """Return bytes that are of nothing: few, all alike, or of few values."""
    length = rng.choice((0, 1, 7, 64, 1000))
    if rng.random() < 0.5:
        return rng.randbytes(length)
    return bytes(rng.choices(rng.randbytes(2), k=length))


def _span(rng: random.Random, data: bytearray) -> tuple[int, int]:
    """Return begin and end of a part, mostly a short one, maybe of no bytes."""
    begin = rng.randint(0, len(data))
    most = rng.choice((1, 4, 16, len(data)))
    return begin, min(len(data), begin + rng.randint(0, most))


def _flip(rng: random.Random, data: bytearray, other: bytes) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _edge(rng: random.Random, data: bytearray, other: bytes) -> None:
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(_EDGES) + rng.choice((-1, 0, 0, 1))
    at = rng.randint(0, len(data))
    data[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))


def _cut(rng: random.Random, data: bytearray, other: bytes) -> None:
    del data[rng.randint(0, len(data)) :]


def _remove(rng: random.Random, data: bytearray, other: bytes) -> None:
    begin, end = _span(rng, data)
    del data[begin:end]


def _repeat(rng: random.Random, data: bytearray, other: bytes) -> None:
    begin, end = _span(rng, data)
    data[end:end] = data[begin:end] * rng.choice((1, 1, 2, 8))
    del data[1 << 20 :]


def _insert(rng: random.Random, data: bytearray, other: bytes) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = noise(rng)[:64]


def _overwrite(rng: random.Random, data: bytearray, other: bytes) -> None:
    begin, end = _span(rng, data)
    data[begin:end] = rng.choice((bytes(end - begin), b"\xff" * (end - begin), rng.randbytes(end - begin)))


def _splice(rng: random.Random, data: bytearray, other: bytes) -> None:
    begin, end = _span(rng, data)
    there = bytearray(other)
    first, last = _span(rng, there)
    data[begin:end] = there[first:last]


_STEPS: tuple[Callable[[random.Random, bytearray, bytes], None], ...] = (
    _flip, _flip, _edge, _edge, _cut, _remove, _repeat, _insert, _overwrite, _splice,
)  # fmt: skip
