"""Make pictures from captions: ``generate_pictures.py --caption TEXT --checkpoint_path URL --output_dir URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("generate", argv)


if __name__ == "__main__":
    sys.exit(main())
