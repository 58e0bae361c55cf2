"""The shared libraries that the archive brings along, because a bare machine may lack them.

What an object is linked to is looked for as the loader does. Never carried: glibc, which belongs to the machine's
loader and kernel, and the C++ and GCC runtimes, because ``LD_LIBRARY_PATH`` would force ours on the JVM's libraries
too; every wheel relies on these three. Kerberos, which hdfs-native opens by itself when it is told to log in, is not
carried either: it belongs with the machine's krb5.conf, and containers work with delegation tokens.
"""

import functools
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sparkcv.archive import elf
from sparkcv.archive.entry import ArchiveEntry

__all__ = ["Libraries", "gather"]

OWNER = "shared libraries"
_OF_THE_MACHINE = re.compile(
    r"(ld-linux.*|ld64|libc|libm|libmvec|libpthread|libdl|librt|libutil|libresolv|libanl|libnsl|libcrypt|libthread_db"
    r"|libnss_.*|libc\.musl.*|ld-musl.*|libstdc\+\+|libgcc_s)\.so(\.\d+)*"
)


@dataclass
class Libraries:
    """What :func:`gather` found.

    Attributes:
        carried: Files for the archive's ``lib``.
        of_the_machine: Names of libraries that the machine must have.
        missing: Names that are not on this machine either, each with the file that is linked to it.
        glibc: The oldest glibc on which all of it works.
        glibc_by: The archive's file that asks for it.
    """

    carried: list[ArchiveEntry] = field(default_factory=list)
    of_the_machine: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    glibc: tuple[int, ...] = (0, 0)
    glibc_by: str = ""


def gather(entries: Iterable[ArchiveEntry]) -> Libraries:
    """Return what the interpreter and the libraries among ``entries`` are linked to and is not among them."""
    objects = [entry for entry in entries if entry.is_library or (entry.source and entry.name.startswith("bin/"))]
    inside = {os.path.realpath(entry.source) for entry in objects if entry.source}
    names = {(entry.owner, Path(entry.name).name) for entry in objects}
    found = Libraries()
    for entry in objects:  # grows: what is carried has needs, too
        needs = elf.read(entry.source) if entry.source else None
        if needs is None:
            continue
        if needs.glibc > found.glibc:
            found.glibc, found.glibc_by = needs.glibc, entry.name
        for name in needs.needed:
            if _OF_THE_MACHINE.fullmatch(name):
                found.of_the_machine.add(name)
            elif (entry.owner, name) not in names and (OWNER, name) not in names:
                path = _locate(name, needs, entry)
                if path is None:
                    # A package may be linked to a library of another one that is loaded before it.
                    if not any(name == other for _, other in names):
                        found.missing[name] = entry.name
                elif os.path.realpath(path) not in inside:
                    carried = ArchiveEntry.of_file(f"lib/{name}", OWNER, path)
                    found.carried.append(carried)
                    objects.append(carried)
                    names.add((OWNER, name))
    return found


def _locate(name: str, needs: elf.Elf, entry: ArchiveEntry) -> Path | None:
    """Return where the loader finds ``name``: the entry's own folders, LD_LIBRARY_PATH, its cache, the usual ones."""
    assert entry.source is not None  # noqa: S101 - only files are read as ELF
    origin = str(Path(os.path.realpath(entry.source)).parent)
    folders = [folder.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", origin) for folder in needs.search]
    folders += os.environ.get("LD_LIBRARY_PATH", "").split(":")
    paths = [Path(folder, name) for folder in folders if folder]
    paths += [Path(path) for known, path in _cache() if known == name]
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    paths += [Path(folder, name) for folder in ("/lib64", "/usr/lib64", f"/lib/{multiarch}", f"/usr/lib/{multiarch}")]
    paths += [Path(folder, name) for folder in ("/lib", "/usr/lib", "/usr/local/lib")]
    for path in paths:
        found = elf.read(path) if path.is_file() else None
        if found and found.machine == needs.machine:
            return path
    return None


@functools.cache
def _cache() -> tuple[tuple[str, str], ...]:
    """Return the loader's cache as (name, path); empty on a machine without ``ldconfig``."""
    for command in ("ldconfig", "/sbin/ldconfig"):  # not on the PATH of an ordinary user
        try:
            lines = subprocess.run([command, "-p"], capture_output=True, text=True, check=True).stdout.splitlines()
        except (OSError, subprocess.CalledProcessError):
            continue
        return tuple(
            (line.split()[0], line.rpartition("=> ")[2].strip()) for line in lines if "=> " in line and line.split()
        )
    return ()
