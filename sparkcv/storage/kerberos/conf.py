"""The system's ``krb5.conf``: its default realm, the KDCs of a realm, and where tickets are kept."""

from __future__ import annotations

import glob
import os
import re

__all__ = ["cache_place", "default_realm", "kdcs", "named_files"]

_VARIABLE, _DEFAULT = "KRB5_CONFIG", "/etc/krb5.conf"
_PORT = 88
_MAX_DEPTH = 5
_SECTION = re.compile(r"\[(.+)\]")
_Found = dict[tuple[str, str, str], list[str]]


def named_files() -> list[str]:
    """Return the files that ``KRB5_CONFIG`` names instead of the system's, in their order; [] if it is not set."""
    return [path for path in os.environ.get(_VARIABLE, "").split(os.pathsep) if path]


def default_realm() -> str:
    """Return the realm of names without one; "" if none is set."""
    return _last("libdefaults", "", "default_realm")


def kdcs(realm: str) -> list[tuple[str, int]]:
    """Return host and port of the realm's KDCs that the file names; name servers may know others."""
    found = []
    for text in _load().get(("realms", realm, "kdc"), []):
        host, colon, port = text.rpartition(":")
        if colon and port.isdigit():
            found.append((host.strip("[]"), int(port)))
        else:
            found.append((text.strip("[]"), _PORT))
    return found


def cache_place() -> str:
    """Return where this process's tickets are kept, such as ``FILE:/tmp/krb5cc_1000``."""
    place = os.environ.get("KRB5CCNAME") or _last("libdefaults", "", "default_ccache_name") or "FILE:/tmp/krb5cc_%{uid}"
    for name in ("%{uid}", "%{euid}"):
        place = place.replace(name, str(os.getuid()))
    return place if re.match(r"[A-Z]{2,}:", place) else f"FILE:{place}"


def _last(section: str, group: str, key: str) -> str:
    return next(iter(_load().get((section, group, key), [])), "")


def _load() -> _Found:
    found: _Found = {}
    for path in named_files() or [_DEFAULT]:
        _read(path, found, 0)
    return found


def _read(path: str, found: _Found, depth: int) -> None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    section = ""
    groups: list[str] = []  # a realm's values may be groups of their own
    for line in (text.strip() for text in lines):
        word, _, rest = line.partition(" ")
        if word in ("include", "includedir") and depth < _MAX_DEPTH:
            pattern = rest.strip() if word == "include" else os.path.join(rest.strip(), "*")
            for included in sorted(glob.glob(pattern)):
                _read(included, found, depth + 1)
        elif header := _SECTION.fullmatch(line):
            section, groups = header[1], []
        elif line.startswith("}"):
            del groups[-1:]
        elif "=" in line and line[0] not in "#;":
            key, value = (part.strip() for part in line.split("=", 1))
            if value == "{":
                groups.append(key)
            elif len(groups) < 2:
                group = groups[0] if groups else ""
                found.setdefault((section, group, key), []).append(value.strip('"'))
