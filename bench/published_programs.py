"""The programs that TensorFlowOnSpark publishes, with only their import changed, on sparkcv: which come to their end.

Command (about 20 minutes), with checkouts of github.com/yahoo/TensorFlowOnSpark and github.com/tensorflow/examples::

    python bench/published_programs.py --tensorflowonspark DIR --examples DIR --work_dir NEW_DIR

A copy of each file has ``tensorflowonspark`` of its import statements replaced by ``sparkcv.compat``, and is started by
spark-submit on local-cluster[2,1,2048], one also on a YARN of this machine; its tests by unittest. What cannot be
fetched on a machine without the internet is drawn or random: 60,000 digits of MNIST's form as CSV and as TFRecords,
``standins/tensorflow_datasets.py``, MobileNetV2's weights. Each row: the program, its exit code, the seconds, what it
left; its log is beside its copy. What the documents say of each is in docs/tensorflowonspark.md.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # YARN's daemons are no part of the package

from sparkcv import storage  # noqa: E402
from tests.compat.programs.digits import digits  # noqa: E402
from tests.hadoop import hadoop  # noqa: E402
from tests.hadoop.submit import spark_home, submit, zipped  # noqa: E402

IMPORT = re.compile(r"^(\s*(?:from|import)\s+)tensorflowonspark\b", re.MULTILINE)
KERAS_2 = {"TF_USE_LEGACY_KERAS": "1"}
WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_128_no_top.h5"
BOUND_S = 1500
DIGITS, PARTS = 60_000, 10
# Name, file, arguments; {} is the work folder.
PROGRAMS = (
    ("mnist_spark", "mnist/keras/mnist_spark.py", "--epochs 1 --images_labels {}/csv"),
    ("mnist_tf_ds", "mnist/keras/mnist_tf_ds.py", "--epochs 1 --images_labels {}/tfr/part-r-*"),
    ("mnist_pipeline-train", "mnist/keras/mnist_pipeline.py", "--epochs 1 --images_labels {}/csv --mode train"),
    ("mnist_pipeline-inference", "mnist/keras/mnist_pipeline.py", "--images_labels {}/csv --mode inference"),
    ("mnist_tf", "mnist/keras/mnist_tf.py", "--epochs 1 --steps_per_epoch 30"),
    ("segmentation_spark", "segmentation/segmentation_spark.py", "--epochs 1 --batch_size 8"),
)
TESTS = ("test_TFCluster", "test_TFParallel", "test_dfutil", "test_pipeline", "test_TFNode")


def main() -> int:
    """Draw the data, run each, print its row; the exit code is 0 whatever theirs are: the rows are the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tensorflowonspark", type=pathlib.Path, required=True)
    parser.add_argument("--examples", type=pathlib.Path, required=True, help="for the package tensorflow_examples")
    parser.add_argument("--work_dir", type=pathlib.Path, required=True, help="a new folder")
    parser.add_argument("--only", default="", help="those whose name, such as yarn/mnist_spark, holds this")
    flags = parser.parse_args()
    work = flags.work_dir.resolve()
    work.mkdir(parents=True)
    changed = copy_changed(flags.tensorflowonspark, work)
    draw(work)
    zips = [zipped(work / "sparkcv.zip", ROOT, "sparkcv")]
    zips += [zipped(work / "tensorflow_examples.zip", flags.examples.resolve(), "tensorflow_examples")]
    zips += [zipped(work / "standins.zip", ROOT / "bench" / "standins", "tensorflow_datasets.py")]
    print("| program | exit code | seconds | left, or said |\n|--|--|--|--|", flush=True)
    for name, file, words in PROGRAMS:
        if flags.only in name:
            print(f"| {name} | {on_local_cluster(work, name, changed / 'examples' / file, words, zips)} |", flush=True)
    if flags.only in "yarn/mnist_spark":
        print(f"| mnist_spark on YARN | {on_yarn(work, changed / 'examples' / PROGRAMS[0][1])} |", flush=True)
    for name in TESTS:
        if flags.only in name:
            print(f"| {name} | {its_test(work, changed / 'tests', name)} |", flush=True)
    return 0


