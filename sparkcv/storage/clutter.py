"""What systems leave between a user's files: folders and files that are nobody's pictures."""

__all__ = ["is_clutter"]

_CLUTTER = frozenset(
    {
        "__MACOSX",  # archives made on a Mac
        "@eaDir",  # thumbnails, on a Synology
        "#recycle",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
        "Thumbs.db",
        "desktop.ini",
    }
)


def is_clutter(name: str) -> bool:
    """Return whether a file or folder of this name is hidden, or left there by a system."""
    return name.startswith(".") or name in _CLUTTER
