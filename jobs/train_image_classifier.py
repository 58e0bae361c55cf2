"""Train an image classifier on Spark executors: ``train_image_classifier.py --dataset_dir URL --train_dir URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.config import TrainConfig
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import train
from sparkcv.driver.job import run_job
from sparkcv.spark.session import spark_session


def work(config: TrainConfig) -> train.TrainReport:
    """Check the run, open Spark with an executor a role, train."""
    plan = train.prepare(config)
    num_roles = config.num_roles
    if plan.is_finished:
        return train.already_finished(plan)
    with spark_session(
        "sparkcv train",
        num_executors=num_roles,
        memory_mb=config.executor_memory_mb,
        role_bytes=estimate.largest(plan.config, plan.dataset)[1].likely,
        ports=PortRange.parse(config.port_range),
    ) as spark:
        return train.train(spark, plan)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(TrainConfig, "train_image_classifier.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
