"""What both benches of R2 share: the same shards on this machine's disk and on a real HDFS beside it."""

import argparse
import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the daemons' fixture is no part of the package

import photographs  # noqa: E402
import side_by_side  # noqa: E402

from sparkcv import storage  # noqa: E402
from tests.hadoop import hadoop  # noqa: E402

FEED = str(ROOT / "bench" / "feed.py")


def main(what: str | None, name: str, goal: str, words: Sequence[str]) -> int:
    """Start HDFS, store the shards in both places, compare, print the row."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    photographs.add_flag(parser)
    parser.add_argument("--rounds", type=int, default=side_by_side.ROUNDS)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, hadoop() as cluster:
        data, about = photographs.shards(flags.photographs, pathlib.Path(work))
        os.environ.update(cluster.env)
        stored = f"{cluster.url}/bench/data"
        storage.publish_dir(str(data), stored)
        daemons = [f"--daemon={daemon.pid}" for daemon in cluster.daemons.values()]

        def side(folder: str) -> side_by_side.Sample:
            return side_by_side.run([FEED, f"--dataset_dir={folder}", *daemons, *words], cluster.env)

        ratio = side_by_side.compare(
            name, goal, lambda: side(stored), lambda: side(str(data)), unit="images/s", rounds=flags.rounds
        )
    print(f"data: {about}", file=sys.stderr)
    print(ratio.row())
    return 0
