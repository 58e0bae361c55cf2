"""The bounded form, with a fixed seed, and what shows that the checks can fail."""

import pytest

from sparkcv.errors import RecordError
from tests.fuzz import running
from tests.fuzz.running import FoundError, made, run
from tests.fuzz.targets import TARGETS, Target

NUMBERS = {
    "record": 6_000, "example": 12_000, "gnt": 12_000, "header": 20_000, "picture": 10_000,
    "predict": 6_000, "bent_predict": 6_000, "infer": 6_000, "bent_infer": 6_000,
}  # fmt: skip
SEED = 20


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_bytes_come_are_read_or_refused_as_they_should_be(name):
    run(name, SEED, range(NUMBERS[name]))


def test_an_input_is_made_again_from_its_numbers():
    for name in TARGETS:
        inputs = [made(name, 1, number) for number in range(40)]
        assert inputs == [made(name, 1, number) for number in range(40)]
        assert inputs != [made(name, 2, number) for number in range(40)]
        assert any(is_valid for _, is_valid in inputs)


def _refuse(data: bytes) -> None:
    raise RecordError("a word")


def _hang(data: bytes) -> None:
    while True:
        pass


def _hoard(data: bytes) -> None:
    bytearray(1 << 20)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (_refuse, "RecordError: a word"),
        (_hang, "TimeoutError: not read within 0.05 s"),
        (_hoard, r"AssertionError: reading took \d+ bytes, at most 500000 are wanted"),
    ],
)
def test_what_does_not_hold_is_found_and_said_with_the_way_to_it(monkeypatch, check, said):
    monkeypatch.setitem(TARGETS, "example", Target(lambda rng: b"xy", check, check, most_bytes=500_000))
    monkeypatch.setattr(running, "HANGS_S", 0.05)
    with pytest.raises(FoundError, match=f"tests.fuzz --target example --seed 3 --number 0: {said}"):
        run("example", 3, range(1))
