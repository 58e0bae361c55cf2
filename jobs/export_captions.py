"""Export a net of captions as a model to serve: ``export_captions.py --checkpoint_path URL --model_dir URL``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("exportcaptions", argv)


if __name__ == "__main__":
    sys.exit(main())
