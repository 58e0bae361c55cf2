"""What a worker process needs of a store, copied once: one that starts again has it, whatever became of it there."""

import os
import shutil
import tempfile
from collections.abc import Callable

from sparkcv.predict.fetching import locked

__all__ = ["local_copy"]


def local_copy(folder: str, fetch: Callable[[str], object]) -> str:
    """Return ``folder``, filled by ``fetch``, which gets another one that takes its place once it is whole."""
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    with locked(folder + ".lock"):  # two processes may want the same
        if not os.path.isdir(folder):
            aside = tempfile.mkdtemp(dir=os.path.dirname(folder))
            try:
                fetch(aside)
                os.replace(aside, folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return folder
