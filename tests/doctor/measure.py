"""The highest resident memory of real training steps, which ``doctor/estimate.py`` is fitted to.

``python -m tests.doctor.measure`` prints one JSON line per net, with and without a ps; it takes an hour on two
cores. ``... measure NET SIZE BATCH OPTIMIZER NUM_PS`` measures one case, in a process (or two) of its own.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from sparkcv import nets
from sparkcv.config import TrainConfig
from sparkcv.doctor import estimate

STEPS = 4
_NUM_CLASSES = 10


def highest_mb(pid: int | str = "self") -> dict[str, int]:
    """The highest resident memory and address space of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    rows = dict(line.split(":", 1) for line in lines if line.startswith("Vm"))
    return {"resident": int(rows["VmHWM"].split()[0]) // 1024, "mapped": int(rows["VmPeak"].split()[0]) // 1024}


def train(config: TrainConfig, cluster: dict[str, list[str]] | None, ps_pid: int | None) -> dict:
    """Take real steps on random pictures, and return what they took and what the rule says."""
    importlib.import_module("sparkcv.programs.worker")  # all that a role imports
    from sparkcv.nets.slim import tf
    from sparkcv.train import replicas, step

    size = config.train_image_size

    def next_batch():
        with tf.device("/job:worker/task:0/cpu:0" if cluster else ""):
            images = tf.random.uniform([config.batch_size, size, size, 3], -1, 1)
            return images, tf.random.uniform([config.batch_size], 0, _NUM_CLASSES, tf.int64)

    with tf.Graph().as_default():
        topology = replicas.Topology(config.num_ps, 1, 0)
        graph = step.build(config, num_records=1000, num_classes=_NUM_CLASSES, next_batch=next_batch, topology=topology)
        target = server(cluster, "worker").target if cluster else ""
        with tf.Session(target) as session:
            session.run(tf.global_variables_initializer())
            for _ in range(STEPS):
                session.run(graph.train_op)
    found = {"worker": highest_mb(), "worker's rule": round(estimate.worker(config).likely / 2**20)}
    if ps_pid is not None:
        found |= {"ps": highest_mb(ps_pid), "ps's rule": round(estimate.ps(config).likely / 2**20)}
    return found


def server(cluster: dict[str, list[str]], job: str):
    """TensorFlow's server of a role."""
    from sparkcv.nets.slim import tf

    return tf.train.Server(cluster, job, 0)


def measure(net: str, size: int, batch: int, optimizer: str, num_ps: int) -> dict:
    """Measure one case in this process, its ps in another."""
    flags = {"model_name": net, "train_image_size": size, "batch_size": batch, "optimizer": optimizer}
    config = TrainConfig(**flags, num_ps_tasks=num_ps)
    if not num_ps:
        return flags | train(config, None, None)
    ports = free_ports(2)
    cluster = {"ps": [f"127.0.0.1:{ports[0]}"], "worker": [f"127.0.0.1:{ports[1]}"]}
    command = [sys.executable, "-m", "tests.doctor.measure", "ps", json.dumps(cluster)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as ps:
        try:
            return flags | train(config, cluster, ps.pid)
        finally:
            ps.stdin.close()  # which ends it


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    import socket

    with socket.socket() as one, socket.socket() as other:
        for each in (one, other)[:count]:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)[:count]]


def main(words: list[str]) -> None:
    """Serve as a ps, measure one case, or all of them."""
    if words[:1] == ["ps"]:
        importlib.import_module("sparkcv.programs.ps")
        server(json.loads(words[1]), "ps")
        sys.stdin.read()
    elif words:
        net, size, batch, optimizer, num_ps = words
        print(json.dumps(measure(net, int(size), int(batch), optimizer, int(num_ps))), flush=True)
    else:
        env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_USE_LEGACY_KERAS": "1", "PYTHONWARNINGS": "ignore"}
        for name in nets.names():
            for batch, num_ps in (("8", "0"), ("32", "0"), ("8", "1")):
                case = [name, str(nets.get(name).default_image_size), batch, "rmsprop", num_ps]
                subprocess.run([sys.executable, "-m", "tests.doctor.measure", *case], env=env, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
