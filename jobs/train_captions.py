"""Train captions of pictures: ``train_captions.py --dataset_dir URL --train_dir URL --checkpoint_path URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("traincaptions", argv)


if __name__ == "__main__":
    sys.exit(main())
