"""GNT, the format of the CASIA-HWDB sets of handwritten characters: read and written as a stream of samples.

A sample is::

    uint32 size of all of it | 2 bytes GB code, high byte first | uint16 width | uint16 height | width * height grey

with little-endian numbers, a byte a pixel and white (255) behind the ink. A code is GBK, not only GB2312; that of an
ASCII character is one byte and a NUL. See Liu et al. 2011, "CASIA Online and Offline Chinese Handwriting Databases".

The format has no checksum. What it has is that a sample's size and its sides say the same, which 10 other bytes do once
in 4 billion times. So behind a damage the next sample is where a header agrees with itself and another header, or the
file's end, follows its pixels.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sparkcv.errors import DataError, RecordError
from sparkcv.records.image_header import name_format

__all__ = ["BadSample", "HEADER_BYTES", "MAX_PIXELS", "Sample", "decode", "encode", "read"]

HEADER_BYTES = 10
MAX_PIXELS = 2**24
"""Pixels of a sample above which it is no handwritten character: 4096 x 4096."""

_HEADER = struct.Struct("<I2sHH")
_CODEC = "gb18030"  # whose codes of two bytes are GBK's, and the few that GBK left open
_BLOCK_BYTES, _FIRST_STEP = 1 << 20, 1 << 9
_MAX_SIDE = 0xFFFF


@dataclass(frozen=True)
class Sample:
    """One character: the offset of its header, and its picture, uint8 ``[height, width]``, 255 where no ink is."""

    offset: int
    character: str
    pixels: npt.NDArray[np.uint8]

    @property
    def num_bytes(self) -> int:
        """What the sample takes in its file."""
        return HEADER_BYTES + self.pixels.size


@dataclass(frozen=True)
class BadSample:
    """A stretch of a file that is lost: from the header at ``offset`` to the next sample, or to the file's end."""

    offset: int
    reason: str
    lost_bytes: int


def encode(character: str, pixels: npt.NDArray[Any]) -> bytes:
    """Return one sample of a file.

    Raises:
        DataError: a character without a code of GBK; pixels that are not uint8 ``[height, width]``, 1 to 65535 a side.
    """
    try:
        code = character.encode(_CODEC)
    except UnicodeEncodeError:
        code = b""
    if len(character) != 1 or len(code) > 2 or not code.strip(b"\0"):
        raise DataError(f"got {character!r} to write as GNT, wanted one character that GBK has")
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or not all(1 <= side <= _MAX_SIDE for side in pixels.shape):
        raise DataError(f"got {pixels.dtype} {list(pixels.shape)} to write as GNT, wanted uint8 [1..65535, 1..65535]")
    height, width = pixels.shape
    return _HEADER.pack(HEADER_BYTES + pixels.size, code.ljust(2, b"\0"), width, height) + pixels.tobytes()


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Sample:
    """Return the sample that ``data`` is, from its header to its last pixel; its offset is 0.

    Raises:
        RecordError: sizes that do not agree with each other or with ``data``, a code that is no character.
    """
    fault = _fault(data, 0, max_pixels)
    if fault:
        raise RecordError(f"damaged at offset 0: {fault}")
    size, code, width, height = _HEADER.unpack_from(data)
    if size != len(data):
        raise RecordError(f"damaged at offset 0: {len(data)} bytes of a sample of {size}")
    return Sample(0, _character(code), np.frombuffer(data, np.uint8, offset=HEADER_BYTES).reshape(height, width))


def read(stream: IO[bytes], max_pixels: int = MAX_PIXELS) -> Iterator[Sample | BadSample]:
    """Yield what a file holds, from its begin to its end, the damaged stretches in their places.

    Takes memory for two samples of ``max_pixels``, whatever sizes the file claims. What the stream raises goes through.
    """
    window = _Window(stream, max_pixels)
    while window.fill(1):
        size = window.size_at(0)
        if size is None:
            yield window.pass_over()
            continue
        is_whole = window.fill(size)
        if not (is_whole and window.continues_at(size)):
            # Bytes may be missing from its pixels, which then have the next samples among them.
            inside = window.find(HEADER_BYTES, min(size, len(window.held)))
            if inside is not None:
                yield window.lose(inside, f"cut: another sample begins in its {size} bytes")
                continue
            if not is_whole:
                held = len(window.held)
                yield window.lose(held, f"cut: the file ends within a sample, {held} of {size} bytes are there")
                return
        try:
            sample = decode(bytes(window.held[:size]), max_pixels)
        except RecordError as err:
            yield window.lose(size, str(err).partition(": ")[2])
            continue
        offset = window.drop(size)
        yield Sample(offset, sample.character, sample.pixels)


