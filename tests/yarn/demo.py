"""``make yarn-demo``: every job by ``spark-submit`` in cluster mode, on a real HDFS and a real YARN that it starts.

It builds both zips, uploads the Python archive and pictures that it draws, submits convert, then train, then evaluate
and export side by side, then batch inference, prints YARN's own word on each, reads the Parquet back, and stops all it
started.

With ``--kerberos`` (``make yarn-demo KERBEROS=1``) both have Kerberos and privacy on every wire, and an ordinary user
submits the five jobs of a small net three times: in cluster mode by a keytab, in client mode by one, and there by a
ticket.
"""

import argparse
import contextlib
import dataclasses
import getpass
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping

from sparkcv import logs, storage, synthetic
from sparkcv.driver.demo import DATE, read_back
from tests.hadoop import Hadoop, hadoop
from tests.hadoop.kdc import REALM
from tests.hadoop.submit import PRIVATE, ROOT, Submission, spark_home, start_submit

NAME = "shapes"


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is drawn and trained; the defaults take about 10 minutes on 2 cores."""

    train_per_class: int = 60
    test_per_class: int = 10
    num_broken: int = 4
    model_name: str = "inception_v3"
    image_size: int = 75
    batch_size: int = 16
    num_steps: int = 120


@dataclasses.dataclass(frozen=True)
class Way:
    """How jobs are submitted: by whom, in which mode, and with what words, properties and variables more."""

    name: str = ""
    user: str = dataclasses.field(default_factory=getpass.getuser)
    deploy_mode: str = "cluster"
    options: tuple[str, ...] = ()
    conf: Mapping[str, str] = dataclasses.field(default_factory=dict)
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)


SMALL = Size(train_per_class=5, test_per_class=1, model_name="lenet", image_size=28, batch_size=8, num_steps=20)


@dataclasses.dataclass(frozen=True)
class Ended:
    """One application, as YARN tells of it."""

    job: str
    app_id: str
    final_status: str
    elapsed_s: float


def main() -> int:
    """Start the daemons, run the chain, print the table; exit code 0 only if YARN says SUCCEEDED of every job."""
    parser = argparse.ArgumentParser(prog="make yarn-demo", description=__doc__)
    parser.add_argument("--steps", type=int, default=Size.num_steps, help="global steps of training")
    parser.add_argument("--kerberos", action="store_true", help="on a secured HDFS and YARN, a small net, three ways")
    flags = parser.parse_args()
    logs.setup("demo")
    started_s = time.monotonic()
    ended, texts = secured() if flags.kerberos else plain(flags.steps)
    print(f"\n{'job':<28} {'application':<34} {'final status':<14} took")
    for one in ended:
        print(f"{one.job:<28} {one.app_id:<34} {one.final_status:<14} {logs.duration(one.elapsed_s)}")
    told = "\n".join(texts)
    print(f"\n{told}\nall daemons are stopped; the demo took {logs.duration(time.monotonic() - started_s)}")
    return 0 if all(texts) and all(one.final_status == "SUCCEEDED" for one in ended) else 1


def plain(steps: int) -> tuple[list[Ended], list[str]]:
    """Everything with the archive, as the user who calls it."""
    say("building dist/sparkcv.zip and dist/Python.zip")
    subprocess.run([str(ROOT / "build_zip.sh")], check=True, env={**os.environ, "PYTHON": sys.executable})
    with started() as (cluster, work):
        archive = upload_archive(cluster, ROOT / "dist" / "Python.zip")
        ended, text = run(cluster, archive, work, Size(num_steps=steps))
        return ended, [text]


def secured() -> tuple[list[Ended], list[str]]:
    """Everything on a secured cluster, as alice, who is an ordinary user there."""
    ended: list[Ended] = []
    texts = []
    with started(kerberos=True) as (cluster, work):
        cluster.make_homes()
        kdc = cluster.kdc
        by_keytab = ("--principal", f"alice@{REALM}", "--keytab", str(kdc.keytab_of("alice")))
        nobody, ticket = {"KRB5CCNAME": str(kdc.root / "no-ticket")}, {"KRB5CCNAME": str(kdc.login("alice"))}
        os.environ.update(ticket)  # of this process, which puts the pictures there and reads the Parquet back
        roomy = PRIVATE | {"spark.executor.memoryOverhead": "1600m"}  # in client mode it is not ours to ask for more
        for way in (
            Way("cluster-keytab", "alice", "cluster", by_keytab, PRIVATE, nobody),
            Way("client-keytab", "alice", "client", by_keytab, roomy, nobody),
            Way("client-ticket", "alice", "client", (), roomy, ticket),
        ):
            say(f"{way.deploy_mode} mode, {way.name.partition('-')[2]}")
            done, text = run(cluster, None, work / way.name, SMALL, way)
            ended += done
            texts.append(text and f"{way.name}: {text}")
    return ended, texts


@contextlib.contextmanager
def started(*, kerberos: bool = False) -> Iterator[tuple[Hadoop, pathlib.Path]]:
    """The daemons, which this process finds by its environment, and a folder for what is temporary."""
    say("starting a NameNode, a DataNode, a ResourceManager and a NodeManager" + (" and a KDC" if kerberos else ""))
    with hadoop(yarn=True, kerberos=kerberos) as cluster, tempfile.TemporaryDirectory(prefix="sparkcv-demo-") as work:
        os.environ.update(cluster.env)
        print("\n".join(f"  {name} pid {daemon.pid}" for name, daemon in cluster.daemons.items()))
        yield cluster, pathlib.Path(work)


def upload_archive(cluster: Hadoop, path: pathlib.Path) -> str:
    """Put the archive where the README's command looks for it; returns its URL."""
    url = f"{cluster.url}/user/{getpass.getuser()}/Python.zip"
    say(f"uploading {path.name} ({path.stat().st_size / 1e6:.0f} MB) to {url}")
    storage.publish(str(path), url)
    return f"hdfs:///user/{getpass.getuser()}/Python.zip"


