"""What the launchers' contract runs in its task slots."""

import os
import time
from pathlib import Path

import psutil

from sparkcv.launchers import TaskSlot

PATIENCE_S = 300


def _note(folder: str, name: str, text: str) -> None:
    part = Path(folder, f".{name}")
    part.write_text(text)
    part.rename(Path(folder, name))


def exchange(folder: str, slot: TaskSlot) -> None:
    _note(folder, f"slot-{slot.index}", ",".join(slot.exchange(f"text {slot.index}")))


def look_round(folder: str, slot: TaskSlot) -> None:
    Path(slot.scratch_root, f"probe-{slot.index}").write_text("x")
    _note(folder, f"slot-{slot.index}", f"{slot.host}\n{slot.task}\n{slot.scratch_root}\n{slot.gpus!r}")


def wait(folder: str, slot: TaskSlot) -> None:
    _note(folder, f"task-{slot.index}", slot.task)
    _note(folder, f"slot-{slot.index}", str(os.getpid()))
    time.sleep(PATIENCE_S)


def raise_in_slot_1(folder: str, slot: TaskSlot) -> None:
    _note(folder, f"task-{slot.index}", slot.task)
    _note(folder, f"slot-{slot.index}", str(os.getpid()))
    slot.exchange("all are here")
    if slot.index == 1:
        raise ValueError("slot 1 has had enough")
    time.sleep(PATIENCE_S)


def is_in_slot(pid: int) -> bool:
    """Whether the process is still in ``wait`` or sleeps: a Spark worker may live on, for the next task."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
