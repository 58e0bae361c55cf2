"""Print captions of pictures: ``caption_pictures.py PICTURE_OR_FOLDER --checkpoint_path URL ...``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("caption", argv)


if __name__ == "__main__":
    sys.exit(main())
