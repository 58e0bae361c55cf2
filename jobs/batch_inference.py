"""Score pictures into Parquet: ``batch_inference.py --input URL --model_dir URL --output_dir URL --date DAY``."""

import sys
from collections.abc import Sequence

from sparkcv.cluster.doctor import estimate
from sparkcv.cluster.session import spark_session
from sparkcv.config import ScoreConfig
from sparkcv.config.port_range import PortRange
from sparkcv.driver.job import run_job
from sparkcv.predict import scoring

_EXECUTORS = 2


def work(config: ScoreConfig) -> scoring.ScoreReport:
    """Check the run, open Spark, score, publish."""
    plan = scoring.prepare(config)
    with spark_session(
        "sparkcv score",
        num_executors=config.cluster_size or _EXECUTORS,
        memory_mb=config.executor_memory_mb,
        role_bytes=estimate.scorer(plan.manifest.model_name, plan.manifest.image_size, config.batch_size),
        conf=scoring.SPARK_CONF,
        ports=PortRange.parse(config.port_range),
    ) as spark:
        return scoring.score(spark, plan)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(ScoreConfig, "batch_inference.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
