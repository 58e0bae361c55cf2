"""What the launchers' contract runs on its seats."""

import os
import time
from pathlib import Path

import psutil

from sparkcv.launchers import TaskSlot

PATIENCE_S = 120


def _note(folder: str, name: str, text: str) -> None:
    part = Path(folder, f".{name}")
    part.write_text(text)
    part.rename(Path(folder, name))


def exchange(folder: str, seat: TaskSlot) -> None:
    _note(folder, f"seat-{seat.index}", ",".join(seat.exchange(f"seat {seat.index}")))


def look_round(folder: str, seat: TaskSlot) -> None:
    Path(seat.scratch_root, f"probe-{seat.index}").write_text("x")
    _note(folder, f"seat-{seat.index}", f"{seat.host}\n{seat.task}\n{seat.scratch_root}\n{seat.gpus!r}")


def wait(folder: str, seat: TaskSlot) -> None:
    _note(folder, f"task-{seat.index}", seat.task)
    _note(folder, f"seat-{seat.index}", str(os.getpid()))
    time.sleep(PATIENCE_S)


def raise_in_seat_1(folder: str, seat: TaskSlot) -> None:
    _note(folder, f"task-{seat.index}", seat.task)
    _note(folder, f"seat-{seat.index}", str(os.getpid()))
    seat.exchange("all are here")
    if seat.index == 1:
        raise ValueError("seat 1 has had enough")
    time.sleep(PATIENCE_S)


def is_seated(pid: int) -> bool:
    """Whether the process still sits in ``wait`` or sleeps: a Spark worker may live on, for the next task."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
