"""Which versions a run was made with, read without importing any of them."""

import importlib.metadata
import platform

_PACKAGES = ("sparkcv", "tensorflow", "tf-slim", "tf-keras", "pyspark", "numpy", "pillow", "pyarrow", "fsspec")


def versions() -> dict[str, str]:
    """Return the version by name of Python and of the packages that matter; one that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # such as sparkcv itself when it came as a zip
            continue
    return found
