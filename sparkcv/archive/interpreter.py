"""The interpreter and its standard library, so that they work wherever they are unpacked."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from sparkcv.archive import elf
from sparkcv.archive.entry import ArchiveEntry
from sparkcv.errors import UsageError

__all__ = ["executable", "files", "site_folder"]

OWNER = "python"
_VERSION = "python{}.{}".format(*sys.version_info)
# Anywhere: tests and bytecode. At the top: packages (theirs comes from the environment), programs with windows, pip,
# and what is for linking against Python.
_FOLDERS = {"__pycache__", "test", "tests", "idle_test"}
_TOP_FOLDERS = {"site-packages", "dist-packages", "idlelib", "tkinter", "turtledemo", "ensurepip"}
_TOP_FILES = {"sitecustomize.py", "usercustomize.py", "EXTERNALLY-MANAGED"}  # the machine's own
# Modules for terminals, windows and old services; each would bring shared libraries along.
_MODULES = ("_tkinter", "readline", "_curses", "_curses_panel", "_dbm", "_gdbm", "_crypt", "nis", "ossaudiodev")
_TEST_MODULES = ("_test", "_ctypes_test", "_xxtest", "_xxinterpchannels", "xx")

_STARTER = """\
#!/bin/sh
# Starts the Python beside this file, wherever the archive was unpacked. A path relative to the container's folder in
# LD_LIBRARY_PATH is lost for a process that is started in another folder, so it is made absolute here.
prefix=$(CDPATH= cd -- "${0%%/*}/.." && pwd) || exit 127
LD_LIBRARY_PATH=$prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PYTHONNOUSERSITE=1  # packages in the home folder of this machine are no part of the archive
export LD_LIBRARY_PATH PYTHONNOUSERSITE
unset PYTHONHOME
exec "$prefix/bin/%s" "$@"
"""


def executable() -> Path:
    """Return the real file of the interpreter under this environment; raises UsageError if it cannot be carried."""
    path = Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        raise UsageError(f"{path} is {sys.implementation.name} on {sys.platform}, wanted CPython on Linux")
    needs = elf.read(path)
    if needs is None:
        raise UsageError(f"{path} is not a 64-bit Linux program, wanted the interpreter itself in $PYTHON")
    if not needs.is_dynamic:
        raise UsageError(
            f"{path} is linked statically and loads no packages in C, wanted a Python with shared libraries"
        )
    return path


def site_folder() -> str:
    """Return where the unpacked interpreter looks for packages; Debian's has a name of its own for that."""
    probe = "import site; print(*site.getsitepackages(['/ARCHIVE']), sep='\\n')"
    # Asked without the environment, whose packages are at a place of their own.
    command = [str(executable()), "-I", "-c", probe]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    inside = f"/ARCHIVE/{_standard_library()[1]}/"
    folders = [folder for folder in told.stdout.splitlines() if folder.startswith(inside)]
    if not folders:
        raise UsageError(
            f"{command[0]} looks for packages in {told.stdout.split() or told.stderr}, wanted one in its {_VERSION}"
        )
    return folders[0].removeprefix("/ARCHIVE/")


def files() -> Iterator[ArchiveEntry]:
    """Yield the starter, the interpreter and the standard library."""
    program = executable()
    yield ArchiveEntry.of_data("bin/python3", OWNER, (_STARTER % _VERSION).encode(), is_executable=True)
    yield ArchiveEntry.of_file(f"bin/{_VERSION}", OWNER, program, is_executable=True)
    source, folder = _standard_library()
    for at, folders, names in os.walk(source):
        is_top = Path(at) == source
        folders[:] = sorted(name for name in folders if not _is_left_out(name, is_top))
        for name in names:
            inside = Path(at).relative_to(source) / name
            if not (is_top and name in _TOP_FILES) and _is_of_use(inside):
                yield ArchiveEntry.of_file(f"{folder}/{inside.as_posix()}", OWNER, Path(at) / name)


def _standard_library() -> tuple[Path, str]:
    """Return its folder here and in the archive: the interpreter finds it at one place under any prefix."""
    source = Path(sysconfig.get_path("stdlib"))
    if not source.is_relative_to(sys.base_prefix):
        raise UsageError(f"the standard library is in {source}, wanted it under the interpreter's {sys.base_prefix}")
    return source, source.relative_to(sys.base_prefix).as_posix()


def _is_left_out(folder: str, is_top: bool) -> bool:
    return folder in _FOLDERS or (is_top and (folder in _TOP_FOLDERS or folder.startswith("config-")))


def _is_of_use(path: Path) -> bool:
    if path.parent.name == "lib-dynload":
        module = path.name.split(".")[0]
        return module not in _MODULES and not module.startswith(_TEST_MODULES)
    return path.suffix not in (".a", ".o", ".pyc", ".exe")
