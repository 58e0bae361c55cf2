"""What pictures are wanted: captions as rows of a task, by the vocabulary or the vectors of the nets' training."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from sparkcv import storage
from sparkcv.caption.caption_vectors import CaptionVectors
from sparkcv.caption.vocabulary import END, START, UNKNOWN, Vocabulary, tokenize
from sparkcv.errors import DataError
from sparkcv.records import characters
from sparkcv.text2image.picture_task import Row

__all__ = ["PictureRequest", "Texts", "many", "read_lines", "request", "way"]

_MOST_BYTES = 16 << 20
_MOST_CAPTIONS = 10_000
_MARKS = (START, END, UNKNOWN)


@dataclasses.dataclass(frozen=True)
class Texts:
    """What captions are to the nets: ids of a vocabulary, or of characters, or vectors, where there are any."""

    vocabulary: Vocabulary
    vectors: CaptionVectors | None = None
    max_words: int = 100
    by_characters: bool = False

    def text_of(self, caption: str, number: int) -> tuple[float, ...]:
        """Return the text of the caption in line ``number`` of its file, from 0; :meth:`check_rows` comes first.

        Raises DataError for an empty or a long caption, one of unknown words only, and one without a vector.
        """
        words = tokenize(caption)
        if not words:
            raise DataError(f"the caption {caption[:80]!r} has no word, wanted some")
        if len(words) > self.max_words:
            raise DataError(f"the caption {caption[:80]!r} has {len(words)} words, wanted {self.max_words} at most")
        if self.vectors is not None:
            if self.vectors.rows is None:
                return tuple(self.vectors.of_caption(words).tolist())
            return tuple(self.vectors.rows[number].tolist())
        if self.by_characters:
            return characters.encode(words)
        unknown = [word for word in words if word not in self.vocabulary.ids]
        if len(unknown) == len(words):
            known = ", ".join(self.some_words(10))
            raise DataError(
                f"the caption {caption[:80]!r} has no word that the nets were trained with; they know"
                f" {len(self.vocabulary) - len(_MARKS)}, such as {known}"
            )
        return self.vocabulary.encode(words)

    def check_rows(self, num_captions: int) -> None:
        """Raise DataError unless vectors that have no names, but an order, are of so many captions."""
        rows = self.vectors.rows if self.vectors is not None else None
        if self.vectors is not None and rows is not None and len(rows) != num_captions:
            raise DataError(
                f"{self.vectors.url!r} has {len(rows)} rows without names for {num_captions} captions, wanted one of"
                " each caption, in their order"
            )

    def refuse_rows(self) -> None:
        """Raise DataError for vectors that have no names, but an order."""
        if self.vectors is not None and self.vectors.rows is not None:
            raise DataError(f"{self.vectors.url!r} has rows without names, wanted vectors by captions")

    def some_words(self, number: int) -> list[str]:
        """Return the most frequent words that the nets know, so many at most."""
        return [word for word in self.vocabulary.words[: number + len(_MARKS)] if word not in _MARKS][:number]

    def unknown(self, caption: str) -> list[str]:
        """Return the words of a caption that the nets do not know, which all are the same to them.

        To nets that read characters these are the words behind the last one that they read.
        """
        if self.vectors is not None:
            return []
        if self.by_characters:
            words = tokenize(caption)
            return list(words[characters.num_whole(words) :])
        ids = self.vocabulary.ids
        return [word for word in tokenize(caption) if ids.get(word, ids[UNKNOWN]) == ids[UNKNOWN]]


@dataclasses.dataclass(frozen=True)
class PictureRequest:
    """Rows, the caption of each, and the words that the nets do not know, by the captions that were given."""

    rows: tuple[Row, ...]
    captions: tuple[str, ...]
    unknown: Mapping[str, tuple[str, ...]]


def request(texts: Texts, captions: Sequence[str], to_caption: str | None, num_pictures: int) -> PictureRequest:
    """Return ``num_pictures`` of each caption; with ``to_caption``, so many on the way from the one caption to it.

    Raises DataError for a caption that cannot be told to the nets.
    """
    if to_caption is None:
        given = tuple(captions)
        rows = many(texts, given, num_pictures)
        told = tuple(caption for caption in given for _ in range(num_pictures))
    else:
        given = (captions[0], to_caption)
        rows = way(texts, *given, num_pictures)
        told = tuple(f"{1 - row.share:.3g} {given[0]} + {row.share:.3g} {given[1]}" for row in rows)
    unknown = {caption: tuple(dict.fromkeys(texts.unknown(caption))) for caption in given}
    return PictureRequest(rows, told, {caption: words for caption, words in unknown.items() if words})


def many(texts: Texts, captions: Sequence[str], num_pictures: int) -> tuple[Row, ...]:
    """Return ``num_pictures`` rows of each caption; the same place of each has the same random numbers."""
    texts.check_rows(len(captions))
    told = [texts.text_of(caption, number) for number, caption in enumerate(captions)]
    return tuple(Row(text, draw) for text in told for draw in range(num_pictures))


def way(texts: Texts, first: str, last: str, num_pictures: int) -> tuple[Row, ...]:
    """Return rows that lead from one caption to another in equal steps, of the same random numbers."""
    texts.check_rows(2)
    text, other = texts.text_of(first, 0), texts.text_of(last, 1)
    return tuple(Row(text, 0, other, step / (num_pictures - 1)) for step in range(num_pictures))


def read_lines(url: str) -> tuple[str, ...]:
    """Return the captions of a file, one a line; lines without a word are passed over.

    Raises MissingFileError, and DataError for one that is not UTF-8, without captions, or too large.
    """
    size = storage.size(url)
    if size > _MOST_BYTES:
        raise DataError(f"{url!r} has {size} bytes, wanted a file of captions of {_MOST_BYTES} at most")
    data = storage.read_bytes(url)
    try:
        # Not splitlines, which ends a line at characters that stand inside of captions, too.
        lines = re.split(r"\r\n|\n|\r", data.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise DataError(f"{url!r} line {line} is not UTF-8: byte 0x{data[err.start]:02x}; wanted UTF-8") from err
    captions = tuple(line.strip() for line in lines if line.strip())
    if not 0 < len(captions) <= _MOST_CAPTIONS:
        raise DataError(f"{url!r} has {len(captions)} captions, wanted 1 to {_MOST_CAPTIONS}, one a line")
    return captions
