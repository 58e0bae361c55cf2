"""A folder of pictures that a run makes: what says so in it, and whether another run may go on there."""

from collections.abc import Iterable
from typing import Any

from sparkcv import storage
from sparkcv.config.flags import Flags
from sparkcv.errors import FileExistsAlreadyError, MissingFileError, StorageError, UsageError

__all__ = ["SETTINGS", "check_parent", "check_prior", "refuse_of_folder"]

SETTINGS = "_style.json"
"""What the pictures of a folder depend on."""


def check_parent(output: str, name: str = "output") -> None:
    """Raise MissingFileError, which names the flag, where the folder that ``output`` is to stand in is not there."""
    folder = storage.parent(output)
    if not storage.is_dir(folder):
        raise MissingFileError(f"--{name}: {output!r} cannot be written, there is no folder {folder!r}")


def refuse_of_folder(config: Flags, names: Iterable[str], given: str) -> None:
    """Raise UsageError for a flag of ``names`` that is set, though ``given`` is a single picture."""
    for name in config.set_among(names):
        raise UsageError(f"--{name} is of a folder of pictures, {given} is one")


def check_prior(output: str, settings: dict[str, Any], *, overwrite: bool) -> None:
    """Raise FileExistsAlreadyError if what the output folder holds is not what this run would make."""
    if not storage.exists(output):
        return
    # What is hidden is of a run that ended before it wrote anything else.
    if storage.is_dir(output) and all(entry.name.startswith(".") for entry in storage.iter_dir(output)):
        return
    url = storage.join(output, SETTINGS)
    if not storage.exists(url):
        raise FileExistsAlreadyError(
            f"--output: {output!r} holds something that no run of this job made; wanted a new or an empty folder"
        )
    if overwrite:
        return
    try:
        theirs = storage.read_json(url)
        differing = next((name for name, mine in settings.items() if theirs[name] != mine), None)
    except (StorageError, KeyError, TypeError) as err:
        raise FileExistsAlreadyError(
            f"--output: {url!r} does not say of which run its folder is; --overwrite replaces it"
        ) from err
    if differing is not None:
        raise FileExistsAlreadyError(
            f"--output: {output!r} is there already, made with {differing} {theirs[differing]}, this run's is"
            f" {settings[differing]}; --overwrite replaces it"
        )
