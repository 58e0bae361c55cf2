"""R13: Kubernetes / YARN, on one machine: submission to the first step, and a lost executor to the first new step.

Goal: <= 1.2 each. Command (about 3 minutes a round on 2 cores)::

    python bench/r13_kubernetes.py

A ps and a worker train LeNet; the driver is a process of the user's (client mode) on both sides, so that it is told the
same way. YARN is a real one. Of Kubernetes, Spark's client, its allocator and the executors are real; the API and the
kubelet, whose pods are processes, are those of the tests: no image is pulled and no container is made, on either side.
Below 1 Kubernetes is the faster. Wall time: who starts is the machine's one load.
"""

import argparse
import os
import pathlib
import re
import signal
import statistics
import sys
import time
from collections.abc import Callable

import psutil

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the clusters are the tests' and no part of the package

from tests.faults.conftest import put_dataset  # noqa: E402
from tests.hadoop import hadoop  # noqa: E402
from tests.hadoop.submit import start_submit  # noqa: E402
from tests.kubernetes.cluster import Kubernetes, kubernetes  # noqa: E402
from tests.yarn.test_train import FLAGS  # noqa: E402

ROUNDS = 3
STEPS = 1_000_000
FIRST_STEP = re.compile(r"worker:0 info first step of this process")
LIMIT_S = 300.0


def timed(said: Callable[[], str], kill: Callable[[], object]) -> tuple[float, float]:
    """Return seconds from now to the first step, and from ``kill`` to the first one after it."""
    start_s = time.monotonic()
    _await(said, 1)
    started_s = time.monotonic()
    time.sleep(5.0)  # a checkpoint is there by then
    kill_s = time.monotonic()
    kill()
    _await(said, 2)
    return started_s - start_s, time.monotonic() - kill_s


def _await(said: Callable[[], str], count: int) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while len(FIRST_STEP.findall(said())) < count:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"no first step {count} within {LIMIT_S:.0f} s: {said()[-3000:]}")
        time.sleep(0.1)


def on_kubernetes(cluster: Kubernetes, words: list[str]) -> tuple[float, float]:
    """One run on Kubernetes."""
    run = cluster.sparkcv("--deploy_mode", "client", "train", *words)
    try:
        return timed(lambda: run.output, lambda: cluster.kubelet.kill(cluster.pods()[0]["metadata"]["name"]))
    finally:
        run.process.send_signal(signal.SIGKILL)
        run.end()
        for pod in cluster.pods():
            cluster.kubelet.kill(pod["metadata"]["name"])
        for kind in ("pods", "configmaps"):
            for one in cluster.client.find(kind):
                cluster.client.delete(kind, one["metadata"]["namespace"], one["metadata"]["name"])


def on_yarn(cluster: object, words: list[str]) -> tuple[float, float]:
    """One run on YARN."""
    run = start_submit(
        cluster,
        "jobs/train_image_classifier.py",
        words,
        deploy_mode="client",
        num_executors=2,
        conf={"spark.pyspark.python": sys.executable, "spark.scheduler.minRegisteredResourcesRatio": "0.0"},
    )

    def kill_executor() -> None:
        for pid in run.pids():
            process = psutil.Process(pid)
            if process.name() == "java" and "--executor-id" in process.cmdline():
                os.kill(pid, signal.SIGKILL)
                return

    try:
        return timed(lambda: run.output, kill_executor)
    finally:
        run.end()


def row(what: str, pairs: list[tuple[float, float]]) -> str:
    """One row of the table, of pairs of seconds, Kubernetes first."""
    ratios = sorted(one / other for one, other in pairs)
    one, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return f"| R13 {what}, seconds on Kubernetes / on YARN | <= 1.2 | {spread} | - | {one:.1f} s / {other:.1f} s |"


def main() -> int:
    """Compare in turn, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", help="unused: the pictures are drawn")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    flags = parser.parse_args()
    rounds = []
    with hadoop(yarn=True) as yarn, kubernetes() as k8s:
        os.environ.update(yarn.env)
        data = {
            "k8s": put_dataset(pathlib.Path(k8s.root, "pictures"), f"file://{k8s.root}/data"),
            "yarn": put_dataset(pathlib.Path(k8s.root, "pictures2"), f"{yarn.url}/r13/data"),
        }
        folders = {"k8s": f"file://{k8s.root}/run", "yarn": f"{yarn.url}/r13/run"}
        for index in range(flags.rounds):
            sides = {}
            for name, run, cluster in (("yarn", on_yarn, yarn), ("k8s", on_kubernetes, k8s)):
                given = FLAGS | {"dataset_dir": data[name], "train_dir": f"{folders[name]}{index}"}
                words = [f"--{key}={value}" for key, value in (given | {"max_number_of_steps": STEPS}).items()]
                sides[name] = run(cluster, words)
            rounds.append(sides)
            print(f"R13, round {index + 1} of {flags.rounds}: {sides}", file=sys.stderr)
    for at, what in enumerate(("submission to first step", "lost executor to first new step")):
        print(row(what, [(one["k8s"][at], one["yarn"][at]) for one in rounds]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
