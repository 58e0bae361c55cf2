"""Find out whether a training job would start: put ``doctor.py`` in the place of ``train_image_classifier.py``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("doctor", argv)


if __name__ == "__main__":
    sys.exit(main())
