"""Export a checkpoint as a model to score with: ``export_inference_graph.py --checkpoint_path URL --model_dir URL``."""

import sys
from collections.abc import Sequence

from sparkcv.driver.jobs import run_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    return run_job("export", argv)


if __name__ == "__main__":
    sys.exit(main())
