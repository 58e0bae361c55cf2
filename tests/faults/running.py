"""A training run under fault: its processes, what it says, and what it leaves, waited for by its own words."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import psutil

from sparkcv import storage
from sparkcv.cluster import standby
from sparkcv.rundir import checkpoint

ROOT = Path(__file__).resolve().parents[2]
MARK = "SPARKCV_RUN_UNDER_TEST"  # in the environment of each process of a run
PROGRAM = "SPARKCV_PROGRAM_UNDER_TEST"
PACED = "tests.faults.paced:main"
KTHREADD = 2  # the parent of the kernel's own
HANG_S = 300  # the guard against a hang of any wait; no test asserts a time
_POLL_S = 0.05
_PROGRAMS = ("train: ", "train_image_classifier.py: ")
T = TypeVar("T")
_SAVED = re.compile(r"^\S+ worker:0 info saved \S+/model\.ckpt-(\d+) in", re.MULTILINE)  # not in a report's tail
_STEP = re.compile(r"train (\d+)(?:/\d+)? step|worker:0 info step (\d+): loss|model\.ckpt-(\d+) in")
_PID = re.compile(r"worker:0 runs on host \S+, process (\d+)")

# LeNet by pictures of 12 pixels has 0.6 million weights, and a step of a third of the CPU time of one at 28.
FLAGS = {
    "dataset_name": "shapes",
    "model_name": "lenet",
    "train_image_size": 12,
    "batch_size": 4,
    "num_preprocessing_threads": 1,
    "num_intra_op_threads": 1,
    "optimizer": "sgd",
    "learning_rate": 0.001,
    "log_every_n_steps": 5,
    "save_interval_steps": 25,
    "keep_checkpoints": 3,
}
LARGE = {"train_image_size": 28}  # 3.3 million: saves of 13 MB, which take a while


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code and all that it said."""

    code: int
    said: str

    @property
    def sentence(self) -> str:
        """What the job's last word says, the first line of a report."""
        return next((line for line in self.said.splitlines() if line.startswith(_PROGRAMS)), "")


class Run:
    """One life of a training run: a driver and its roles; a context manager that leaves no process behind.

    ``flags`` are the job's, ``env`` its further variables. Without ``max_number_of_steps`` it trains until ``stop``.
    ``job`` is the module that is the job: this folder's without Spark, or the real one; ``program`` is what roles of
    the former train by, "" for the real one as it is. ``tmp`` is where it keeps what is temporary, ``pid`` its driver.
    """

    def __init__(
        self,
        folder: Path,
        flags: dict,
        env: dict | None = None,
        job: str = "tests.faults.job",
        program: str = PACED,
    ) -> None:
        self.flags = {**FLAGS, **flags}
        self.url = str(self.flags["train_dir"])
        self._log = folder / f"run-{len(list(folder.iterdir()))}.log"
        self._mark = uuid.uuid4().hex
        self._others: set[tuple[int, int]] = set()
        self.tmp = Path((env or {}).get("TMPDIR") or self._log.with_suffix(".tmp"))
        self.tmp.mkdir(exist_ok=True)
        env = {**os.environ, **(env or {}), "TMPDIR": str(self.tmp), MARK: self._mark, PROGRAM: program}
        command = [sys.executable, "-m", job]
        command += [f"--{name}={value}" for name, value in self.flags.items()]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=env, start_new_session=True)
        self.pid = self._process.pid

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(HANG_S)
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    @property
    def said(self) -> str:
        """All that the driver and its roles said until now."""
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, since: int = 0) -> re.Match:
        """Wait until the run says ``pattern`` behind its first ``since`` characters."""
        return self._wait(lambda: re.search(pattern, self.said[since:]), pattern)

    def wait_for_save(self, above: int = -1) -> int:
        """Wait until a checkpoint of a step above ``above`` was saved; returns that step."""
        return self._wait(lambda: next((step for step in self.saved() if step > above), None), f"a save above {above}")

    def saved(self) -> list[int]:
        """The steps whose save was told."""
        return [int(step) for step in _SAVED.findall(self.said)]

    def highest_step(self) -> int:
        """The highest step that anybody told of."""
        return max((int(next(filter(None, found))) for found in _STEP.findall(self.said)), default=0)

    def processes(self) -> list[psutil.Process]:
        """All processes of the run: driver, agents, roles, guards, Spark's."""
        found = []
        for pid in psutil.pids():
            # Others' stay others': to read of all at each look, 20 times a second, takes a third of a core.
            key = pid, _inode(pid)
            if key in self._others:
                continue
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                environment = _environment(process)
                if environment.get(MARK) == self._mark:
                    found.append(process)
                elif environment or process.ppid() == KTHREADD:  # none is told of one that is being executed, either
                    self._others.add(key)
        return found

    def roles(self) -> dict[str, psutil.Process]:
        """The node process of each role that has one now."""
        return nodes_among(self.processes())

    def num_lives(self, role: str) -> int:
        """How many node processes of a role there are at once."""
        return [name for name, _ in _nodes(self.processes())].count(role)

    def wait_for_role(self, role: str, *, other_than: int = 0) -> psutil.Process:
        """Wait until a role has a node process, and one that is not numbered ``other_than``."""

        def found():
            process = self.roles().get(role)
            return process if process and process.pid != other_than else None

        return self._wait(found, f"a process of {role}")

    def executor_of(self, role: str) -> psutil.Process:
        """The JVM above a role's node process."""
        return executor_of(self.wait_for_role(role))

    def kill(self, role: str) -> int:
        """SIGKILL a role's node process; returns how much was said until then."""
        process = self.wait_for_role(role)
        since = len(self.said)
        process.kill()
        return since

    def wait_for_first_step(self, role: str, since: int = 0) -> int:
        """Wait until a worker tells of the first step of its process; returns at which step the run was then."""
        told = rf"(?m)^\S+ {role} info first step of this process; the run is at step (\d+)"
        return int(self.wait_for(told, since)[1])

    def wait_for_left(self) -> None:
        """Wait until no process of the run is left, its driver being gone."""
        self._wait(lambda: None if self.processes() else True, "its last process had gone", may_end=True)

    def stop(self) -> None:
        """Tell the chief to end: it saves, and the run ends as preempted."""
        os.kill(int(_PID.findall(self.said)[-1]), signal.SIGTERM)

    def end(self) -> Ended:
        """Wait for the end of the driver and hence of all roles."""
        code = self._wait(self._process.poll, "its end", may_end=True)
        return Ended(code, self.said)

    def status(self) -> dict:
        """What status.json says."""
        return storage.read_json(storage.join(self.url, "status.json"))

    def wait_for_note(self, words: str | None) -> None:
        """Wait until status.json has a note with these words, or (None) has none."""

        def ready():
            note = self.status()["note"]
            return True if (note is None if words is None else words in (note or "")) else None

        self._wait(ready, f"the note {words}")

    def wait_until(self, ready: Callable[[], T | None], what: str) -> T:
        """Wait until ``ready`` returns something; for what lasts some milliseconds only."""
        return self._wait(ready, what, poll_s=0.002)

    def _wait(self, ready, what, may_end=False, poll_s=_POLL_S):
        give_up_s = time.monotonic() + HANG_S
        while True:
            is_over = self._process.poll() is not None
            found = ready()
            if found is not None:
                return found
            assert not is_over or may_end, f"the run ended before {what}:\n{self.said}"
            assert time.monotonic() < give_up_s, f"the run hung before {what}:\n{self.said}"
            time.sleep(poll_s)


