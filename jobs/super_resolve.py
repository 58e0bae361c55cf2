"""Enlarge a picture by examples: ``super_resolve.py --input URL --examples URL --output URL``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("superresolve", argv)


if __name__ == "__main__":
    sys.exit(main())
