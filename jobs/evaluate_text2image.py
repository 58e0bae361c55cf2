"""Judge pictures made from captions: ``evaluate_text2image.py --checkpoint_path URL --judge_path URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("evaluatetext2image", argv)


if __name__ == "__main__":
    sys.exit(main())
