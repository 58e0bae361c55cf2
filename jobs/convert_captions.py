"""Convert pictures with captions to shards: ``convert_captions.py --captions_file URL --dataset_dir URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("convertcaptions", argv)


if __name__ == "__main__":
    sys.exit(main())
