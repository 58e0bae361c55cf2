"""The one seam to file systems: every path in sparkcv is a storage URL, and only this package opens one.

A URL is a bare absolute path, ``file:///path``, ``memory://path`` or any scheme that fsspec knows. What
is written appears whole or not at all: bytes go to a hidden file (or folder) beside the target, which is
then renamed. On stores without a rename (memory, object stores) a *file* is still replaced by one put,
a *folder* appears file by file.

Every foreign exception becomes a :class:`~sparkcv.errors.StorageError` with the URL in its sentence.
"""

from sparkcv.storage.hadoop import hadoop_environment
from sparkcv.storage.listing import Entry, exists, is_dir, is_link, iter_dir, leads_back, list_dir, size, walk
from sparkcv.storage.names import basename, join, local_path, parent, relative, resolve
from sparkcv.storage.reading import fetch, fetch_dir, holds_no_json, open_read, read_bytes, read_json, read_text
from sparkcv.storage.writing import (
    append_bytes,
    check_writable,
    delete,
    make_dirs,
    open_write,
    publish,
    publish_dir,
    rename,
    swap,
    write_bytes,
    write_json,
    write_new,
    write_text,
)

__all__ = [
    "Entry",
    "append_bytes",
    "basename",
    "check_writable",
    "delete",
    "exists",
    "fetch",
    "fetch_dir",
    "hadoop_environment",
    "holds_no_json",
    "is_dir",
    "is_link",
    "iter_dir",
    "join",
    "leads_back",
    "list_dir",
    "local_path",
    "make_dirs",
    "open_read",
    "open_write",
    "parent",
    "publish",
    "publish_dir",
    "read_bytes",
    "read_json",
    "read_text",
    "relative",
    "rename",
    "resolve",
    "size",
    "swap",
    "walk",
    "write_bytes",
    "write_json",
    "write_new",
    "write_text",
]
