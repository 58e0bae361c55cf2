"""Names such as somebody may give to files, folders and classes to get out of a folder, or to forge what is shown."""

import os
from pathlib import Path

from tests.fixtures.encoded import tiny_jpeg

FILES = (
    b"=cmd()|' -C calc'!A0.jpg",
    b"+1-1.jpg",
    b"@SUM(1).jpg",
    b"%2e%2e%2f%2e%2e%2fx.jpg",
    b"x..%00.jpg",
    b"x...jpg",
    b"new\n12:00:00 driver error all is lost.jpg",
    b"\x1b[2J\x1b[31mred.jpg",
    b"\r\t\x07.jpg",
    "\u202egpj.exe".encode(),
    "\u2066hidden\u2069.jpg".encode(),
    b"\xff\xfe.jpg",
    b"<img src=x onerror=alert(1)>.jpg",
    b"C:\\Windows\\x.jpg",
    b"-rf.jpg",
    b"~root.jpg",
    b"$(touch owned).jpg",
    b"`touch owned`.jpg",
    b"x" * 240 + b".jpg",
)
BROKEN = (b"bad\x1b]0;title\x07.jpg", b"=bad().jpg", b"bad\nname.jpg")


def write_tree(root: Path) -> list[bytes]:
    """Write classes 'a' and 'b' with these names, and a link to a file outside; returns the names."""
    names = []
    for label in (b"a", b"b"):
        (root / os.fsdecode(label)).mkdir(parents=True)
        for at, name in enumerate((*FILES, *BROKEN)):
            path = os.path.join(os.fsencode(root), label, name)
            with open(path, "wb") as file:
                file.write(b"no picture" if name in BROKEN else tiny_jpeg(at + 1000 * (label == b"b")))
            names.append(label + b"/" + name)
    deep = os.path.join("deep", *["d" * 200] * 18)  # 3,600 characters: near the end of what a path may be
    os.makedirs(root / "a" / deep)
    (root / "a" / deep / "x.jpg").write_bytes(tiny_jpeg(7))
    names.append(os.fsencode(os.path.join("a", deep, "x.jpg")))
    return names


def is_plain(text: str) -> bool:
    """Whether it holds nothing that moves the cursor, colours, or turns the order of writing."""
    return all(line.isprintable() for line in text.split("\n"))
