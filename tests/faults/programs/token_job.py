"""Waits with an open stream until the token that its containers began with has ended, then trains; scores meanwhile."""

import contextlib
import dataclasses
import functools
import io
import os
import sys
import tempfile
import time

import pyarrow as pa
import pyarrow.parquet as pq
import token_programs

from sparkcv import storage
from sparkcv.cluster import supervisor
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.config import ScoreConfig, TrainConfig
from sparkcv.config.flags import flag
from sparkcv.driver import day_stage, score, train
from sparkcv.driver.job import run_main
from sparkcv.errors import PreemptedError
from sparkcv.roles import roles
from sparkcv.spark.session import spark_session
from sparkcv.storage.hadoop import load_conf
from sparkcv.storage.hdfs import identity
from sparkcv.tokens import expiry

DAY = "2026-01-01"
BATCH_SIZE = 4


@dataclasses.dataclass(frozen=True)
class TokenConfig:
    """Train and score for longer than a token lives."""

    home: str = flag(
        "",
        "folder with a dataset in data/, a model in colors/ and pictures for it in pictures/, and a big file stream",
        group="what",
    )
    steps: int = flag(40, "of training", group="what")
    looked: str = flag("", "a local file that is there once the roles that read on have been looked at", group="what")
    lives_s: float = flag(0.0, "about how many seconds more to train after the first token's end", group="what")
    is_stopped: bool = flag(False, "whether both are to end before they are done", group="what")


def work(config: TokenConfig) -> str:
    """Do it all in one application, whose containers all began with the same token."""
    first = identity.mine("hdfs://default")
    if first is None:
        raise RuntimeError("this container began without a token")
    with spark_session("tokens", num_executors=3) as spark:
        if config.is_stopped:
            train.PROGRAM = "paced:main"  # it trains until its token ends, beside other tests
            raise PreemptedError(
                f"training: {_stopped(_train, spark, config)}\nscoring: {_stopped(_score, spark, config)}"
            )
        until = {"until_s": first.max_date_s, "until_there": config.looked}
        with _HeldScoring(spark, config) as held:
            said = supervisor.run(
                spark, RunSpec("token_programs:read_on", roles(0, 2), {"url": f"{config.home}/stream"} | until)
            )
            if time.time() < first.max_date_s or expiry.ends_s() is not None:
                raise RuntimeError(f"the first token has not ended, or nothing renews it: {said}")
            trained = _train(spark, config)
            if config.lives_s > 0:
                more = int(trained.images_per_s / BATCH_SIZE * config.lives_s)
                trained = _train(spark, dataclasses.replace(config, steps=config.steps + more))
            scored = held.go_on()
        return f"read on: {said}\n{trained}\n{scored}"


class _HeldScoring:
    """A scoring stage whose task waits at its third picture until ``go_on``, which makes a folder of it.

    The pictures behind it are named by the NameNode's address, so that the same Python process logs in for them anew.
    """

    def __init__(self, spark, config: TokenConfig) -> None:
        from pyspark import InheritableThread

        self._stack = contextlib.ExitStack()
        self._spark, self._home = spark, config.home
        self._found: list[object] = []
        self._held = os.path.join(self._stack.enter_context(tempfile.TemporaryDirectory()), "held")
        self._thread = InheritableThread(target=self._run, name="scoring")

    def __enter__(self) -> "_HeldScoring":
        url = f"{self._home}/pictures"
        names = sorted(entry.name for entry in storage.list_dir(url))
        (namenode,) = load_conf().namenodes("default").values()
        again = url.replace("hdfs://default", f"hdfs://{namenode}")
        paths = [f"{url}/{name}" for name in names[:2]] + [f"file://{self._held}"]
        # One is read ahead while the third is waited for.
        paths += [f"{url}/{name}" for name in names[2:4]] + [f"{again}/{name}" for name in names[4:]]
        table = io.BytesIO()
        pq.write_table(pa.table({"path": paths}), table)
        storage.write_bytes(f"{self._home}/held.parquet", table.getvalue())
        map_pieces = day_stage.map_pieces
        self._stack.callback(setattr, day_stage, "map_pieces", map_pieces)
        day_stage.map_pieces = lambda spark, count, work, schema: map_pieces(
            spark, count, functools.partial(token_programs.work_held, self._held, work), schema
        )
        self._thread.start()
        return self

    def go_on(self) -> object:
        """Let it read the rest; returns its report."""
        while self._thread.is_alive() and not os.path.exists(f"{self._held}-waits"):
            time.sleep(0.1)
        if not self._thread.is_alive():
            raise RuntimeError(f"the scoring did not wait for its third picture: {self._found}")
        os.mkdir(self._held)
        self._thread.join()
        (found,) = self._found
        if isinstance(found, BaseException):
            raise found
        return found

    def __exit__(self, *_: object) -> None:
        os.makedirs(self._held, exist_ok=True)
        self._thread.join()
        self._stack.close()

    def _run(self) -> None:
        flags = ScoreConfig(
            input=f"{self._home}/held.parquet", model_dir=f"{self._home}/colors", output_dir=f"{self._home}/scores",
            date=DAY, batch_size=1, num_partitions=1, bad_image_budget=0.5, top_k=3,
        )  # fmt: skip
        try:
            self._found.append(score.run(self._spark, score.prepare(flags)))
        except BaseException as err:  # noqa: BLE001 - go_on raises it
            self._found.append(err)


def _train(spark, config: TokenConfig) -> train.TrainReport:
    flags = TrainConfig(
        dataset_dir=f"{config.home}/data",
        dataset_name="shapes",
        train_dir=f"{config.home}/run{'-stopped' if config.is_stopped else ''}",
        export_dir=None if config.is_stopped else f"{config.home}/model",
        model_name="lenet",
        train_image_size=12,
        batch_size=BATCH_SIZE,
        optimizer="sgd",
        learning_rate=0.001,
        max_number_of_steps=config.steps,
        save_interval_steps=max(20, config.steps // 10),
        num_ps_tasks=1,
        cluster_size=2,
        num_gpus=0,
    )
    return train.run(spark, train.prepare(flags))


def _score(spark, config: TokenConfig) -> object:
    flags = ScoreConfig(
        input=f"{config.home}/data", model_dir=f"{config.home}/model", output_dir=f"{config.home}/scores", date=DAY,
        overwrite=True,
        top_k=3,
    )  # fmt: skip
    return score.run(spark, score.prepare(flags))


def _stopped(what, spark, config: TokenConfig) -> str:
    try:
        with expiry.told():
            return f"ended well, with {what(spark, config)}"
    except PreemptedError as err:
        return str(err)


if __name__ == "__main__":
    sys.exit(run_main(TokenConfig, "token_job.py", work))
