"""What the driver of nightly scoring holds and does as pictures grow: 10^5, 10^6, 10^7 names, and 10^8 if asked.

Command (5 minutes; with ``--largest 8`` an hour and 6 GB of disk)::

    python bench/scaling_scoring.py

The listing is simulated, the rest is the job's own: names are frozen into lists, dealt out to tasks and written down,
then each task reads its ids back and Spark counts them, as a night's reconciliation does. The driver is this process
and the JVM that it talks to; executors are not in the figures. The last column is the CPU-seconds a picture, by those
of a tenth of the pictures: 1 is a straight line.
"""

import argparse
import dataclasses
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import psutil

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sparkcv.config import ScoreConfig  # noqa: E402
from sparkcv.driver import score_input  # noqa: E402
from sparkcv.predict.rows import InputFiles, LeftOut  # noqa: E402
from sparkcv.predict.staging import Staging  # noqa: E402
from sparkcv.spark.session import spark_session  # noqa: E402
from sparkcv.storage import Entry  # noqa: E402

FOLDERS = 1000  # of a day's cameras, say
PICTURE_BYTES = 120_000


@dataclasses.dataclass(frozen=True)
class ManyFiles(InputFiles):
    """A tree of ``count`` pictures that is not there."""

    count: int = 0

    def entries(self, left_out: LeftOut | None = None) -> Iterator[Entry]:
        """Yield them folder by folder."""
        for index in range(self.count):
            name = f"IMG_{index:09d}.jpg"
            folder = index * FOLDERS // self.count
            yield Entry(f"{self.root}/camera-{folder:04d}/{name}", name, PICTURE_BYTES + index % 1000, False)


@dataclasses.dataclass(frozen=True)
class Driver:
    """What a night of so many pictures takes: CPU-seconds of the driver's Python and JVM, and bytes that they hold."""

    pictures: int
    tasks: int
    python_cpu_s: float
    jvm_cpu_s: float
    python_bytes: int
    jvm_bytes: int

    @property
    def cpu_s(self) -> float:
        """Of both."""
        return self.python_cpu_s + self.jvm_cpu_s


def measure(count: int) -> Driver:
    """Plan a night of ``count`` pictures and count its ids, in this process."""
    with tempfile.TemporaryDirectory() as work, spark_session("scaling", num_executors=2) as spark:
        files = ManyFiles("pictures", "/pictures", "/pictures", count=count)
        config = ScoreConfig(input="/pictures", model_dir="/model", output_dir=work, date="2026-01-01")
        jvm = next(one for one in psutil.Process().children(recursive=True) if one.name() == "java")
        python_s, jvm_s, held = _cpu_s(), _cpu_s(jvm), _peak_bytes()
        with Staging(work, "2026-01-01", overwrite=False) as staging:
            frozen = score_input.freeze(spark, config, files, staging, None)
            found = score_input.ids(spark, frozen, None).count()
            if found != count:
                raise AssertionError(f"{found} ids came back of {count}")
        return Driver(
            pictures=count,
            tasks=frozen.num_pieces,
            python_cpu_s=_cpu_s() - python_s,
            jvm_cpu_s=_cpu_s(jvm) - jvm_s,
            python_bytes=_peak_bytes() - held,
            jvm_bytes=jvm.memory_info().rss,
        )


def _cpu_s(process: psutil.Process | None = None) -> float:
    times = (process or psutil.Process()).cpu_times()
    return times.user + times.system


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Measure each size in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=7, help="power of ten of the largest night")
    parser.add_argument("--one", type=int, help="measure one night of so many pictures and print JSON")
    flags = parser.parse_args()
    if flags.one:
        print(json.dumps(dataclasses.asdict(measure(flags.one))))
        return
    print("| pictures | tasks | Python CPU-s | JVM CPU-s | Python MB more | JVM MB | CPU-s a picture, by a tenth |")
    print("|--|--|--|--|--|--|--|")
    before: Driver | None = None
    for power in range(5, flags.largest + 1):
        words = [sys.executable, __file__, "--one", str(10**power)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        now = Driver(**json.loads(done.stdout.splitlines()[-1]))
        ratio = f"{now.cpu_s / now.pictures / (before.cpu_s / before.pictures):.2f}" if before else ""
        print(
            f"| 10^{power} | {now.tasks} | {now.python_cpu_s:.1f} | {now.jvm_cpu_s:.1f} |"
            f" {now.python_bytes / 2**20:.0f} | {now.jvm_bytes / 2**20:.0f} | {ratio} |",
            flush=True,
        )
        before = now


if __name__ == "__main__":
    main()
