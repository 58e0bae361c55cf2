"""Convert pictures to TFRecord shards: ``convert_images.py --images_dir URL --dataset_dir URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("convert", argv)


if __name__ == "__main__":
    sys.exit(main())
