"""The words that captions are made of, and ``word_counts.txt``, where they are kept as im2txt keeps them.

A line is a word and how often it occurs, most frequent first; a word's id is the number of its line, from 0. Files that
im2txt's program wrote under Python 3 have ``b'word'`` in place of ``word``: they mean the same here.
"""

from __future__ import annotations

import codecs
import collections
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from sparkcv import storage
from sparkcv.errors import DataError

__all__ = ["END", "FILE_NAME", "START", "UNKNOWN", "Vocabulary", "read_vocabulary", "tokenize"]

FILE_NAME = "word_counts.txt"
START, END, UNKNOWN = "<S>", "</S>", "<UNK>"

_MOST_BYTES = 64 << 20
_BYTES_FORM = re.compile(r"b(['\"])(.*)\1")
_TOKEN = re.compile(
    r"\w+(?=n't\b)|n't\b|'(?:s|re|ve|ll|d|m)\b|\w+(?:[-.,]\w+)*|[^\w\s]",  # as English treebanks divide words
)


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The words by their ids; ``counts`` is how often each occurs, 0 where nobody knows.

    Raises DataError for a begin or an end of sentences that is missing, and a word that is there twice.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no caption can be told by."""
        if len(self.ids) != len(self.words):
            twice = next(word for word, count in collections.Counter(self.words).items() if count > 1)
            raise DataError(f"the vocabulary has the word {twice!r} twice, wanted every word once")
        for word in (START, END, UNKNOWN):
            if word not in self.ids:
                raise DataError(f"the vocabulary of {len(self.words)} words has no {word}, wanted one")

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def ids(self) -> Mapping[str, int]:
        """The id of each word."""
        return {word: index for index, word in enumerate(self.words)}

    @property
    def start_id(self) -> int:
        """The id of what stands before the first word."""
        return self.ids[START]

    @property
    def end_id(self) -> int:
        """The id of what stands behind the last word."""
        return self.ids[END]

    def encode(self, words: Sequence[str]) -> tuple[int, ...]:
        """Return the ids of a caption's words, with its begin and its end; a word that is not there is unknown."""
        unknown = self.ids[UNKNOWN]
        return (self.start_id, *(self.ids.get(word, unknown) for word in words), self.end_id)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of ids up to the end of the sentence, without begin and end, one space between two.

        An id beyond the words is unknown.
        """
        words = []
        for index in ids:
            if index == self.end_id:
                break
            if index != self.start_id:
                words.append(self.words[index] if 0 <= index < len(self.words) else UNKNOWN)
        return " ".join(words)

    def to_text(self) -> str:
        """Return the text of ``word_counts.txt``."""
        counts = self.counts or (0,) * len(self.words)
        return "".join(f"{word} {count}\n" for word, count in zip(self.words, counts, strict=True))

    @classmethod
    def of_captions(cls, captions: Iterable[Sequence[str]], least: int = 4) -> Vocabulary:
        """Return the words of captions that occur ``least`` times, begin and end counted with each caption.

        The most frequent come first, equally frequent ones in order of the alphabet; what is unknown comes last.

        Raises DataError where no word is left.
        """
        counter: collections.Counter[str] = collections.Counter()
        for words in captions:
            counter.update((START, *words, END))
        num_captions = counter[START]
        for word in (START, END):
            counter[word] = max(counter[word], least)
        counter.pop(UNKNOWN, None)
        kept = sorted(((-count, word) for word, count in counter.items() if count >= least))
        if len(kept) < 3:
            raise DataError(f"no word of {num_captions} captions occurs {least} times or more, wanted some")
        unknown = sum(counter.values()) + sum(count for count, _ in kept)
        return cls((*(word for _, word in kept), UNKNOWN), (*(-count for count, _ in kept), unknown))


def tokenize(caption: str) -> tuple[str, ...]:
    """Return the words of a caption in lower case, and its punctuation marks; ``don't`` is ``do`` and ``n't``.

    Characters that cannot be seen are left out.
    """
    return tuple(word for word in _TOKEN.findall(caption.lower()) if word.isprintable())


def read_vocabulary(url: str) -> Vocabulary:
    """Read ``word_counts.txt``, written here or by im2txt; what is unknown is added where it is missing.

    Raises:
        MissingFileError: it is not there.
        DataError: it is empty, too large, not UTF-8, or a line is not a word and a count; names the line.
    """
    num_bytes = storage.size(url)
    if num_bytes > _MOST_BYTES:
        raise DataError(f"{url!r} has {num_bytes} bytes, wanted a vocabulary of {_MOST_BYTES} at most")
    data = storage.read_bytes(url)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise DataError(f"{url!r} line {line} is not UTF-8: byte 0x{data[err.start]:02x}; wanted UTF-8") from err
    words: dict[str, int] = {}
    for number, each in enumerate(text.rstrip("\n").split("\n"), 1):
        word, count = _read_line(each.rstrip("\r"), f"{url!r} line {number}")
        if word in words:
            raise DataError(f"{url!r} line {number} has the word {word!r} again, wanted every word once")
        words[word] = count
    words.setdefault(UNKNOWN, 0)
    try:
        return Vocabulary(tuple(words), tuple(words.values()))
    except DataError as err:
        raise DataError(f"{url!r} is no vocabulary of captions: {err}") from err


def _read_line(line: str, where: str) -> tuple[str, int]:
    """Return the word and the count of a line."""
    word, _, count = line.strip().rpartition(" ")
    if not word or not count.isascii() or not count.isdigit() or len(count) > 18:
        raise DataError(f"{where} is {line[:80]!r}, wanted a word and its count")
    if (found := _BYTES_FORM.fullmatch(word)) is not None:
        try:
            word = codecs.escape_decode(found[2].encode())[0].decode()
        except ValueError as err:  # UnicodeDecodeError, too
            raise DataError(f"{where} has {word[:80]!r}, which are not the bytes of UTF-8") from err
    if not word or any(char.isspace() or not char.isprintable() for char in word):
        raise DataError(f"{where} has the word {word[:80]!r}, wanted one of printable characters without spaces")
    return word, int(count)
