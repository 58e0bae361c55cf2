"""TensorBoard on a run that lives on HDFS, in a process of its own, asked over HTTP as a browser asks it."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from sparkcv import storage

ROOT = pathlib.Path(__file__).resolve().parents[2]
GIVE_UP_S = 120


@pytest.fixture
def show():
    """Starts the job on a folder and a free port; returns the URL that it prints."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "jobs/show_run.py"), *words, "--reload_interval_s", "1"],
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        for line in process.stderr:
            if " shows " in line:
                drain = threading.Thread(target=process.stderr.read, daemon=True)
                drain.start()
                return next(word for word in line.split() if word.startswith("http://"))
        raise AssertionError(f"no address was told, exit code {process.wait()}")

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def events(folder, steps):
    """The bytes of an event file with a loss for each of some steps, as TensorFlow writes them."""
    import tensorflow.compat.v1 as tf

    folder.mkdir()
    with tf.Graph().as_default():
        writer = tf.summary.FileWriter(str(folder))
    for step in steps:
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag="loss", simple_value=1.0 / step)]), step)
    writer.close()
    (path,) = folder.iterdir()
    return path.name, path.read_bytes()


def steps_shown(url):
    """The steps of the loss that the page would draw."""
    try:
        with urllib.request.urlopen(f"{url}data/plugin/scalars/scalars?run=.&tag=loss", timeout=300) as answer:
            return [point[1] for point in json.load(answer)]
    except urllib.error.HTTPError:  # it knows of no such run yet
        return []


def wait_for(url, steps):
    give_up_s = time.monotonic() + GIVE_UP_S
    while (shown := steps_shown(url)) != steps:
        assert time.monotonic() < give_up_s, f"TensorBoard shows the steps {shown}, wanted {steps}"
        time.sleep(0.2)


@pytest.mark.hadoop
@pytest.mark.tensorflow
def test_a_run_on_hdfs_is_shown_and_goes_on_live(hdfs, show, tmp_path):
    name, first = events(tmp_path / "a", [1, 2])
    _, second = events(tmp_path / "b", [3])
    storage.make_dirs(hdfs)
    storage.append_bytes(storage.join(hdfs, name), first)
    url = show("--logdir", hdfs, "--port", "0")
    wait_for(url, [1, 2])
    storage.append_bytes(storage.join(hdfs, name), second)  # as the chief's record does while it trains
    wait_for(url, [1, 2, 3])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--logdir", "/nowhere/run"], "--logdir: no folder at '/nowhere/run', wanted that of a run"),
        ([], "--logdir is missing"),
        (["--logdir", "/tmp", "--port", "-1"], "--port: got -1, wanted 0 to 65535"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_sentence(words, sentence):
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs/show_run.py"), *words],
        capture_output=True,
        text=True,
        timeout=GIVE_UP_S,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
