"""Executors whose Python lacks what the driver's has: the sentence names interpreter, module and setting."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from sparkcv.errors import EXIT_FAILED
from sparkcv.spark.errors import heart
from sparkcv.spark.executor_python import import_sentence
from sparkcv.spark.spark_home import lay_out

ROOT = Path(__file__).parents[2]
PATIENCE_S = 600


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (
            "ModuleNotFoundError: No module named 'fsspec'",
            ["has no module 'fsspec'", "spark.pyspark.python", "--archives"],
        ),
        ("ModuleNotFoundError: No module named 'numpy.linalg'", ["has no module 'numpy.linalg'", "PYSPARK_PYTHON"]),
        ("ModuleNotFoundError: No module named 'sparkcv.spark'", ["has no module 'sparkcv.spark'", "--py-files dist"]),
        ("ModuleNotFoundError: No module named 'tests'", ["has no module 'tests'", "send it along with --py-files"]),
        (
            "ImportError: cannot import name 'x' from 'fsspec' (/p/fsspec.py)",
            ["fails to import", "(cannot import name 'x' from 'fsspec' (/p/fsspec.py))", "spark.pyspark.python"],
        ),
    ],
)
def test_a_failed_import_is_told_with_module_and_setting(error, parts):
    text = f"x.PythonException: Traceback (most recent call last):\n  File x\n{error}\n\tat org.apache.spark.X\n"
    for sentence in (import_sentence(error), heart(text)):
        assert sentence.startswith("the executors' Python ")
        assert sys.executable in sentence
        assert [part for part in parts if part not in sentence] == []


@pytest.mark.parametrize(
    "error",
    [
        "ModuleNotFoundError: No module named 'no_such_thing'",
        "ModuleNotFoundError: No module named 'json.nothing'",
        "ValueError: x",
    ],
)
def test_what_the_driver_lacks_as_well_stays_the_programs_own_error(error):
    assert import_sentence(error) == ""
    assert heart(f"Traceback:\n  File x\n{error}\n") == error


# Each door to the executors, with a Spark that takes its Python from the environment, as `python program.py` does.
DOORS = """
import functools, json, sys
from pyspark.sql import SparkSession
from sparkcv import doctor
from sparkcv.cluster import supervisor
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.compat import TFCluster, TFParallel
from sparkcv.config import ConvertConfig, DoctorConfig
from sparkcv.driver import convert
from sparkcv.launchers.barrier import BarrierLauncher
from sparkcv.predict import tasks
from sparkcv.roles import Role
from sparkcv.spark.errors import translated
from sparkcv.spark.stages import map_pieces

folder = sys.argv[1]
builder = SparkSession.builder.master("local-cluster[2,1,512]").config("spark.executor.memory", "512m")
spark = builder.config("spark.ui.enabled", "false").config("spark.task.maxFailures", "1").getOrCreate()

def main_fun(args, ctx):
    return None

def score():
    with translated():
        map_pieces(spark, 2, functools.partial(tasks.piece_ids, folder), "id string").collect()

def train():
    supervisor.supervise(BarrierLauncher(spark), RunSpec("tests.no_program:main", [Role("worker", 0)], {}))

def examine():
    config = DoctorConfig(train_dir=folder + "/run", model_name="cifarnet", cluster_size=1, load_tensorflow=False)
    report = doctor.examine(spark, config, None)
    raise ValueError(" ".join(f"{one.found}; {one.advice}" for one in report.failures))

doors = {
    "train": train,
    "score": score,
    "convert": lambda: convert.run(
        spark, convert.prepare(ConvertConfig(images_dir=folder + "/pictures", dataset_dir=folder + "/data"))
    ),
    "doctor": examine,
    "TFParallel": lambda: TFParallel.run(spark.sparkContext, main_fun, None, 2),
}
said = {}
for name, door in doors.items():
    try:
        door()
    except Exception as err:
        said[name] = str(err)
print(json.dumps(said), flush=True)
TFCluster.run(spark.sparkContext, main_fun, None, 2, 0, input_mode=TFCluster.InputMode.TENSORFLOW)
"""


@pytest.mark.spark
def test_every_door_names_the_executors_own_interpreter(tmp_path):
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False, symlinks=True)
    python = str(bare / "bin" / "python")
    for label in ("a", "b"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        (tmp_path / "pictures" / label / "1.jpg").write_bytes(b"x")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    (tmp_path / "spark").mkdir()
    env |= lay_out(tmp_path / "spark") | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": python, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", DOORS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=tmp_path, env=env)
    said = json.loads(done.stdout.splitlines()[-1])
    said["TFCluster"] = done.stderr
    assert done.returncode == EXIT_FAILED
    assert set(said) == {"train", "score", "convert", "doctor", "TFParallel", "TFCluster"}
    examined = said.pop("doctor")
    parts = [
        f"No module named 'fsspec' (Python is {python}, ",
        sys.executable,
        "set spark.pyspark.python",
        "build_zip.sh",
    ]
    assert [part for part in parts if part not in examined] == []
    for door, sentence in said.items():
        assert f"({python}, {sys.version.split()[0]}, on " in sentence, door
        # Spark's own worker asks for Arrow before our code asks for anything.
        lacks = r"has no module '\w+', which the driver's \(|fails to import what a task needs \(.*, the driver runs "
        assert re.search(lacks if door == "score" else r"has no module 'fsspec', which the driver's \(", sentence), door
        assert f"{sys.executable}, " in sentence, door
        assert "set spark.pyspark.python (or PYSPARK_PYTHON) to an interpreter" in sentence, door
        assert "--archives (build_zip.sh)" in sentence, door
