"""Where a model goes: a new or an empty folder, looked at by the driver first and by the exporter last."""

from sparkcv import storage
from sparkcv.errors import FileExistsAlreadyError


def check_target(url: str) -> None:
    """Raise FileExistsAlreadyError unless ``url`` is free: not there, or an empty folder."""
    if not storage.exists(url):
        return
    if not storage.is_dir(url) or storage.list_dir(url):
        raise FileExistsAlreadyError(f"--model_dir: {url!r} is there already; wanted a new or an empty folder")


def publish_model(local_dir: str, url: str, *, may_replace: bool = False) -> None:
    """Make a local model folder appear at ``url``, whole.

    Raises FileExistsAlreadyError as :func:`check_target`, unless it ``may_replace`` what is there.
    """
    if not may_replace:
        check_target(url)
        storage.delete(url)  # the empty folder that may be there
    storage.publish_dir(local_dir, url, overwrite=may_replace)
