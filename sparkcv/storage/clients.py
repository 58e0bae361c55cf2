"""The clients of file systems, one for each process, and the few operations in which fsspec's fall short."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import Hashable
from typing import Any

import fsspec
from fsspec import AbstractFileSystem

from sparkcv.errors import MissingFileError, StorageError
from sparkcv.storage.hadoop import hadoop_environment, with_authority
from sparkcv.storage.names import scheme_of, split_host
from sparkcv.storage.translate import translated

COPY_BYTES = 1 << 20
_NAME_BYTES = 200

# A client made before a fork deadlocks in the child (hdfs-native), hence the process id in the key.
_clients: dict[tuple[int, Hashable], AbstractFileSystem] = {}
_clients_lock = threading.Lock()


def _after_fork() -> None:
    global _clients_lock
    _clients_lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)


def open_fs(url: str) -> tuple[AbstractFileSystem, str]:
    """Return this process's client for a URL and the path to give to it."""
    scheme = scheme_of(url) or "file"
    prefix, path = split_host(url)
    store: Hashable = prefix if scheme not in ("file", "local") else "file"
    if scheme == "hdfs":
        with translated(url, "open"):
            prefix = with_authority(prefix)
        store = (prefix, *hadoop_environment().items())  # "hdfs://default" is another HDFS by another configuration
    key = (os.getpid(), store)
    with _clients_lock:
        fs = _clients.get(key)
        if fs is None:
            with translated(url, "open"):
                fs = _connect(scheme, prefix)
            _clients[key] = fs
    if scheme in ("file", "local"):
        if not os.path.isabs(path):
            raise StorageError(f"got the relative path {url!r}, wanted an absolute path or a URL")
        return fs, path.rstrip("/") or "/"
    if scheme == "memory":
        return fs, "/" + path.strip("/")  # its own stripping mistakes '::' in a name for a chain of file systems
    if scheme == "hdfs":
        # "$ROOT/data" has an empty name where the root ends with a slash: to Hadoop's own commands that is none.
        return fs, "/" + "/".join(filter(None, path.split("/")))
    return fs, str(fs._strip_protocol(url))


def _connect(scheme: str, prefix: str) -> AbstractFileSystem:
    if scheme == "hdfs":
        from sparkcv.storage.hdfs import HdfsFileSystem  # what needs no HDFS need not load its library

        return HdfsFileSystem(prefix, skip_instance_cache=True)
    cls = fsspec.get_filesystem_class(scheme)
    # Options come from scheme://host alone: a '#', '?' or '::' in a file's name is only a name.
    options = cls._get_kwargs_from_urls(prefix) if prefix else {}
    fs = cls(skip_instance_cache=True, **options)
    # Object stores keep each listing for good, so that locks and checkpoints of other processes were never seen. Not
    # by an option: the client of sftp hands on all that it does not know.
    with contextlib.suppress(AttributeError):  # it has another kind of cache, or none
        fs.dircache.use_listings_cache = False
    return fs


def is_hdfs(fs: AbstractFileSystem) -> bool:
    """Return whether it is our own client for HDFS, which can do more than fsspec's interface."""
    return "hdfs" in fs.protocol


def look_up(url: str) -> dict[str, Any] | None:
    """Return fsspec's info (``type``, ``size``) of a file or folder, or None if it is not there."""
    # fsspec's own exists() takes any failure for "not there"; a refused connection would then look like
    # an empty folder, and a run would start again from step 0.
    fs, path = open_fs(url)
    try:
        with translated(url, "look at"):
            return dict(fs.info(path))
    except MissingFileError:
        return None


def name_aside(path: str) -> str:
    """Name a hidden sibling of a path or URL, unique to this call."""
    head, slash, name = path.rstrip("/").rpartition("/")
    # The name may be as long as names may be, and one from an old archive is not UTF-8.
    short = os.fsencode(name)[:_NAME_BYTES].decode(errors="ignore")
    return f"{head}{slash}.{short}.tmp-{secrets.token_hex(6)}"


def _has_rename(fs: AbstractFileSystem) -> bool:
    return type(fs).mv is not AbstractFileSystem.mv


def replace(fs: AbstractFileSystem, src: str, dst: str) -> None:
    """Rename over a file; on a store without a rename, copy, then delete."""
    if "file" in fs.protocol:
        os.replace(src, dst)  # fsspec's mv is shutil.move: it moves *into* a folder that is there
    elif _has_rename(fs):
        fs.mv(src, dst, overwrite=True)
    elif fs.isdir(dst):
        raise IsADirectoryError(dst)  # such stores would hold a file and a folder of one name
    else:
        _copy(fs, src, dst)
        remove(fs, src)


def _copy(fs: AbstractFileSystem, src: str, dst: str) -> None:
    # fsspec's recursive copy, move and delete expand '*', '?' and '[' in names; these three do not.
    if fs.isdir(src):
        fs.makedirs(dst, exist_ok=True)
        for child in _children(fs, src)[0]:
            _copy(fs, child, f"{dst}/{child.rstrip('/').rpartition('/')[2]}")
    else:
        fs.cp_file(src, dst)


def _children(fs: AbstractFileSystem, path: str) -> tuple[list[str], bool]:
    """List a folder, and tell whether it has a marker: an object that stores have where their console or Spark made it.

    Its name is the folder's and a slash; it is listed in one way or another.
    """
    found = fs.ls(path, detail=False)
    children = [child for child in found if child.strip("/") != path.strip("/")]
    return children, len(children) < len(found)


def remove(fs: AbstractFileSystem, path: str) -> None:
    """Delete a file, or a folder with all it holds."""
    if "file" in fs.protocol and os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif _has_rename(fs):
        fs.rm(path, recursive=True)  # a real file system deletes a folder on its own side
    elif fs.isdir(path):
        children, is_marked = _children(fs, path)
        for child in children:
            remove(fs, child)
        if is_marked:
            fs.rm_file(path.rstrip("/") + "/")
        with contextlib.suppress(FileNotFoundError):  # such folders may end with their last file
            fs.rmdir(path)
    else:
        fs.rm_file(path)
