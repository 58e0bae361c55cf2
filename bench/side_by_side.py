"""Two things run alternately in one call, compared as a ratio: on a shared machine a time alone says nothing.

A side is a command that measures itself, without import and start-up, and prints one line of JSON last:
``{"items": ..., "wall_s": ..., "cpu_s": ...}``. ``cpu_s`` is of all processes that the work keeps busy, daemons too.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence

import psutil

ROUNDS = 6  # the first warms the page cache and is dropped


@dataclasses.dataclass(frozen=True)
class Sample:
    """One run of a side."""

    items: int
    wall_s: float
    cpu_s: float


@dataclasses.dataclass(frozen=True)
class Ratio:
    """The rate of one side divided by that of the other: median, least and greatest of the rounds."""

    name: str
    goal: str
    wall: tuple[float, float, float]
    cpu: tuple[float, float, float]
    rates: tuple[float, float]
    unit: str

    def row(self) -> str:
        """Return the row of the table in RESULTS.md and docs/measured.md."""
        wall = f"{self.wall[0]:.3f} ({self.wall[1]:.3f} to {self.wall[2]:.3f})"
        cpu = f"{self.cpu[0]:.3f} ({self.cpu[1]:.3f} to {self.cpu[2]:.3f})"
        return f"| {self.name} | {self.goal} | {wall} | {cpu} | {self.rates[0]:.0f} / {self.rates[1]:.0f} {self.unit} |"


def compare(
    name: str, goal: str, first: Callable[[], Sample], second: Callable[[], Sample], *, unit: str, rounds: int = ROUNDS
) -> Ratio:
    """Run A/B/A/B and return the rate of ``first`` over the rate of ``second``, each round its own ratio."""
    pairs = []
    for index in range(rounds):
        pairs.append((first(), second()))
        a, b = pairs[-1]
        print(
            f"{name}, round {index + 1} of {rounds}: {a.items / a.wall_s:.1f} / {b.items / b.wall_s:.1f} {unit}, "
            f"{a.items / a.cpu_s:.1f} / {b.items / b.cpu_s:.1f} a CPU-second{' (dropped)' if index == 0 else ''}",
            file=sys.stderr,
            flush=True,
        )
    pairs = pairs[1:]
    return Ratio(
        name,
        goal,
        _spread((a.items / a.wall_s) / (b.items / b.wall_s) for a, b in pairs),
        _spread((a.items / a.cpu_s) / (b.items / b.cpu_s) for a, b in pairs),
        (
            statistics.median(a.items / a.wall_s for a, _ in pairs),
            statistics.median(b.items / b.wall_s for _, b in pairs),
        ),
        unit,
    )


def run(argv: Sequence[str], env: dict[str, str]) -> Sample:
    """Run one side's command to its end and read its last line; what TensorFlow chats is shown only if it fails."""
    done = subprocess.run([sys.executable, *argv], env={**os.environ, **env}, capture_output=True, check=False)
    if done.returncode:
        sys.stderr.buffer.write(done.stderr)
        raise SystemExit(f"{' '.join(argv)} ended with exit code {done.returncode}")
    return Sample(**json.loads(done.stdout.splitlines()[-1]))


def main_of_two_ways(
    doc: str, name: str, goal: str, *, program: str, ways: tuple[str, str], count: tuple[str, int], unit: str
) -> int:
    """Be the command of a bench whose sides are one ``program`` with ``--how`` of two ``ways``; print the row.

    ``count`` is the flag, with its default, of how many items a side works through.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: what is worked on is made here")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(f"--{count[0]}", type=int, default=count[1])
    flags = parser.parse_args()
    path = str(pathlib.Path(__file__).with_name(program))

    def side(how: str) -> Sample:
        return run([path, f"--how={how}", f"--{count[0]}={getattr(flags, count[0])}"], {})

    ratio = compare(name, goal, lambda: side(ways[0]), lambda: side(ways[1]), unit=unit, rounds=flags.rounds)
    print(ratio.row())
    return 0


class Watch:
    """A context manager that measures the wall and CPU seconds of this process and of those named by ``pids``."""

    def __init__(self, pids: Iterable[int] = ()) -> None:
        self._processes = [psutil.Process(), *(psutil.Process(pid) for pid in pids)]

    def __enter__(self) -> "Watch":
        self._wall_s, self._cpu_s = time.perf_counter(), self._cpu()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s, self.cpu_s = time.perf_counter() - self._wall_s, self._cpu() - self._cpu_s

    def tell(self, items: int) -> None:
        """Print the line that :func:`run` reads."""
        print(json.dumps({"items": items, "wall_s": self.wall_s, "cpu_s": self.cpu_s}), flush=True)

    def _cpu(self) -> float:
        return sum(times.user + times.system for times in (process.cpu_times() for process in self._processes))


def _spread(ratios: Iterable[float]) -> tuple[float, float, float]:
    values = sorted(ratios)
    return statistics.median(values), values[0], values[-1]
