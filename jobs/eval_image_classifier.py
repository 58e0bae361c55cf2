"""Evaluate a checkpoint on Spark executors: ``eval_image_classifier.py --checkpoint_path URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.config import EvalConfig
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import evaluate
from sparkcv.driver.job import run_job
from sparkcv.spark.session import spark_session


def work(config: EvalConfig) -> evaluate.EvalReport:
    """Check the evaluation, open Spark with an executor an evaluator, evaluate."""
    plan = evaluate.prepare(config)
    with spark_session(
        "sparkcv eval",
        num_executors=config.cluster_size or 1,
        memory_mb=config.executor_memory_mb,
        role_bytes=estimate.evaluator(config),
        ports=PortRange.parse(config.port_range),
    ) as spark:
        return evaluate.evaluate(spark, plan)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(EvalConfig, "eval_image_classifier.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
