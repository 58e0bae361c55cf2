"""Nightly scoring under kills: 10,000 pictures, and a table whose reader looks all the time."""

import contextlib
import os
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from sparkcv import synthetic
from sparkcv.predict.tables import open_table
from sparkcv.spark import python_daemon
from tests.faults.soak_bench import Bench, Fault
from tests.jobs.test_batch_inference import DATE, start
from tests.predict.models import color_graph, write_folder

_COUNT, _BROKEN = 10_000, 7
_KILLS = 20
_MOST_RUNS = 9
_LIMIT_S = 1800
_SIZE = 32
_FORMATS = ("parquet", "delta")
# What a night leaves in its staging folder as it goes on, and the most seconds behind it until it is killed.
_POINTS = (
    ("pieces", 0.3),
    ("scored", 0.3),
    ("scored/*.parquet", 0.3),
    ("scored/_SUCCESS", 0.3),
    ("predictions", 0.3),
    ("predictions/*.parquet", 0.3),
    ("predictions/*.parquet", 2.0),
    ("predictions/_report.json", 0.01),
    ("predictions/_report.json", 0.05),
    ("predictions/_report.json", 0.5),
)


class Night:
    """A date of pictures that is scored into a table, by jobs that may be killed."""

    def __init__(self, folder: Path, count: int, table_format: str) -> None:
        folder.mkdir()
        self.out, self._format, self._folder = folder / "out", table_format, folder
        self.pictures, drawn = folder / "in", folder / "drawn"
        synthetic.write_pictures(drawn, per_class=5, seed=1, size=_SIZE)
        sources = sorted(path for path in drawn.rglob("*") if path.is_file())
        self.pictures.mkdir()
        for index in range(count - _BROKEN):
            os.link(sources[index % len(sources)], self.pictures / f"{index:06d}-{sources[index % len(sources)].name}")
        for index in range(_BROKEN):
            (self.pictures / f"broken-{index}.jpg").write_bytes(b"no picture")
        self.ids = sorted(os.listdir(self.pictures))
        self.digests = {
            name: write_folder(folder / name, color_graph(_SIZE, weight=weight), image_size=_SIZE).digest
            for name, weight in (("first", 8.0), ("second", 4.0))
        }
        self._num_jobs = 0

    def start(self, model: str = "first", **flags: object) -> "Job":
        """Start a job that scores the date."""
        self._num_jobs += 1
        fields = {"table_format": self._format, "num_partitions": 60, "report_samples": 0, "batch_size": 8}
        fields["cluster_size"] = 2  # executors to be killed: without, tasks run beside the driver
        work = self._folder / f"job-{self._num_jobs}"
        (work / "tmp").mkdir(parents=True)
        with (work / "log").open("wb") as log:
            process = start(
                self.pictures, self._folder / model, self.out, str(work / "tmp"), stdout=log, **(fields | flags)
            )
        return Job(process, work / "log")

    def seen(self) -> list[tuple[str, str]]:
        """What a reader sees: id and model digest of each prediction; [] where there is no such day."""
        columns = ["id", "model_digest"]
        try:
            if self._format == "delta":
                table = DeltaTable(str(self.out)).to_pyarrow_table(columns=columns)
            else:
                table = ds.dataset(self.out / f"dt={DATE}", format="parquet").to_table(columns=columns)
        except (FileNotFoundError, TableNotFoundError):
            return []
        return sorted(zip(*(table.column(name).to_pylist() for name in columns), strict=True))

    def rejects(self) -> list[str]:
        """Ids of the rejects of the day that readers see: an open table keeps those of the nights before, too."""
        day = open_table(self._format, str(self.out)).published(DATE)
        assert day is not None
        return ds.dataset(day.rejects, format="parquet").to_table(columns=["id"]).column("id").to_pylist()

    def check_whole(self, model: str) -> None:
        """Check that each id is there exactly once, that all are of one model, and that no run left anything."""
        seen = self.seen()
        assert {digest for _, digest in seen} == {self.digests[model]}
        assert sorted([name for name, _ in seen] + self.rejects()) == self.ids
        assert len(seen) == len(self.ids) - _BROKEN
        assert not list(self.out.glob(".staging-*"))


