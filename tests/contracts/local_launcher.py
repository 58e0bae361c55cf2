"""A launcher of plain processes on this machine: the fake at the launch seam, held to the same contract as Spark's.

It starts each task as ``local_task.py`` and speaks with it by lines of JSON on its stdin and stdout.
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

TASK = Path(__file__).with_name("local_task.py")


View = Callable[[int, list[str]], list[str]]  # what a task hears of what all have said


class LocalLauncher:
    def __init__(self, num_slots: int, paths: list[str], view: View = lambda index, said: said):
        """``paths`` go to the tasks' PYTHONPATH."""
        self._num_slots, self._paths, self._view = num_slots, paths, view

    def slots(self) -> Slots:
        return Slots(self._num_slots, self._num_slots)

    def granted(self) -> int | None:
        return None

    def obstacle(self, num_missing: int) -> str:
        return ""

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
        self._tasks = [
            subprocess.Popen(
                [sys.executable, str(TASK)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                text=True,
            )
            for _ in range(count)
        ]
        for index, task in enumerate(self._tasks):
            task.stdin.write(json.dumps({"index": index, "body": text, "scratch_root": self._folder.name}) + "\n")
            task.stdin.flush()
        self._waiters = [threading.Thread(target=self._serve, args=(index,)) for index in range(count)]
        for waiter in self._waiters:
            waiter.start()
        self._cleaner = threading.Thread(target=self._clean_up)
        self._cleaner.start()

    def is_over(self) -> bool:
        return not self._cleaner.is_alive()

    def error(self) -> str:
        return self._error if self.is_over() else ""

    def place(self, task: str) -> str:
        return f"task {task}"

    def loss(self, task: str) -> str:
        return self._lost.get(task, "")

    def complaint(self, task: str) -> str:
        return self._error

    def stopped(self) -> str:
        return ""

    def memory(self) -> ExecutorMemory | None:
        return None

    def cancel(self) -> None:
        for task in self._tasks:
            if task.poll() is None:
                task.kill()

    def join(self, timeout_s: float) -> bool:
        self._cleaner.join(timeout_s)
        return self.is_over()

    def _serve(self, index: int) -> None:
        task = self._tasks[index]
        for line in task.stdout:
            with self._lock:
                self._said[index] = json.loads(line)
                if len(self._said) == len(self._tasks):
                    said = [self._said[at] for at in range(len(self._tasks))]
                    self._said = {}
                    for at, other in enumerate(self._tasks):
                        other.stdin.write(json.dumps(self._view(at, said)) + "\n")
                        other.stdin.flush()
        last_words = task.stderr.read().strip().splitlines()
        if task.wait():
            with self._lock:
                if task.returncode == -signal.SIGKILL:
                    self._lost[str(index)] = "the task's process was killed"
                self._error = self._error or (last_words or [f"task {index} ended with {task.returncode}"])[-1]
            self.cancel()  # as Spark does: one failed task ends the stage

    def _clean_up(self) -> None:
        for waiter in self._waiters:
            waiter.join()
        for task in self._tasks:
            for stream in (task.stdin, task.stdout, task.stderr):
                stream.close()
        self._folder.cleanup()
