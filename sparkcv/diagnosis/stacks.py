"""The Python stacks that a process wrote to its log on SIGUSR1, found again among its lines."""

import dataclasses
import re
from collections.abc import Sequence

__all__ = ["Frame", "Thread", "other_lines", "shown", "threads_in"]

_HEAD = re.compile(r"(?:Current thread|Thread) 0x([0-9a-f]+) .*\(most recent call first\):")
_NO_FRAME = "  <no Python frame>"
_FRAME = re.compile(r'  File "([^"]*)", line (\d+) in (.*)')
_MAX_FRAMES = 40
_MAX_OTHER_FRAMES = 5
_MAX_LINES = 80


@dataclasses.dataclass(frozen=True)
class Frame:
    """One call; ``str`` is its function and where that is."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.function} ({self.file}, line {self.line})"


@dataclasses.dataclass(frozen=True)
class Thread:
    """One thread's stack, the most recent call first."""

    frames: tuple[Frame, ...]


def threads_in(lines: Sequence[str]) -> list[Thread]:
    """Return the threads of the last dump in ``lines``, the main thread first; [] if there is none.

    Python's faulthandler writes the threads from the youngest to the oldest, which is the main one.
    """
    threads: dict[str, list[Frame]] = {}
    frames: list[Frame] | None = None
    for line in lines:
        if head := _HEAD.fullmatch(line):
            if head[1] in threads:  # a later dump
                threads = {}
            frames = threads[head[1]] = []
        elif (found := _FRAME.fullmatch(line)) and frames is not None:
            frames.append(Frame(found[1], int(found[2]), found[3]))
    return [Thread(tuple(frames)) for frames in reversed(threads.values()) if frames]


def other_lines(lines: Sequence[str]) -> list[str]:
    """Return what stands in ``lines`` beside stacks and the empty lines between them."""
    return [line for line in lines if not (_HEAD.fullmatch(line) or _FRAME.fullmatch(line) or line in ("", _NO_FRAME))]


def shown(threads: Sequence[Thread]) -> list[str]:
    """Return lines for a person: the first thread nearly whole, the others' newest calls, equal threads once."""
    lines: list[str] = []
    counts: dict[tuple[bool, tuple[Frame, ...]], int] = {}
    for at, thread in enumerate(threads):
        key = (at == 0, thread.frames[: _MAX_FRAMES if at == 0 else _MAX_OTHER_FRAMES])
        counts[key] = counts.get(key, 0) + 1
    for (is_main, frames), count in counts.items():
        lines.append("main thread:" if is_main else f"{count} more threads alike:" if count > 1 else "another thread:")
        lines += [f"  {frame}" for frame in frames]
    return lines[:_MAX_LINES]
