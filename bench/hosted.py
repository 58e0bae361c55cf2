"""One side of R4: a ps and a worker train so many steps, hosted by Spark or started by hand; prints the sample.

Wall time is the worker's own, from the end of its first step to that of its last. CPU time is of all processes that are
there for the run, Spark's Java, agents and driver included, from a tenth of the steps on.
"""

import argparse
import contextlib
import json
import pathlib
import signal
import sys
import tempfile
from typing import Any

import psutil
from by_hand import ByHand

from sparkcv import config as configs
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.supervisor import run
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.roles import Role, roles
from sparkcv.spark.session import spark_session

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the tests' datasets are no part of the package

from tests.inputs import data  # noqa: E402

FLAGS = {
    "dataset_name": "shapes",
    "model_name": "cifarnet",
    "batch_size": 32,
    "train_image_size": 32,
    "num_preprocessing_threads": 1,
    "num_intra_op_threads": 1,
    "optimizer": "sgd",
    "learning_rate": 0.001,
    "num_ps_tasks": 1,
}


def params(folder: pathlib.Path, **more: Any) -> dict[str, Any]:
    """Write a dataset, and return what a training program is told."""
    data.write_dataset(folder / "data", data.drawn_shards(8, 64, 40))
    words = {**FLAGS, "dataset_dir": folder / "data", "train_dir": folder / "train", **more}
    plan = train.prepare(configs.parse(TrainConfig, [f"--{name}={value}" for name, value in words.items()], "bench"))
    return {"config": configs.to_dict(plan.config), "dataset": plan.dataset.to_dict()}


class Cpu(RunObserver):
    """CPU seconds a step of this process and all below it, from a tenth of the worker's steps to its newest status.

    By then what starts has started: TensorFlow's first steps, and the Java processes, whose compiler is at work for
    some seconds more. All are looked for once: to go through the machine's processes again and again would cost one
    side, whose driver this is, more than what is to be measured.
    """

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last = (0, 0.0)
        self._family: dict[psutil.Process, float] = {}

    def on_status(self, role: Role, status: dict[str, Any]) -> None:
        """Take a status."""
        step, target = status.get("step", 0), status.get("target") or 0
        # At the last one its process, and its time, may be gone.
        if str(role) == "worker:0" and "own_steps" in status and target // 10 <= step < target:
            if not self._family:
                self._family = dict.fromkeys([psutil.Process(), *psutil.Process().children(recursive=True)], 0.0)
            for process in self._family:
                with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended keeps what it took
                    self._family[process] = _cpu_s(process)
            self._last = status["own_steps"], sum(self._family.values())
            self._first = self._first or self._last

    @property
    def a_step(self) -> float:
        """Seconds."""
        assert self._first is not None
        return (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])


def by_spark(told: dict[str, Any], cpu: Cpu) -> dict[str, Any]:
    """Run it on two executors."""
    with spark_session("bench R4", num_executors=2) as spark:
        return run(spark, RunSpec(train.PROGRAM, roles(1, 1), told), cpu)["worker:0"]


def by_hand(told: dict[str, Any], cpu: Cpu, folder: pathlib.Path) -> dict[str, Any]:
    """Run it in two plain processes."""
    with ByHand(told, folder) as hand:
        while True:
            role, status = hand.said.get(timeout=600)
            if role == "worker:0" and "result" in status:
                hand.processes["ps:0"].send_signal(signal.SIGTERM)
                result: dict[str, Any] = status["result"]
                return result
            cpu.on_status(role, status)


def main() -> None:
    """Train, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--how", choices=["spark", "hand"], required=True)
    parser.add_argument("--steps", type=int, required=True)
    flags = parser.parse_args()
    cpu = Cpu()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        told = params(folder, max_number_of_steps=flags.steps)
        result = by_spark(told, cpu) if flags.how == "spark" else by_hand(told, cpu, folder)
    steps = result["images"] // FLAGS["batch_size"] - 1
    print(json.dumps({"items": steps, "wall_s": result["seconds"], "cpu_s": cpu.a_step * steps}), flush=True)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
