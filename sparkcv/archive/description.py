"""``sparkcv-archive.json`` in the root of Python.zip: what is in it, and which machines and drivers it fits.

The doctor and error messages read it where the archive was unpacked; a zip can be asked, too.
"""

import json
import platform
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

from sparkcv.errors import DataError, MissingFileError

__all__ = ["NAME", "describe", "misfit", "read"]

NAME = "sparkcv-archive.json"
_KEYS = {"python", "platform", "glibc", "site", "packages", "needs", "digest"}


def describe(
    *, site: str, glibc: tuple[int, ...], packages: dict[str, str], needs: list[str], digest: str
) -> dict[str, Any]:
    """Return the description of an archive made by this interpreter.

    Args:
        site: The folder of its packages.
        glibc: The oldest glibc on which it works.
        packages: Version by name.
        needs: Names of the shared libraries that the machine must have.
        digest: Of all members but this description.
    """
    return {
        "python": platform.python_version(),
        "platform": sysconfig.get_platform(),
        "glibc": "{}.{}".format(*glibc) if any(glibc) else None,
        "site": site,
        "packages": packages,
        "needs": needs,
        "digest": digest,
    }


def read(where: Path | str = sys.prefix) -> dict[str, Any]:
    """Return the description in an unpacked archive (the one of this interpreter) or in a zip.

    Raises MissingFileError if there is none, as under a Python that is no archive of sparkcv, and DataError if it
    cannot be read.
    """
    path = Path(where)
    try:
        if path.is_dir():
            text = (path / NAME).read_bytes()
        else:
            with zipfile.ZipFile(path) as archive:
                text = archive.read(NAME)
    except (FileNotFoundError, KeyError) as err:
        raise MissingFileError(f"{path} has no {NAME}, wanted an archive made by build_zip.sh") from err
    except (OSError, zipfile.BadZipFile) as err:
        raise DataError(f"{path} cannot be read as an archive ({err}), wanted one made by build_zip.sh") from err
    try:
        found = json.loads(text)
        missing = _KEYS - found.keys()
    except (ValueError, AttributeError) as err:
        raise DataError(f"{NAME} in {path} is no description ({err}), wanted the one that build_zip.sh wrote") from err
    if missing:
        raise DataError(f"{NAME} in {path} lacks {sorted(missing)}, wanted the one that build_zip.sh wrote")
    return dict(found)


def misfit(
    description: dict[str, Any],
    *,
    python: str = platform.python_version(),
    machine: str = sysconfig.get_platform(),
    glibc: str = platform.libc_ver()[1],
) -> str | None:
    """Return in one sentence why the archive does not fit a driver of ``python`` and a node, or None if it does.

    Spark pickles functions from the driver to its workers, so both must be of the same minor version of Python. The
    defaults are those of this process; ``glibc`` is empty where the C library is another one.
    """
    if _numbers(description["python"])[:2] != _numbers(python)[:2]:
        return (
            f"the archive holds Python {description['python']} and the driver runs {python}; wanted the same minor "
            "version: run build_zip.sh with the driver's Python, or submit with --deploy-mode cluster"
        )
    if description["platform"] != machine:
        return f"the archive was built for {description['platform']}, this machine is {machine}"
    if description["glibc"] and _numbers(glibc) < _numbers(description["glibc"]):
        return (
            f"the archive needs glibc {description['glibc']}, this machine has {glibc or 'none'}; wanted it built on a "
            "system no newer than the oldest node"
        )
    return None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]
