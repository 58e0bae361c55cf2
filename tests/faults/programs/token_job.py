"""Waits with an open stream until the token that its containers began with has ended, then trains and scores."""

import dataclasses
import sys
import time

from sparkcv.cluster import supervisor
from sparkcv.cluster.credentials import end
from sparkcv.cluster.session import spark_session
from sparkcv.cluster.topology import roles
from sparkcv.config import ScoreConfig, TrainConfig
from sparkcv.config.flags import flag
from sparkcv.driver import train
from sparkcv.driver.job import run_job
from sparkcv.errors import PreemptedError
from sparkcv.predict import scoring
from sparkcv.storage.hdfs import identity

DAY = "2026-01-01"


@dataclasses.dataclass(frozen=True)
class TokenConfig:
    """Train and score for longer than a token lives."""

    home: str = flag(
        "", "folder with a dataset in data/, and with a model in model/ if it is to be stopped", group="what"
    )
    steps: int = flag(40, "of training", group="what")
    lives_s: float = flag(0.0, "seconds to wait after the first token's end; below 0: do not wait", group="what")
    is_stopped: bool = flag(False, "whether both are to end before they are done", group="what")


def work(config: TokenConfig) -> str:
    """Do it all in one application, whose containers all began with the same token."""
    first = identity.mine("hdfs://default")
    if first is None:
        raise RuntimeError("this container began without a token")
    with spark_session("tokens", num_executors=3) as spark:
        if config.is_stopped:
            raise PreemptedError(
                f"training: {_stopped(_train, spark, config)}\nscoring: {_stopped(_score, spark, config)}"
            )
        until_s = first.max_date_s + config.lives_s
        said = supervisor.run(
            spark, "token_programs:read_on", roles(0, 2), {"url": f"{config.home}/stream", "until_s": until_s}
        )
        if time.time() < until_s or end.ends_s() is not None:
            raise RuntimeError(f"the first token has not ended, or nothing renews it: {said}")
        return f"read on: {said}\n{_train(spark, config)}\n{_score(spark, config)}"


def _train(spark, config: TokenConfig) -> object:
    flags = TrainConfig(
        dataset_dir=f"{config.home}/data",
        dataset_name="shapes",
        train_dir=f"{config.home}/run{'-stopped' if config.is_stopped else ''}",
        export_dir=None if config.is_stopped else f"{config.home}/model",
        model_name="lenet",
        train_image_size=28,
        batch_size=4,
        optimizer="sgd",
        learning_rate=0.001,
        max_number_of_steps=config.steps,
        save_interval_steps=20,
        num_ps_tasks=1,
        num_gpus=0,
    )
    return train.train(spark, train.prepare(flags))


def _score(spark, config: TokenConfig) -> object:
    flags = ScoreConfig(
        input=f"{config.home}/data", model_dir=f"{config.home}/model", output_dir=f"{config.home}/scores", date=DAY,
        overwrite=True,
        top_k=3,
    )  # fmt: skip
    return scoring.score(spark, scoring.prepare(flags))


def _stopped(what, spark, config: TokenConfig) -> str:
    try:
        with end.told():
            return f"ended well, with {what(spark, config)}"
    except PreemptedError as err:
        return str(err)


if __name__ == "__main__":
    sys.exit(run_job(TokenConfig, "token_job.py", work))
