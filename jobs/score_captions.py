"""Caption a day's pictures into Parquet: ``score_captions.py --input URL --checkpoint_path URL --output_dir URL``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("scorecaptions", argv)


if __name__ == "__main__":
    sys.exit(main())
