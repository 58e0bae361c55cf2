"""Accuracy of a Spark-hosted run beside a plain control: same graph, settings and number of examples, no Spark, no ps.

Command (about an hour on 2 cores; CIFAR-10 as folders ``train/<class>/*.jpg`` and ``test/<class>/*.jpg``)::

    python bench/fidelity_cifar10.py --pictures /data/cifar10 --work_dir /tmp/fidelity

The Spark-hosted side is the four jobs as a user types them: convert, train by 1 ps and 2 workers, evaluate. The control
is one ordinary TensorFlow process with an input pipeline and a loop of its own; only the net, its preprocessing and
the train step are shared, since "the same graph" is what it is a control of. Both checkpoints are evaluated by the
same job. Expected: both far above the 10 % of chance, at most 3 points apart.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent

RECIPE = ROOT / "conf" / "cifar10_inception_v3.toml"
SETTINGS = tomllib.loads(RECIPE.read_text())
NUM_RECORDS, NUM_CLASSES = 10_000, 10


def main() -> int:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", required=True, help="folder with train/ and test/, each a folder a class")
    parser.add_argument("--work_dir", required=True)
    parser.add_argument("--steps", type=int, default=SETTINGS["max_number_of_steps"])
    parser.add_argument("--side", choices=["both", "spark", "control", "control_process"], default="both")
    flags = parser.parse_args()
    work = pathlib.Path(flags.work_dir).resolve()
    work.mkdir(parents=True, exist_ok=True)
    if flags.side == "control_process":
        control(work, flags.steps)
        return 0
    convert(pathlib.Path(flags.pictures).resolve(), work)
    rows = []
    if flags.side in ("both", "spark"):
        rows.append(spark_hosted(work, flags.steps))
    if flags.side in ("both", "control"):
        rows.append(plain(work, flags))
    print(f"\n{'side':<34}{'steps':>7}{'examples':>10}{'accuracy':>10}{'recall@5':>10}{'training':>10}")
    for name, seconds, result in rows:
        print(
            f"{name:<34}{flags.steps:>7}{flags.steps * SETTINGS['batch_size']:>10}{result['accuracy']:>10.4f}"
            f"{result['recall_5']:>10.4f}{seconds:>9.0f}s"
        )
    return 0


def job(name: str, **flags: object) -> None:
    """Run one job as a user would."""
    words = [f"--{key}={value}" for key, value in flags.items() if value is not None]
    subprocess.run([sys.executable, str(ROOT / "jobs" / name), *words], check=True, cwd=ROOT)


def convert(pictures: pathlib.Path, work: pathlib.Path) -> None:
    """Make both splits, once."""
    for split, shards in (("train", 8), ("test", 2)):
        if not list((work / "data").glob(f"cifar10_{split}-*")):
            job(
                "convert_images.py",
                images_dir=pictures / split,
                dataset_dir=work / "data",
                dataset_name="cifar10",
                dataset_split_name=split,
                num_shards=shards,
            )


def spark_hosted(work: pathlib.Path, steps: int) -> tuple[str, float, dict]:
    """Train by 1 ps and 2 workers on Spark, evaluate."""
    started = time.monotonic()
    job(
        "train_image_classifier.py",
        dataset_dir=work / "data",
        train_dir=work / "spark",
        max_number_of_steps=steps,
        cluster_size=3,
        num_ps_tasks=1,
        recipe=RECIPE,
    )
    return "Spark: 1 ps + 2 workers, async", time.monotonic() - started, evaluate(work, work / "spark")


def plain(work: pathlib.Path, flags: argparse.Namespace) -> tuple[str, float, dict]:
    """Train the control in its own process, evaluate with the same job."""
    started = time.monotonic()
    subprocess.run(
        [
            *(sys.executable, __file__, "--pictures", flags.pictures, "--work_dir", str(work)),
            *("--steps", str(flags.steps), "--side", "control_process"),
        ],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return (
        "control: 1 TensorFlow process",
        time.monotonic() - started,
        evaluate(work, work / "control" / f"model.ckpt-{flags.steps}"),
    )


def evaluate(work: pathlib.Path, checkpoint: pathlib.Path) -> dict:
    """Evaluate ``checkpoint``, a run's folder or a prefix, on the 2,000 test pictures."""
    eval_dir = work / f"eval-{'control' if checkpoint.parent.name == 'control' else 'spark'}"
    job(
        "eval_image_classifier.py",
        dataset_dir=work / "data",
        dataset_name="cifar10",
        dataset_split_name="test",
        checkpoint_path=checkpoint,
        eval_dir=eval_dir,
        model_name=SETTINGS["model_name"],
        eval_image_size=SETTINGS["train_image_size"],
        cluster_size=2,
    )
    newest = max(eval_dir.glob("eval-*.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(newest.read_text())


def control(work: pathlib.Path, steps: int) -> None:
    """Train the same graph in this process: plain tf.data, plain Session, plain Saver."""
    import tensorflow.compat.v1 as tf

    from sparkcv import nets, preprocess
    from sparkcv.config import TrainConfig
    from sparkcv.train import step

    tf.disable_eager_execution()
    config = TrainConfig(dataset_dir=str(work / "data"), train_dir=str(work / "control"), **SETTINGS)
    prepare = preprocess.get(nets.get(config.model_name).preprocessing)

    def parse(serialized: object) -> tuple[object, object]:
        features = tf.parse_single_example(
            serialized,
            {"image/encoded": tf.FixedLenFeature([], tf.string), "image/class/label": tf.FixedLenFeature([], tf.int64)},
        )
        image = prepare.for_train(
            features["image/encoded"], config.train_image_size, min_crop_area=config.min_crop_area
        )
        return image, features["image/class/label"]

    def next_batch() -> tuple[object, object]:
        files = sorted(str(path) for path in (work / "data").glob("cifar10_train-*.tfrecord"))
        dataset = tf.data.TFRecordDataset(files).shuffle(NUM_RECORDS, seed=config.seed).repeat()
        dataset = dataset.map(parse, num_parallel_calls=config.num_preprocessing_threads)
        dataset = dataset.batch(config.batch_size, drop_remainder=True).prefetch(2)
        return tf.data.make_one_shot_iterator(dataset).get_next()

    graph = step.build(config, num_records=NUM_RECORDS, num_classes=NUM_CLASSES, next_batch=next_batch)
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for number in range(1, steps + 1):
            loss = session.run(graph.train_op)
            if number % 50 == 0:
                print(f"control step {number}/{steps} loss {loss:.3f}", flush=True)
        (work / "control").mkdir(exist_ok=True)
        saver.save(session, str(work / "control" / "model.ckpt"), global_step=graph.global_step)


if __name__ == "__main__":
    sys.exit(main())
