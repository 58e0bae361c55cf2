"""A launcher of plain processes on this machine: the fake at the launch seam, held to the same contract as Spark's.

It starts each seat as ``local_seat.py`` and speaks with it by lines of JSON on its stdin and stdout.
"""

import base64
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from sparkcv.launchers import Body, Slots
from sparkcv.spark.memory import ExecutorMemory

SEAT = Path(__file__).with_name("local_seat.py")


View = Callable[[int, list[str]], list[str]]  # what a seat hears of what all have said


class LocalLauncher:
    def __init__(self, num_slots: int, paths: list[str], view: View = lambda seat, said: said):
        """``paths`` go to the seats' PYTHONPATH."""
        self._num_slots, self._paths, self._view = num_slots, paths, view

    def slots(self) -> Slots:
        return Slots(self._num_slots, self._num_slots)

    def granted(self) -> int | None:
        return None

    def bind_host(self) -> tuple[str, str]:
        return "127.0.0.1", "127.0.0.1"

    def launch(self, name: str, count: int, body: Body) -> "LocalLaunch":
        del name
        return LocalLaunch(count, body, self._paths, self._view)


class LocalLaunch:
    def __init__(self, count: int, body: Body, paths: list[str], view: View):
        self._view = view
        self._folder = tempfile.TemporaryDirectory(prefix="sparkcv-local-")
        self._lock = threading.Lock()
        self._said: dict[int, str] = {}
        self._lost: dict[str, str] = {}
        self._error = ""
        env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        text = base64.b64encode(pickle.dumps(body)).decode()
        self._seats = [
            subprocess.Popen(
                [sys.executable, str(SEAT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                text=True,
            )
            for _ in range(count)
        ]
        for index, seat in enumerate(self._seats):
            seat.stdin.write(json.dumps({"index": index, "body": text, "scratch_root": self._folder.name}) + "\n")
            seat.stdin.flush()
        self._waiters = [threading.Thread(target=self._serve, args=(index,)) for index in range(count)]
        for waiter in self._waiters:
            waiter.start()
        self._janitor = threading.Thread(target=self._clean_up)
        self._janitor.start()

    def is_over(self) -> bool:
        return not self._janitor.is_alive()

    def error(self) -> str:
        return self._error if self.is_over() else ""

    def place(self, task: str) -> str:
        return f"seat {task}"

    def loss(self, task: str) -> str:
        return self._lost.get(task, "")

    def complaint(self, task: str) -> str:
        return self._error

    def stopped(self) -> str:
        return ""

    def memory(self) -> ExecutorMemory | None:
        return None

    def cancel(self) -> None:
        for seat in self._seats:
            if seat.poll() is None:
                seat.kill()

    def join(self, timeout_s: float) -> bool:
        self._janitor.join(timeout_s)
        return self.is_over()

    def _serve(self, index: int) -> None:
        seat = self._seats[index]
        for line in seat.stdout:
            with self._lock:
                self._said[index] = json.loads(line)
                if len(self._said) == len(self._seats):
                    said = [self._said[at] for at in range(len(self._seats))]
                    self._said = {}
                    for at, other in enumerate(self._seats):
                        other.stdin.write(json.dumps(self._view(at, said)) + "\n")
                        other.stdin.flush()
        last_words = seat.stderr.read().strip().splitlines()
        if seat.wait():
            with self._lock:
                if seat.returncode == -signal.SIGKILL:
                    self._lost[str(index)] = "the seat's process was killed"
                self._error = self._error or (last_words or [f"seat {index} ended with {seat.returncode}"])[-1]
            self.cancel()  # as Spark does: one failed task ends the stage

    def _clean_up(self) -> None:
        for waiter in self._waiters:
            waiter.join()
        for seat in self._seats:
            for stream in (seat.stdin, seat.stdout, seat.stderr):
                stream.close()
        self._folder.cleanup()
