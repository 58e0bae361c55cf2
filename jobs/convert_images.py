"""Convert pictures to TFRecord shards: ``convert_images.py --images_dir URL --dataset_dir URL ...``."""

import functools
import sys
from collections.abc import Sequence

from sparkcv.config import ConvertConfig
from sparkcv.config.port_range import PortRange
from sparkcv.convert import ConvertReport
from sparkcv.driver.convert import convert, prepare
from sparkcv.driver.job import run_job
from sparkcv.spark.job_group import job_group
from sparkcv.spark.session import spark_session
from sparkcv.tokens.server import enter
from sparkcv.tokens.stage import let_in

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