def run(
    cluster: Hadoop, archive: str | None, work: pathlib.Path, size: Size, way: Way | None = None
) -> tuple[list[Ended], str]:
    """Submit the five jobs; returns how each ended, and what the Parquet holds ("" if a job before it failed)."""
    way = way or Way()
    home = f"{cluster.url}/user/{way.user}/demo-{way.name or size.model_name}"
    pictures = work / "pictures"
    for split, per_class in (("train", size.train_per_class), ("test", size.test_per_class)):
        synthetic.write_pictures(pictures / split, per_class, seed=0, broken=size.num_broken, by=split)
        storage.publish_dir(str(pictures / split), f"{home}/pictures/{split}")
    say(f"drew pictures of {len(synthetic.CLASSES)} classes and put them into {home}/pictures")
    ended: list[Ended] = []
    for stage in stages(home, size):
        say(f"submitting {' and '.join(job for job, _, _ in stage)}")
        started_s = time.monotonic()
        with contextlib.ExitStack() as stack:
            running = [start(cluster, archive, way, *words) for words in stage]
            for one in running:
                stack.callback(one.end)  # of two at once, neither outlives the other's failure
            for (job, _, _), one in zip(stage, running, strict=True):
                done = one.wait()
                ended.append(Ended(job, done.app_id, done.final_status, time.monotonic() - started_s))
                tell(done, is_first=len(ended) == 1)
        if any(one.final_status != "SUCCEEDED" for one in ended):
            return ended, ""
    return ended, check(home, work, pictures / "test")


def start(cluster: Hadoop, archive: str | None, way: Way, job: str, words: list[str], num_executors: int) -> Submission:
    """Submit one job by the README's command."""
    return start_submit(
        cluster,
        f"jobs/{job}",
        words,
        num_executors=num_executors,
        deploy_mode=way.deploy_mode,
        options=["--queue", "default", "--executor-memory", "2G", *way.options],
        conf={"spark.dynamicAllocation.enabled": "false", "spark.yarn.maxAppAttempts": "1", **way.conf},
        env=way.env,
        archive=archive,
        timeout_s=1200,
    )


def stages(home: str, size: Size) -> list[list[tuple[str, list[str], int]]]:
    """The five jobs, their words, and the executors of each; those of one stage run at once."""
    data = ["--dataset_dir", f"{home}/slim_data", "--dataset_name", NAME]
    net = ["--model_name", size.model_name]
    train = [*data, "--dataset_split_name", "train", "--train_dir", f"{home}/slim_train", *net]
    train += ["--max_number_of_steps", str(size.num_steps), "--batch_size", str(size.batch_size)]
    train += ["--train_image_size", str(size.image_size), "--num_gpus", "0", "--num_ps_tasks", "1"]
    train += ["--batch_norm_decay", "0.9", "--optimizer", "adam", "--opt_epsilon", "1e-7", "--learning_rate", "0.001"]
    convert = ["--images_dir", f"{home}/pictures/train", *data, "--num_shards", "4", "--validation_fraction", "0.1"]
    evaluate = [*data, "--dataset_split_name", "validation", "--checkpoint_path", f"{home}/slim_train", *net]
    evaluate += ["--eval_dir", f"{home}/slim_eval", "--eval_image_size", str(size.image_size), "--cluster_size", "1"]
    export = ["--checkpoint_path", f"{home}/slim_train", "--model_dir", f"{home}/model", *data, *net]
    score = ["--input", f"{home}/pictures/test", "--model_dir", f"{home}/model", "--date", DATE]
    return [
        [("convert_images.py", convert, 2)],
        [("train_image_classifier.py", train, 3)],
        [
            ("eval_image_classifier.py", evaluate, 1),
            ("export_inference_graph.py", [*export, "--image_size", str(size.image_size)], 1),
        ],
        [("batch_inference.py", [*score, "--output_dir", f"{home}/scores", "--top_k", "3"], 2)],
    ]


def tell(done: Submission, *, is_first: bool) -> None:
    """Print what a user wants to see of one submission."""
    if is_first:
        words = [word.replace(spark_home(), "$SPARK_HOME") for word in done.command]
        print(f"  {shlex.join(words)}")
    print(f"  {done.app_id}: YARN's final status {done.final_status}")
    if done.final_status != "SUCCEEDED":
        print(f"  diagnostics: {done.diagnostics}\n{done.logs()[-4000:]}\n{done.output[-2000:]}")


def check(home: str, work: pathlib.Path, pictures: pathlib.Path) -> str:
    """Read the day's Parquet back from HDFS: every id exactly once."""
    local = work / "scores"
    for entry in storage.walk(f"{home}/scores"):
        target = local / entry.url.removeprefix(f"{home}/scores/")
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.fetch(entry.url, target)
    scores = read_back(local, pictures)
    shutil.rmtree(local)
    return (
        f"{len(scores.predictions)} predictions and {len(scores.rejects)} rejects in {home}/scores/dt={DATE}, every"
        f" held-out picture exactly once; accuracy {scores.accuracy:.3f}"
    )


def say(what: str) -> None:
    """Print a step's headline."""
    print(f"\n{what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
