"""Writing, renaming and deleting: what is written appears whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import json
import os
import pathlib
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from fsspec import AbstractFileSystem

from sparkcv.errors import FileExistsAlreadyError, MissingFileError, StorageError
from sparkcv.storage.clients import COPY_BYTES, is_hdfs, look_up, name_aside, open_fs, remove, replace
from sparkcv.storage.listing import exists, walk
from sparkcv.storage.names import join, parent, relative, resolve
from sparkcv.storage.reading import open_read, read_bytes
from sparkcv.storage.translate import FileSystemError, TranslatedFile, translated

_REWRITE_BYTES = 16 << 20
_PUTS = 8  # a small file on HDFS is five round trips and hardly any bytes: 560 pictures one by one took 2 minutes
_DELETE_TRIES = 10
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems say that have none
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
_creating = threading.Lock()  # memory looks and puts in two steps


def _after_fork() -> None:
    global _creating
    _creating = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def open_write(url: str) -> Iterator[IO[bytes]]:
    """Open a file for binary writing; it appears under its name, whole, when the block ends without error.

    Folders above it are made. On an error nothing is left, and an older file of that name stays.
    """
    with _open_write(url, None) as sink:
        yield sink


@contextlib.contextmanager
def _open_write(url: str, source: Callable[[], IO[bytes]] | None) -> Iterator[IO[bytes]]:
    """Do as ``open_write``; ``source`` opens the bytes to be written, for a store that may have to begin again."""
    fs, path = open_fs(url)
    aside = name_aside(path)
    make_dirs(parent(url))
    options = {"source": source} if is_hdfs(fs) else {}
    with translated(url, "write"):
        sink = io.BufferedWriter(TranslatedFile(fs.open(aside, "wb", **options), url), COPY_BYTES)
    try:
        yield sink
        sink.close()
        with translated(url, "write"):
            replace(fs, aside, path)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to raise
            sink.close()
        with contextlib.suppress(Exception):
            fs.rm_file(aside)
        raise


def write_bytes(url: str, data: bytes) -> None:
    """Write a file atomically, making the folders above it."""
    with _open_write(url, lambda: io.BytesIO(data)) as sink:
        sink.write(data)


def write_text(url: str, text: str) -> None:
    """Write a UTF-8 file atomically."""
    write_bytes(url, text.encode("utf-8"))


def write_json(url: str, value: Any) -> None:
    """Write a JSON file atomically, with sorted keys, so that equal values are equal bytes."""
    write_text(url, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_new(url: str, data: bytes) -> None:
    """Write a small file whole, unless anything of that name is there: of several who try at once one succeeds.

    Raise FileExistsAlreadyError to the others. It never writes through a symbolic link.
    """
    fs, path = open_fs(url)
    make_dirs(parent(url))
    with translated(url, "make"):
        if not ("file" in fs.protocol or is_hdfs(fs)):
            with _creating:
                fs.pipe_file(path, data, mode="create")  # as atomic as the store's own "put if there is none"
            return
        aside = name_aside(path)
        try:
            with contextlib.closing(fs.open(aside, "wb")) as sink:
                sink.write(data)
            if is_hdfs(fs):
                fs.mv(aside, path, overwrite=False)
            else:
                _link(aside, path)
        finally:
            with contextlib.suppress(Exception):  # renamed, or the first error is the one to raise
                fs.rm_file(aside)


def _link(aside: str, path: str) -> None:
    """Give a file its name if nobody has it: renaming would replace, a link does not."""
    try:
        os.link(aside, path, follow_symlinks=False)
    except OSError as err:
        if err.errno not in _NO_LINKS:
            raise
        with open(aside, "rb") as source, open(path, "xb") as sink:  # exclusive as well, though not whole at once
            sink.write(source.read())


def append_bytes(url: str, data: bytes) -> None:
    """Append to a file, making it if need be: for logs and event files, whose readers accept a partial last record."""
    fs, path = open_fs(url)
    if is_hdfs(fs):
        _append_on_hdfs(fs, path, url, data)
        return
    make_dirs(parent(url))
    # Some stores cannot append to what is not there. fsspec's exists() would take any failure for that.
    mode = "ab" if "file" in fs.protocol or look_up(url) is not None else "wb"
    with translated(url, "append to"), fs.open(path, mode) as sink:
        sink.write(data)


def _append_on_hdfs(fs: AbstractFileSystem, path: str, url: str, data: bytes) -> None:
    # While HDFS appends, and for minutes after a writer that was killed in it, hdfs-native sees nothing of a file's
    # last block (64 MB or more). So a small file is written anew beside it and renamed: its readers see it whole.
    found = look_up(url)
    if found is None:
        write_bytes(url, data)
    elif found["type"] != "directory" and found["size"] <= _REWRITE_BYTES:
        write_bytes(url, read_bytes(url) + data)
    else:
        with translated(url, "append to"):
            fs.append(path, data)


def publish(local_path: str | os.PathLike[str], url: str) -> None:
    """Copy a local file to a URL, atomically."""
    path = os.path.abspath(local_path)
    with open_read(path) as source, _open_write(url, lambda: open(path, "rb")) as sink:
        shutil.copyfileobj(source, sink, COPY_BYTES)


def publish_dir(local_dir: str | os.PathLike[str], url: str, overwrite: bool = False) -> None:
    """Copy a local folder to a URL: staged beside it, then renamed as a whole.

    Raise FileExistsAlreadyError if the URL is there, unless ``overwrite``.
    """
    if not overwrite and exists(url):
        raise FileExistsAlreadyError(f"{url!r} is there already")
    source = resolve(os.fspath(local_dir))
    staged = name_aside(url)
    try:
        make_dirs(staged)
        _publish_all(source, staged)
        rename(staged, url, overwrite=overwrite)
    except BaseException:
        with contextlib.suppress(StorageError):
            delete(staged, recursive=True)
        raise


def _publish_all(source: str, staged: str) -> None:
    """Copy every file below the folder ``source``; all that it began has ended when it returns or raises."""
    pool = ThreadPoolExecutor(_PUTS if is_hdfs(open_fs(staged)[0]) else 1, "sparkcv-put")
    try:
        puts = [pool.submit(publish, entry.url, join(staged, relative(entry.url, source))) for entry in walk(source)]
        for put in puts:
            put.result()
    finally:
        pool.shutdown(cancel_futures=True)


def rename(src: str, dst: str, overwrite: bool = False) -> None:
    """Rename a file or folder inside one file system.

    Raise MissingFileError without ``src`` and FileExistsAlreadyError if ``dst`` is there, unless
    ``overwrite``: a file is then replaced in one step, a folder is moved aside, replaced, then deleted.
    """
    fs, src_path = open_fs(src)
    other, dst_path = open_fs(dst)
    if fs is not other:
        raise StorageError(f"cannot rename {src!r} to {dst!r}: they are on different file systems")
    source = look_up(src)
    if source is None:
        raise MissingFileError(f"cannot rename {src!r} to {dst!r}: no such file or folder")
    target = look_up(dst)
    if target is not None and not overwrite:
        raise FileExistsAlreadyError(f"cannot rename {src!r} to {dst!r}: it is there already")
    make_dirs(parent(dst))
    with translated(dst, "rename to"):
        if target is None or (source["type"] != "directory" and target["type"] != "directory"):
            replace(fs, src_path, dst_path)
            return
        old = name_aside(dst_path)
        _move_in(fs, src_path, dst_path, old)
        remove(fs, old)


def swap(src: str, dst: str, aside: str) -> None:
    """Give the folder ``src`` the name ``dst``, which is there and gets the name ``aside``, in a folder that is there.

    On a local file system of Linux readers see one or the other at every moment. Elsewhere nothing has the name ``dst``
    between two renames, with nothing but these between them; if the second fails the first is taken back.
    """
    fs, src_path = open_fs(src)
    (_, dst_path), (_, aside_path) = open_fs(dst), open_fs(aside)
    with translated(dst, "rename to"):
        if "file" in fs.protocol and _exchange(src_path, dst_path):
            os.rename(src_path, aside_path)
            return
        _move_in(fs, src_path, dst_path, aside_path)


def _move_in(fs: AbstractFileSystem, src: str, dst: str, aside: str) -> None:
    """Rename what is at ``dst`` to ``aside`` and ``src`` to ``dst``; if that fails the first is taken back."""
    replace(fs, dst, aside)
    try:
        replace(fs, src, dst)
    except BaseException:
        replace(fs, aside, dst)
        raise


def _exchange(one: str, other: str) -> bool:
    """Let two names change places at once; return whether this system and its file system can."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if not call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        return True
    if ctypes.get_errno() in (errno.EINVAL, *_NO_LINKS):
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), other)


