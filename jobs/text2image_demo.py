"""Train and judge pictures from captions on figures that it draws: what ``make text2image-demo`` calls."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("text2imagedemo", argv)


if __name__ == "__main__":
    sys.exit(main())
