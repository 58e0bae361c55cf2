"""One life of a program written for TensorFlowOnSpark, on its package or on ours, on three executors of embedded Spark.

    python bench/compat_program.py --package sparkcv.compat --mode spark --folder DIR

A ps and two workers. Each node writes down its process and when its first line ran; workers then take steps of 0.1 s,
of their own or one for each row that Spark feeds, count them in a file, and return. What the driver does, it says with
the time; its exit code is what the program's user would have got.
"""

import argparse
import importlib
import json
import pathlib
import sys
import time
import warnings
from typing import Any

import psutil

from sparkcv.spark.session import spark_session

STEP_S = 0.1


def main_fun(args: argparse.Namespace, ctx: Any) -> None:
    """Run as the user's function."""
    import os
    import time
    from pathlib import Path

    folder, name = Path(args.folder), f"{ctx.job_name}-{ctx.task_index}"

    def write(kind: str, text: str) -> None:
        Path(folder, f".{kind}-{name}").write_text(text)
        Path(folder, f".{kind}-{name}").rename(Path(folder, f"{kind}-{name}"))

    write("first", str(time.time()))
    if args.imports:
        import tensorflow  # noqa: F401

        write("imported", str(time.time()))
    with Path(folder, f"pids-{name}").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    while ctx.job_name == "ps" or (args.waits and not Path(folder, "go").exists()):
        time.sleep(0.01)  # a ps serves; a worker of the bench returns when all are there
    feed = ctx.get_data_feed() if args.mode == "spark" else None
    for step in range(args.steps):
        if feed is not None and (feed.should_stop() or not feed.next_batch(1)):
            break
        time.sleep(args.step_s)
        write("step", str(step + 1))
    if feed is not None:
        feed.terminate()
    write("done", str(time.time()))


def say(what: str) -> None:
    """Tell what the driver does just now."""
    print(json.dumps({"says": what, "at": time.time(), "cpu_s": cpu_s()}), flush=True)


def cpu_s() -> float:
    """CPU seconds of this process and of all below it, Spark's Java included."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def wait_for(folder: pathlib.Path, kind: str, count: int) -> None:
    """Return once so many nodes have written a file of that kind."""
    while len(list(folder.glob(f"{kind}-*"))) < count:
        time.sleep(0.01)


def main() -> int:
    """Run it; what TFCluster raises, or exits with, is this process's end as it would be the user's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", default="sparkcv.compat")
    parser.add_argument("--mode", choices=["spark", "tensorflow"], default="tensorflow")
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--waits", action="store_true", help="workers begin when all nodes are there")
    parser.add_argument("--imports", action="store_true", help="nodes import TensorFlow after their first line")
    flags = parser.parse_args()
    flags.folder.mkdir(parents=True, exist_ok=True)
    program = argparse.Namespace(**vars(flags) | {"folder": str(flags.folder), "step_s": STEP_S})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster_of = importlib.import_module(f"{flags.package}.TFCluster")
    mode = getattr(cluster_of.InputMode, flags.mode.upper())
    with spark_session("program", num_executors=3) as spark:
        context = spark.sparkContext
        assert context.parallelize(range(3), 3).map(lambda number: number).count() == 3  # all executors are up
        say("run")
        cluster = cluster_of.run(context, main_fun, program, 3, 1, input_mode=mode)
        if flags.waits:
            wait_for(flags.folder, "imported" if flags.imports else "first", 3)
            say("started")
            (flags.folder / "go").touch()
            wait_for(flags.folder, "done", 2)
        if flags.mode == "spark":
            say("train")
            cluster.train(context.parallelize(range(2 * flags.steps), 4), 1)
        say("shutdown")
        cluster.shutdown()
        say("end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
