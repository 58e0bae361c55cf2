"""What a file is, told by its first bytes: a name promises, and is often wrong."""

from dataclasses import dataclass

from sparkcv.records import compression, tfrecord

HEAD_BYTES = 4096

PICTURES, RECORDS, TABLE, LIST = "pictures", "records", "table", "list"

# Whether a picture can be decoded its task will see: a reject with the reason says more than "no picture".
_PICTURES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"8BPS", b"\xff\x0a"),
    *(b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"\0\0\1\0"),
)
_OTHERS = (
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"SEQ", "Hadoop's SequenceFile"),
    (b"ARROW1", "Arrow's IPC files"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"SQLite format 3\0", "SQLite"),
    (b"PK\3\4", "ZIP"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"%PDF", "PDF"),
    (b"\x93NUMPY", "NumPy arrays"),
)
_PRINTED = bytes(set(range(32, 256)) - {127} | set(b"\t\r\n\f"))
_GZIP, _TAR_AT = b"\x1f\x8b\x08", 257


@dataclass(frozen=True)
class Content:
    """What the first bytes say.

    Attributes:
        kind: a kind of input, or "" for what is none.
        name: the format, for people; "" where the bytes say nothing.
    """

    kind: str
    name: str


def tell(head: bytes) -> Content:
    """Tell what a file is by its first :data:`HEAD_BYTES` bytes (all of a shorter one)."""
    if is_record(head):
        return Content(RECORDS, "TFRecord shards")
    if head.startswith(b"PAR1"):
        return Content(TABLE, "Parquet")
    if _is_picture(head):
        return Content(PICTURES, "pictures")
    if _is_text(head):
        return _tell_text(head)
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return Content("", name)
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return Content("", "tar")
    if compression.is_compressed(head):
        inner = compression.expand_start(head, HEAD_BYTES)
        if is_record(inner):
            return Content(RECORDS, "TFRecord shards")
        if head.startswith(_GZIP):
            return Content("", f"gzip of {tell(inner).name or 'something else than TFRecord'}")
    return Content("", "")


def is_record(head: bytes) -> bool:
    """Return whether a TFRecord begins here: its length's CRC is right by chance once in four billion times."""
    return len(head) >= tfrecord.HEADER_BYTES and tfrecord.is_length(memoryview(head), 0)


def _is_picture(head: bytes) -> bool:
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or head[4:8] == b"ftyp":
        return True
    return head[:2] == b"BM" and head[6:10] == bytes(4)  # "BM" alone may begin a word


def _is_text(head: bytes) -> bool:
    """Return whether there is text: a list's names may be bytes of any encoding, but have no control characters."""
    return bool(head.strip()) and not head.startswith(b"%PDF") and not head.translate(None, _PRINTED)


def _tell_text(head: bytes) -> Content:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        return Content("", "SVG" if b"<svg" in head else "XML or HTML")
    return Content("", "JSON") if start[:1] in (b"{", b"[") else Content(LIST, "text")
