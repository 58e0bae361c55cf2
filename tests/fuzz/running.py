"""One input after another, each from a target's name, a seed and a number alone, so that it can be made again."""

import contextlib
import random
import signal
import tracemalloc
from collections.abc import Iterator

from tests.fuzz.inputs import mutated, noise
from tests.fuzz.targets import TARGETS, Target

HANGS_S = 30
_MEASURED = 50  # one in so many is read under tracemalloc, which makes it slow


class FoundError(AssertionError):
    """An input for which something does not hold; says how to make it again."""


def run(name: str, seed: int, numbers: range) -> None:
    """Read the inputs of these numbers; raise FoundError at the first that is not read as it should be."""
    target = TARGETS[name]
    for number in numbers:
        data, is_valid = made(name, seed, number)
        try:
            with _deadline():
                _read(target, data, is_valid, is_measured=number % _MEASURED == 0)
        except Exception as err:
            again = f"python -m tests.fuzz --target {name} --seed {seed} --number {number}"
            raise FoundError(f"{again}: {type(err).__name__}: {err} ({len(data)} bytes)") from err


def made(name: str, seed: int, number: int) -> tuple[bytes, bool]:
    """Return an input, and whether it is a valid one."""
    target, rng = TARGETS[name], random.Random(f"{name} {seed} {number}")
    kind = rng.random()
    if kind < 0.05:
        return noise(rng), False
    data = target.make(rng)
    if kind < 0.15:
        return data, True
    return mutated(rng, data, target.make(rng)), False


def _read(target: Target, data: bytes, is_valid: bool, is_measured: bool) -> None:
    if is_measured:
        tracemalloc.start()
    try:
        target.check(data)
        if is_valid:
            target.check_valid(data)
        if is_measured:
            peak = tracemalloc.get_traced_memory()[1]
            assert peak <= target.most_bytes, f"reading took {peak} bytes, at most {target.most_bytes} are wanted"
    finally:
        tracemalloc.stop()


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """Raise TimeoutError in the block when it takes as long as nothing of a few kilobytes may take."""

    def hang(*_: object) -> None:
        raise TimeoutError(f"not read within {HANGS_S} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, HANGS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
