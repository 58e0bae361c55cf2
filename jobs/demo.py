"""Run the whole chain on pictures that it draws: what ``make demo`` calls."""

import sys
from collections.abc import Sequence

from sparkcv.config import DemoConfig
from sparkcv.driver import demo
from sparkcv.driver.job import run_job
from sparkcv.spark.session import spark_session


def work(config: DemoConfig) -> demo.DemoReport:
    """Open Spark with an executor a role and run the chain."""
    folder = demo.prepare(config)
    with spark_session("sparkcv demo", num_executors=1 + config.num_workers) as spark:
        return demo.run(spark, config, folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(DemoConfig, "demo.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
