"""Train a fast style transfer net: ``train_style_net.py --style_image URL --dataset_dir URL --checkpoint_path URL``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("trainstyle", argv)


if __name__ == "__main__":
    sys.exit(main())
