"""The environment of a node process: what glibc's allocator is told, who may tell it otherwise, and what it costs."""

import os
import platform
import subprocess
import sys

import pytest

from sparkcv.cluster.node_environment import ALLOCATOR, environment

NAME, KERNELS = "GLIBC_TUNABLES", "TF_ENABLE_ONEDNN_OPTS"
LOSSES = """
import numpy as np
from sparkcv.config import TrainConfig
from sparkcv.nets.slim import tf
from sparkcv.train import step

tf.disable_eager_execution()
images = tf.constant(np.linspace(-1, 1, 4 * 28 * 28, dtype=np.float32).reshape(4, 28, 28, 1) ** 3)
config = TrainConfig(model_name="lenet", train_image_size=28, use_grayscale=True, batch_size=4, learning_rate=0.01)
batch = lambda: (images, tf.constant([0, 1, 2, 1], tf.int64))
graph = step.build(config, num_records=8, num_classes=3, next_batch=batch)
threads = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
with tf.Session(config=threads) as session:
    session.run(tf.global_variables_initializer())
    print("losses", *(float(session.run(graph.train_op)).hex() for _ in range(4)))
"""


def test_our_programs_are_told_and_those_of_users_are_not(monkeypatch, tmp_path):
    monkeypatch.delenv(NAME, raising=False)
    assert environment(str(tmp_path), is_ours=True)[NAME] == ALLOCATOR[NAME]
    assert NAME not in environment(str(tmp_path), is_ours=False)


def test_training_asks_for_onednn_and_a_users_program_does_not(monkeypatch, tmp_path):
    monkeypatch.delenv(KERNELS, raising=False)
    assert environment(str(tmp_path), is_ours=True).get(KERNELS) == ("1" if platform.machine() == "x86_64" else None)
    assert KERNELS not in environment(str(tmp_path), is_ours=False)


def test_what_the_user_has_set_stays(monkeypatch, tmp_path):
    monkeypatch.setenv(NAME, "glibc.malloc.arena_max=8")
    monkeypatch.setenv(KERNELS, "0")
    found = environment(str(tmp_path), is_ours=True)
    assert (found[NAME], found[KERNELS]) == ("glibc.malloc.arena_max=8", "0")


@pytest.mark.tensorflow
def test_the_losses_are_equal_to_the_last_bit(monkeypatch, tmp_path):
    monkeypatch.delenv(NAME, raising=False)
    without = {name: value for name, value in environment(str(tmp_path), is_ours=True).items() if name != NAME}
    ours, plain = (_losses(variables) for variables in (environment(str(tmp_path), is_ours=True), without))
    assert ours == plain
    assert len(set(ours)) == 4, "the net does not train"


def _losses(variables):
    done = subprocess.run(
        [sys.executable, "-c", LOSSES], env=variables, cwd=os.getcwd(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("losses")).split()[1:]