def on_local_cluster(
    work: pathlib.Path, name: str, program: pathlib.Path, words: str, zips: Sequence[pathlib.Path]
) -> str:
    """Run it by spark-submit; returns the row's last cells."""
    model = name.removesuffix("-train").removesuffix("-inference")
    out = ["--cluster_size", "2", "--export_dir", str(work / "out" / model / "export")]
    if name.endswith("-inference"):
        out += ["--output", str(work / "out" / model / "predictions")]
    else:
        out += ["--model_dir", str(work / "out" / model / "model")]
    home = own_spark_home(work)
    command = [str(home / "bin" / "spark-submit"), "--master", "local-cluster[2,1,2048]"]
    conf = {
        "spark.executor.instances": "2",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.executorEnv.DRAWN_DIGITS": str(work / "digits.npz"),
        **{f"spark.executorEnv.{key}": value for key, value in KERAS_2.items()},
    }
    command += [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    command += ["--py-files", ",".join(map(str, zips)), str(program), *words.replace("{}", str(work)).split(" "), *out]
    code, seconds, _ = run(command, work, work / f"{name}.log", {"SPARK_HOME": str(home), "HOME": str(work / "home")})
    return f"{code} | {seconds:.0f} | {left(work / 'out' / model)}"


def on_yarn(work: pathlib.Path, program: pathlib.Path) -> str:
    """Run it on YARN in cluster mode, its rows on HDFS."""
    out = work / "out" / "yarn"
    with hadoop(yarn=True) as cluster:
        os.environ.update(cluster.env)
        storage.publish_dir(str(work / "csv"), f"{cluster.url}/user/me/csv")
        words = ["--cluster_size", "2", "--epochs", "1", "--images_labels", f"{cluster.url}/user/me/csv"]
        words += ["--model_dir", str(out / "model"), "--export_dir", str(out / "export")]
        conf = {f"spark.executorEnv.{key}": value for key, value in KERAS_2.items()}
        conf["spark.executor.memoryOverhead"] = "1500m"
        start = time.monotonic()
        one = submit(cluster, program, words, num_executors=2, conf=conf, timeout_s=BOUND_S)
        seconds = time.monotonic() - start
        (work / "yarn.log").write_text(one.logs())
        return f"{one.exit_code}, {one.final_status} | {seconds:.0f} | {left(out)}"


def its_test(work: pathlib.Path, folder: pathlib.Path, name: str) -> str:
    """Run one file of its tests; the jar that stock's dfutil wants is an empty one."""
    jar = work / "empty.jar"
    zipfile.ZipFile(jar, "w").close()
    env = {
        "PYTHONPATH": str(ROOT),
        "MASTER": "local-cluster[2,1,1024]",
        "SPARK_WORKER_INSTANCES": "2",
        "SPARK_CLASSPATH": str(jar),
        "SPARK_HOME": str(own_spark_home(work)),
    }
    code, seconds, log = run([sys.executable, "-m", "unittest", "-v", name], folder, work / f"{name}.log", env)
    said = re.findall(r"^(Ran \d+ tests?|OK.*|FAILED.*|ImportError.*)", log, re.MULTILINE)
    return f"{code} | {seconds:.0f} | {', '.join(said)}"


def run(
    command: Sequence[str], cwd: pathlib.Path, log: pathlib.Path, env: Mapping[str, str]
) -> tuple[int | str, float, str]:
    """Exit code, or that it hung, seconds, and what it wrote."""
    start = time.monotonic()
    code: int | str
    with log.open("wb") as sink:
        try:
            code = subprocess.run(
                command,
                cwd=cwd,
                env=dict(os.environ, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1", **env),
                stdout=sink,
                stderr=sink,
                timeout=BOUND_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = f"hung at {BOUND_S} s"
    return code, time.monotonic() - start, log.read_text(errors="replace")


def left(out: pathlib.Path) -> str:
    """Return what stands in the program's folder: its checkpoint, SavedModel, predictions."""
    found = []
    if list(out.rglob("*.index")):
        found.append("checkpoint")
    if list(out.rglob("saved_model.pb")):
        found.append("SavedModel")
    if parts := list((out / "predictions").glob("part-*")):
        found.append(f"{sum(len(path.read_text().splitlines()) for path in parts)} predictions")
    return ", ".join(found) or "nothing"


def copy_changed(checkout: pathlib.Path, work: pathlib.Path) -> pathlib.Path:
    """Its examples and tests with another import, and nothing else; returns the copy."""
    target = work / "changed"
    for folder in ("examples", "tests"):
        shutil.copytree(checkout / folder, target / folder)
    for path in target.rglob("*.py"):
        path.write_text(IMPORT.sub(r"\1sparkcv.compat", path.read_text()))
    return target


def own_spark_home(work: pathlib.Path) -> pathlib.Path:
    """Pyspark's folder, but for a folder ``work`` of its own: a local cluster's executors write there."""
    home = work / "spark"
    if not home.exists():
        (home / "work").mkdir(parents=True)
        for entry in pathlib.Path(spark_home()).iterdir():
            if entry.name != "work":
                (home / entry.name).symlink_to(entry)
    return home


def draw(work: pathlib.Path) -> None:
    """Digits as CSV, as TFRecords with one-hot labels as its data set-up writes them, as NumPy; random weights."""
    import tensorflow as tf
    import tf_keras

    images, labels = digits(DIGITS)
    one_hot = np.eye(10, dtype=int)[labels]
    np.savez(work / "digits.npz", images=images, labels=labels)
    for folder in ("csv", "tfr", "home/.keras/models"):
        (work / folder).mkdir(parents=True)
    for part in range(PARTS):
        rows = range(part * DIGITS // PARTS, (part + 1) * DIGITS // PARTS)
        lines = (",".join(map(str, (labels[row], *images[row].ravel()))) for row in rows)
        (work / "csv" / f"part-{part:05d}").write_text("\n".join(lines) + "\n")
        with tf.io.TFRecordWriter(str(work / "tfr" / f"part-r-{part:05d}")) as writer:
            for row in rows:
                values = {"label": one_hot[row], "image": images[row].ravel()}
                feature = {
                    key: tf.train.Feature(int64_list=tf.train.Int64List(value=value)) for key, value in values.items()
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    network = tf_keras.applications.MobileNetV2(input_shape=[128, 128, 3], include_top=False, weights=None)
    network.save_weights(str(work / "home" / ".keras" / "models" / WEIGHTS))


if __name__ == "__main__":
    sys.exit(main())