def delete(url: str, recursive: bool = False) -> None:
    """Delete a file, an empty folder, or with ``recursive`` a folder and all it holds; missing is fine."""
    for tries_left in reversed(range(_DELETE_TRIES)):
        found = look_up(url)
        if found is None:
            return
        try:
            _delete(url, found["type"], recursive)
            return
        except MissingFileError:  # another deletes it at this moment, too: it, or some of it, is gone
            if not tries_left:
                raise


def _delete(url: str, kind: str, recursive: bool) -> None:
    fs, path = open_fs(url)
    with translated(url, "delete"):
        if kind != "directory":
            fs.rm_file(path)
        elif recursive:
            remove(fs, path)
        else:
            fs.rmdir(path)


def make_dirs(url: str) -> None:
    """Make a folder and those above it; being there already is fine."""
    fs, path = open_fs(url)
    with translated(url, "make"):
        try:
            fs.makedirs(path, exist_ok=True)
        except (FileExistsError, FileNotFoundError):
            dead = _dead_link(path) if "file" in fs.protocol else None
            if dead is None:
                raise
            text = f"{dead!r} is a symbolic link to {os.readlink(dead)!r}, which is not there"
            raise FileSystemError(StorageError, text) from None


def _dead_link(path: str) -> str | None:
    """Return the first link on the way to a local path that leads to nothing, as to a disk that is not mounted."""
    way = [*map(str, reversed(pathlib.PurePath(path).parents)), path]
    return next((one for one in way if os.path.islink(one) and not os.path.exists(one)), None)


def check_writable(dir_url: str) -> None:
    """Make the folder, write a probe file into it and delete it again.

    Raise AccessError or StorageError: found before a run starts, not after its first hour.
    """
    make_dirs(dir_url)
    probe = join(dir_url, f".probe-{secrets.token_hex(6)}")
    write_bytes(probe, b"probe")
    delete(probe)
