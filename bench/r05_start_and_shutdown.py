"""R5: start to the user's first line, and shutdown: ours / TensorFlowOnSpark's. Goals: at most 0.6, and at most 0.1.

Command (about 10 minutes on 2 cores)::

    python bench/r05_start_and_shutdown.py

The same program, ``bench/compat_program.py``, a ps and two workers, on the same embedded Spark, a new one each time
whose executors are up before the clock starts. Start: from ``TFCluster.run`` until the first line of its function has
run on all three; and, as a row of its own, until they have imported TensorFlow, which stock does before that line.
Shutdown: from the call, after both workers have returned, until it is back.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import side_by_side
from side_by_side import Sample

PROGRAM = str(pathlib.Path(__file__).with_name("compat_program.py"))
AN_HOUR = 3600
TIMEOUT_S = 900


def life(package: str) -> dict[str, Sample]:
    """Run the program once; a sample of each of the three times."""
    with tempfile.TemporaryDirectory(prefix="r05-") as name:
        folder = pathlib.Path(name)
        command = [sys.executable, PROGRAM, f"--package={package}", f"--folder={folder}", "--waits", "--imports"]
        done = subprocess.run([*command, "--steps=1"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if done.returncode:
            raise SystemExit(f"{package} ended with exit code {done.returncode}:\n{done.stderr}")
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"says"')]
        at = {one["says"]: one["at"] for one in said}
        cpu = {one["says"]: one["cpu_s"] for one in said}
        first, imported = (max(float(path.read_text()) for path in folder.glob(f"{kind}-*")) for kind in KINDS)
    start_cpu_s = cpu["started"] - cpu["run"]
    return {
        "first": Sample(AN_HOUR, first - at["run"], start_cpu_s),
        "imported": Sample(AN_HOUR, imported - at["run"], start_cpu_s),
        "shutdown": Sample(AN_HOUR, at["end"] - at["shutdown"], max(cpu["end"] - cpu["shutdown"], 0.01)),
    }


KINDS = ("first", "imported")
ROWS = {
    "first": ("R5 start to the user's first line, time of ours / stock's", "<= 0.6"),
    "imported": ("R5 start to TensorFlow imported, time of ours / stock's", "none"),
    "shutdown": ("R5 shutdown, time of ours / stock's", "<= 0.1"),
}


def main() -> int:
    """Compare, and print the rows: the rate of stock over ours is the time of ours over stock's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: there are no pictures")
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    flags = parser.parse_args()
    rounds = [(life("tensorflowonspark"), life("sparkcv.compat")) for _ in range(flags.rounds)]

    def samples(row: str, side: int) -> Iterator[Sample]:
        return iter([pair[side][row] for pair in rounds])

    for row, (name, goal) in ROWS.items():
        stock, ours = samples(row, 0), samples(row, 1)
        ratio = side_by_side.compare(
            name, goal, stock.__next__, ours.__next__, unit="an hour, stock / ours", rounds=flags.rounds
        )
        print(ratio.row())
    return 0


if __name__ == "__main__":
    sys.exit(main())
