"""Score pictures into Parquet: ``batch_inference.py --input URL --model_dir URL --output_dir URL --date DAY``."""

import sys
from collections.abc import Sequence

from sparkcv.config import ScoreConfig
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import score
from sparkcv.driver.job import run_job
from sparkcv.spark.session import spark_session

_EXECUTORS = 2


def work(config: ScoreConfig) -> score.ScoreReport:
    """Check the run, open Spark, score, publish."""
    plan = score.prepare(config)
    with spark_session(
        "sparkcv score",
        num_executors=config.cluster_size or _EXECUTORS,
        memory_mb=config.executor_memory_mb,
        role_bytes=estimate.scorer(plan.manifest.model_name, plan.manifest.image_size, config.batch_size),
        conf=score.SPARK_CONF,
        ports=PortRange.parse(config.port_range),
    ) as spark:
        return score.score(spark, plan)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(ScoreConfig, "batch_inference.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
