"""Convert pictures to TFRecord shards: ``convert_images.py --images_dir URL --dataset_dir URL ...``."""

import functools
import sys
from collections.abc import Sequence

from sparkcv.cluster.credentials.desk import enter
from sparkcv.cluster.credentials.stage import let_in
from sparkcv.cluster.job_group import job_group
from sparkcv.cluster.session import spark_session
from sparkcv.config import ConvertConfig
from sparkcv.config.port_range import PortRange
from sparkcv.driver.job import run_job
from sparkcv.records.convert import ConvertReport, convert, prepare

_EXECUTORS = 2


def work(config: ConvertConfig) -> ConvertReport:
    """Check the source and the target, open Spark, convert."""
    prepare(config)
    with (
        spark_session(
            "sparkcv convert",
            num_executors=config.cluster_size or _EXECUTORS,
            ports=PortRange.parse(config.port_range),
        ) as spark,
        job_group(spark, f"convert {config.images_dir}"),
        let_in(spark, config.port_range, "nothing was published, the same command converts anew") as place,
    ):
        return convert(spark, config, functools.partial(enter, place))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(ConvertConfig, "convert_images.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
