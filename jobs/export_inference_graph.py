"""Export a checkpoint as a model to score with: ``export_inference_graph.py --checkpoint_path URL --model_dir URL``."""

import sys
from collections.abc import Sequence

from sparkcv.config import ExportConfig
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import export
from sparkcv.driver.job import run_job
from sparkcv.spark.session import spark_session


def work(config: ExportConfig) -> export.ExportReport:
    """Check the export, open Spark with the one executor it needs, export."""
    task = export.prepare(config)
    with spark_session(
        "sparkcv export",
        num_executors=1,
        memory_mb=config.executor_memory_mb,
        role_bytes=estimate.exporter(config.model_name),
        ports=PortRange.parse(config.port_range),
    ) as spark:
        return export.export(spark, task)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(ExportConfig, "export_inference_graph.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
