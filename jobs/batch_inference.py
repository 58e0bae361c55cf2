"""Score pictures into Parquet: ``batch_inference.py --input URL --model_dir URL --output_dir URL --date DAY``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("score", argv)


if __name__ == "__main__":
    sys.exit(main())
