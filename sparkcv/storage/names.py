"""Compute with URLs: names of files and folders, without asking any file system."""

from __future__ import annotations

import os
import re

import fsspec

from sparkcv.errors import AccessError, UsageError

_LOCAL = ("file", "local")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_SINGLE_SLASH = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):(/(?!/).*)$")


def resolve(url: str) -> str:
    """Make a user's path absolute: called once, on the driver, before a URL travels to executors.

    A bare path becomes absolute (``~`` is expanded); other URLs lose only their trailing slashes.
    Raise UsageError for an empty path, a scheme that nothing here can open, and a local URL of another host.
    """
    if not url or not url.strip():
        raise UsageError("got an empty path, wanted a folder or file such as /data/flowers or hdfs://host/flowers")
    if "\0" in url:
        raise UsageError(f"got a path with a NUL character, {url!r}, which no file system can open")
    scheme = scheme_of(url)
    if scheme is None:
        single = _SINGLE_SLASH.match(url)  # Hadoop also writes hdfs:/data
        if single is None or single.group(1).lower() not in fsspec.available_protocols():
            return os.path.abspath(os.path.expanduser(url))
        scheme, url = single.group(1).lower(), f"{single.group(1)}://{single.group(2)}"
    if scheme not in fsspec.available_protocols():
        raise UsageError(f"got {url!r} with the unknown scheme {scheme!r}, wanted one that fsspec knows such as hdfs")
    rest = url[len(scheme) + len("://") :]
    host = rest.partition("/")[0]
    if scheme in _LOCAL and host not in ("", "localhost"):
        raise UsageError(f"got {url!r}, in which {host!r} is a host, wanted a path, or {scheme}:///{rest}")
    return f"{scheme}://{rest.rstrip('/') or '/' * rest.startswith('/')}"


def join(url: str, *names: str) -> str:
    """Append names (each may hold ``/``) to a folder's URL.

    Names may come from data, so one that would leave the folder (``..``, absolute, NUL) raises AccessError.
    """
    for name in names:
        parts = name.split("/")
        if "\0" in name or name.startswith("/") or ".." in parts or not any(part not in ("", ".") for part in parts):
            raise AccessError(f"got the name {name!r}, wanted one that stays inside {url!r}")
    return folder_prefix(url) + "/".join(name.rstrip("/") for name in names)


def folder_prefix(url: str) -> str:
    """Return what the URLs of all that lies in a folder begin with: its own, which ends with one slash."""
    prefix, path = split_host(url)
    if not prefix.endswith("://"):
        return f"{prefix}{path.rstrip('/')}/"
    path = path.rstrip("/")  # of a URL without a host, whose slashes are not the path's: file:///x, memory://x
    return f"{prefix}{path}/" if path else prefix + "/" * (prefix.lower() != "memory://")


def relative(url: str, folder: str) -> str:
    """Return the names below the URL of a folder by which ``url``, a URL of its listings, was reached."""
    return url.removeprefix(folder_prefix(folder))


def parent(url: str) -> str:
    """Return the URL of the folder that holds ``url``; a root is its own parent."""
    prefix, path = split_host(url)
    head, _, tail = path.rstrip("/").rpartition("/")
    if not tail:
        return url
    return prefix + (head or "/" * path.startswith("/"))


def basename(url: str) -> str:
    """Return the last name of a URL, without slashes."""
    return split_host(url)[1].rstrip("/").rpartition("/")[2]


def local_path(url: str) -> str | None:
    """Return the path on this machine if the URL is local, else None: for printing only."""
    return split_host(url)[1] if scheme_of(url) in (None, *_LOCAL) else None


def scheme_of(url: str) -> str | None:
    """Return the scheme in lower case, or None for a bare path."""
    found = _SCHEME.match(url)
    return found.group(1).lower() if found else None


def split_host(url: str) -> tuple[str, str]:
    """Split into ``scheme://host`` (empty for a bare path) and path."""
    found = _SCHEME.match(url)
    if not found:
        return "", url
    if found.group(1).lower() == "memory":  # memory:// has no host
        return url[: found.end()], url[found.end() :]
    slash = url.find("/", found.end())
    return (url, "") if slash < 0 else (url[:slash], url[slash:])