def node_processes(root: psutil.Process) -> dict[str, psutil.Process]:
    """The node process of each role below a process."""
    return nodes_among(root.children(recursive=True))


def nodes_among(processes: Iterable[psutil.Process]) -> dict[str, psutil.Process]:
    """The node process of each role among these."""
    return dict(_nodes(processes))


def executor_of(process: psutil.Process) -> psutil.Process:
    """The JVM above a node process."""
    return next(one for one in process.parents() if one.name() == "java")


def _nodes(processes):
    """The role and the process of each node process, of two generations perhaps."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            is_node = "sparkcv.cluster.node" in words and process.name() != standby.NAME
            if is_node and process.parent().cmdline() != words:  # not what a role forked
                yield words[words.index("--role") + 1], process


def _inode(pid: int) -> int:
    """Of a process's folder in /proc: another once the number of the process is given anew."""
    try:
        return os.stat(f"/proc/{pid}").st_ino
    except OSError:
        return 0


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if process.status() != psutil.STATUS_ZOMBIE else {}
    except (psutil.Error, OSError):
        return {}


def check_preempted(run: Run) -> int:
    """Tell a run to stop and hold its end to O6 and to its checkpoint; returns the step that it stands at."""
    run.stop()
    ended = run.end()
    assert ended.code == 75, ended.said
    found = checkpoint.newest_valid(run.url)
    assert f"told to stop at step {found.step}; saved {found.prefix_url}" in ended.sentence, ended.said
    status = run.status()
    assert (status["state"], status["note"]) == ("preempted", None), f"{status}\n{ended.said}"
    assert status["reason"] in ended.said, status["reason"]
    check_whole(run.url)
    return found.step


def check_whole(url: str) -> None:
    """Nothing in a run's folder that ended in good order is half: no marker, nothing aside, no file unvouched for."""
    names = {entry.name for entry in storage.list_dir(url)}
    assert not [name for name in names if name.startswith(".")], names
    vouched = {name for name in names if re.fullmatch(r"model\.ckpt-\d+\.json", name)}
    for name in vouched:
        manifest = storage.read_json(storage.join(url, name))
        checkpoint.verify(checkpoint.locate(storage.join(url, name.removesuffix(".json"))))
        vouched = vouched | set(manifest["files"])
    assert {name for name in names if name.startswith("model.ckpt-")} == vouched
    pointer = storage.read_text(storage.join(url, "checkpoint"))
    for prefix in re.findall(r'_path[s]?: "(.*)"', pointer):
        assert f"{prefix}.json" in names
    json.dumps(sorted(names))