class Job:
    """A scoring job as a user starts it; a context manager that leaves no process behind."""

    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process, self._log = process, log

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def said(self) -> str:
        """All that it said until now."""
        return self._log.read_text(errors="replace")

    def is_over(self) -> bool:
        """Whether the driver has ended."""
        return self.process.poll() is not None

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(_LIMIT_S)

    def kill(self) -> None:
        """SIGKILL the driver, and see that its own go as well, with help after 30 s."""
        others = [] if self.is_over() else psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait(_LIMIT_S)
        _, left = psutil.wait_procs(others, timeout=30)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        assert not left, f"processes outlived the driver by 30 s: {left}"

    def victims(self) -> tuple[list[psutil.Process], list[psutil.Process]]:
        """Its executors and the Python processes of its tasks."""
        executors, workers = [], []
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                words = one.cmdline()
                if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in words:
                    executors.append(one)
                elif python_daemon.MODULE in words and python_daemon.MODULE in one.parent().cmdline():
                    workers.append(one)
        return executors, workers


def kills(bench: Bench) -> None:
    """T27: 20 executors and Python workers killed while 10,000 pictures are scored, for Parquet and Delta in turn."""
    runs: Counter[int] = Counter()
    while not bench.is_over:
        table_format = _FORMATS[bench.num_runs % 2]
        night = Night(bench.folder / f"night-{bench.num_runs}", _COUNT, table_format)
        start_s = time.monotonic()
        with night.start() as job:
            assert job.wait() == 0, job.said
        clean_s = time.monotonic() - start_s
        night.check_whole("first")
        bench.num_runs += 1
        start_s, num_kills = time.monotonic(), 0
        for _ in range(_MOST_RUNS):
            with night.start("second", overwrite=True) as job:
                while not job.is_over():
                    if num_kills < _KILLS and list(night.out.glob(".staging-*/scored")):
                        num_kills += _kill_one(bench, job)
                    time.sleep(bench.chance.uniform(0.2, 1.0))
            runs[job.wait()] += 1
            if not job.wait():
                break
            # Spark gives a task up after four failures: that is told, the day before stands, and it is begun anew.
            assert job.wait() == 1, job.said
            assert "batch_inference.py: the Spark stage failed: " in job.said, job.said
            night.check_whole("first")
        assert not job.wait(), job.said
        night.check_whole("second")
        bench.note = (
            f"exit codes {dict(runs)}; a night {clean_s:.0f} s without kills, the last with {num_kills} of them"
            f" {time.monotonic() - start_s:.0f} s"
        )


def _kill_one(bench: Bench, job: Job) -> int:
    kinds = [kind for kind in job.victims() if kind]
    if not kinds:
        return 0
    with contextlib.suppress(psutil.NoSuchProcess):
        bench.chance.choice(bench.chance.choice(kinds)).kill()
        bench.add(Fault())
        return 1
    return 0


class Reader(threading.Thread):
    """Looks at the table ten times a second; what it sees must be all of one model's rows, or no day."""

    def __init__(self, night: Night) -> None:
        super().__init__(name="reader", daemon=True)
        self._night, self._end = night, threading.Event()
        self.num_looks, self.num_without, self.wrong = 0, 0, ""

    def run(self) -> None:
        """Look."""
        while not self._end.wait(0.1):
            try:
                seen = self._night.seen()
            except OSError:  # replaced between the listing and the opening: a reader looks again
                continue
            self.num_looks += 1
            self.num_without += not seen
            digests = Counter(digest for _, digest in seen)
            if len(digests) > 1 or (seen and len(seen) != len(self._night.ids) - _BROKEN):
                self.wrong = f"{digests} of {len(self._night.ids)} ids"

    def stop(self) -> None:
        """Look no longer."""
        self._end.set()
        self.join()


def drivers(bench: Bench) -> None:
    """T28: the driver killed at each point of a night; then two at once; a reader sees old or new, never both."""
    names = ("first", "second")
    notes = []
    while not bench.is_over:
        table_format = _FORMATS[bench.num_runs % 2]
        night = Night(bench.folder / f"night-{bench.num_runs}", 400, table_format)
        bench.num_runs += 1
        with night.start() as job:
            assert job.wait() == 0, job.said
        reader = Reader(night)
        reader.start()
        try:
            for number, (point, most_s) in enumerate(_POINTS, 1):
                model = names[number % 2]
                with night.start(model, overwrite=True) as job:
                    while not job.is_over() and not list(night.out.glob(f".staging-*/{point}")):
                        time.sleep(0.01)
                    time.sleep(bench.chance.uniform(0.0, most_s))
                    job.kill()
                bench.add(Fault())
                with night.start(model, overwrite=True) as one, night.start(model, overwrite=True) as other:
                    assert {one.wait(), other.wait()} == {0}, one.said + other.said
                night.check_whole(model)
        finally:
            reader.stop()
        assert not reader.wrong, reader.wrong
        if table_format == "delta":
            assert not reader.num_without
        notes.append(f"{table_format}: {reader.num_looks} looks, {reader.num_without} without the day")
        bench.note = "; ".join(notes)


CASES = {"T27": kills, "T28": drivers}