class _Window:
    """The part of a stream that is held, from ``offset`` on; places in it count from its begin."""

    def __init__(self, stream: IO[bytes], max_pixels: int) -> None:
        self.held = bytearray()
        self.offset = 0
        self._stream, self._max_pixels = stream, max_pixels
        self._is_read = False

    def fill(self, num_bytes: int) -> bool:
        """Hold that many bytes at least; return whether there are so many."""
        while len(self.held) < num_bytes and not self._is_read:
            more = self._stream.read(max(num_bytes - len(self.held), _BLOCK_BYTES))
            self._is_read = not more
            self.held += more
        return len(self.held) >= num_bytes

    def drop(self, num_bytes: int) -> int:
        """Forget the first bytes; return the offset that they had."""
        offset = self.offset
        del self.held[:num_bytes]
        self.offset += num_bytes
        return offset

    def lose(self, num_bytes: int, reason: str) -> BadSample:
        """Drop the first bytes as damaged."""
        return BadSample(self.drop(num_bytes), reason, num_bytes)

    def size_at(self, place: int) -> int | None:
        """Return the size of the sample whose header stands at ``place``; None for what is no header."""
        self.fill(place + HEADER_BYTES)
        if _fault(self.held, place, self._max_pixels):
            return None
        return int(_HEADER.unpack_from(self.held, place)[0])

    def continues_at(self, place: int) -> bool:
        """Return whether at ``place`` the file ends or another header stands."""
        return not self.fill(place + 1) or self.size_at(place) is not None

    def find(self, begin: int, end: int) -> int | None:
        """Return the first place in ``[begin, end)`` where a whole sample begins, with another or the end behind it."""
        step = _FIRST_STEP  # which grows: looking never takes much longer than what it gets over is long
        while begin < end:
            stop = min(begin + step, end)
            self.fill(stop + HEADER_BYTES - 1)
            for place in _headers(bytes(self.held[begin : stop + HEADER_BYTES - 1]), self._max_pixels):
                size = int(_HEADER.unpack_from(self.held, begin + place)[0])
                if self.fill(begin + place + size) and self.continues_at(begin + place + size):
                    return begin + place
            begin, step = stop, min(2 * step, _BLOCK_BYTES)
        return None

    def pass_over(self) -> BadSample:
        """Drop all up to the next sample, or to the end of the file."""
        fault, head = _fault(self.held, 0, self._max_pixels), bytes(self.held[:512])
        offset, found, begin = self.offset, None, 1
        while found is None and self.fill(1):
            self.fill(_BLOCK_BYTES + HEADER_BYTES)
            end = max(min(_BLOCK_BYTES, len(self.held)), begin)
            found = self.find(begin, end)
            self.drop(end if found is None else found)
            begin = 0
        if offset == 0 and found is None:
            fault = f"no GNT: {name_format(head)} ({fault})"
        return BadSample(offset, fault, self.offset - offset)


def _headers(data: bytes, max_pixels: int) -> list[int]:
    """Return each place of ``data`` where the 10 bytes of a header stand that agrees with itself."""
    num_places = len(data) - HEADER_BYTES + 1
    if num_places < 1:
        return []
    # In 32 bits, as a byte that is shifted stays a byte; the largest area, 65535 * 65535, and a header have room.
    single = np.frombuffer(data, np.uint8).astype(np.uint32)
    double = single[:-1] | single[1:] << 8
    size = double[:num_places] | double[2 : num_places + 2] << 16
    area = double[6 : num_places + 6] * double[8 : num_places + 8]
    fits = (size == area + HEADER_BYTES) & (area > 0) & (area <= max_pixels)
    return [int(place) for place in np.flatnonzero(fits)]


def _fault(data: bytes | bytearray, place: int, max_pixels: int) -> str:
    """Say what keeps the bytes at ``place`` from being a header; empty if nothing does."""
    if len(data) - place < HEADER_BYTES:
        return f"cut header: {len(data) - place} of {HEADER_BYTES} bytes are there"
    size, _, width, height = _HEADER.unpack_from(data, place)
    if width == 0 or height == 0:
        return f"zero side: {width}x{height} pixels"
    if size != HEADER_BYTES + width * height:
        return f"wrong size: {size} bytes for {width}x{height} pixels, wanted {HEADER_BYTES + width * height}"
    if width * height > max_pixels:
        return f"too large: {width}x{height} pixels, at most {max_pixels} in all"
    return ""


def _character(code: bytes) -> str:
    """Return the character of a GB code; raise RecordError for what is none, or has no picture."""
    try:
        text = code.rstrip(b"\0").decode(_CODEC)
    except UnicodeDecodeError:
        text = ""
    if len(text) != 1 or not text.isprintable() or text.isspace():
        raise RecordError(f"damaged at offset 0: no character: the GB code 0x{code.hex()}")
    return text
