"""Train pictures from captions: ``train_text2image.py --dataset_dir URL --train_dir URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("traintext2image", argv)


if __name__ == "__main__":
    sys.exit(main())
