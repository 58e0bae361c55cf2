"""Compiled modules that are the same bytes on every build, and that Python takes without looking at their sources.

With them `import tensorflow` takes 3.2 s from an archive that nobody may write to, without them 8.8 s, in every
process of every container; they are 43 MB of a zip of 750 MB, and 6 s of its build. Those that pip or Python wrote are
of no use: they hold the time of their source, which unzipping changes. These hold the digest of the source instead,
marked as not to be checked, for an archive is replaced as a whole.
"""

import importlib.util
import marshal
import multiprocessing
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from sparkcv.archive.entry import ArchiveEntry

__all__ = ["compiled"]

_UNCHECKED_HASH = (0b01).to_bytes(4, "little")
_BATCH = 400


def compiled(entries: Iterable[ArchiveEntry]) -> Iterator[ArchiveEntry]:
    """Yield the compiled module of each Python source among ``entries``, in their order, by all processors.

    A source that Python cannot compile, such as a template, has none.
    """
    sources = [entry for entry in entries if entry.name.endswith(".py")]
    batches = [sources[at : at + _BATCH] for at in range(0, len(sources), _BATCH)]
    # The bytes tell whether anything else in the process holds a string of the module, such as a name that a module
    # compiled before uses too. So that they do not depend on who took which batch, each has a process of its own.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), context, max_tasks_per_child=1) as pool:
        for batch, modules in zip(batches, pool.map(_compile_all, batches), strict=True):
            for entry, data in zip(batch, modules, strict=True):
                if data is not None:
                    yield ArchiveEntry.of_data(importlib.util.cache_from_source(entry.name), entry.owner, data)


def _compile_all(entries: list[ArchiveEntry]) -> list[bytes | None]:
    return [_compile(entry) for entry in entries]


def _compile(entry: ArchiveEntry) -> bytes | None:
    source = entry.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in others' strings
            # The name is of no account: an import puts the real path in its place.
            code = compile(source, entry.name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return None
    return importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source) + marshal.dumps(code)
