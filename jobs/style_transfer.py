"""Make a picture in others' style: ``style_transfer.py --content URL --styles URL --output URL --network URL``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("styletransfer", argv)


if __name__ == "__main__":
    sys.exit(main())
