"""What a conversion of captions writes, planned before anything starts: which picture is in which split, and its words.

All follows from the file of captions, the seed and the flags. It is held by the driver: texts only, no picture.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sparkcv.caption.caption_files import NamedCaptions
from sparkcv.caption.caption_vectors import CaptionVectors
from sparkcv.caption.vocabulary import Vocabulary, tokenize
from sparkcv.convert import sources
from sparkcv.convert.shard_writer import ShardRow
from sparkcv.errors import DataError
from sparkcv.preprocess.picture_file import SeenPicture
from sparkcv.records import captioned, tfrecord
from sparkcv.records.captioned import CaptionedPicture

__all__ = [
    "PlannedCaptions",
    "PlannedPicture",
    "Told",
    "captions_of",
    "check_known",
    "check_told_apart",
    "divide",
    "make_frame",
    "rows_of",
]


class Told(NamedTuple):
    """What a record says beside the picture, and which captions of the file it has; plain values, as tasks get them."""

    image_id: int
    words: tuple[tuple[str, ...], ...]
    ids: tuple[tuple[int, ...], ...]
    kept: tuple[bool, ...]


@dataclasses.dataclass(frozen=True)
class PlannedPicture:
    """A picture with its captions as words, and ``faults``: why others of its captions are left out.

    ``kept`` says of each of its captions, in the file's order, whether it is one of ``captions``.
    """

    name: str
    image_id: int
    line: int
    captions: tuple[tuple[str, ...], ...]
    faults: tuple[str, ...]
    draw: int
    kept: tuple[bool, ...]


@dataclasses.dataclass(frozen=True)
class PlannedCaptions:
    """The pictures of each split, by its name, and the vocabulary of them all.

    ``vectors`` is the URL of the captions' vectors, of ``vector_size`` numbers each, where there are any.
    """

    splits: dict[str, list[PlannedPicture]]
    vocabulary: Vocabulary
    vectors: str | None = None
    vector_size: int = 0

    @property
    def longest(self) -> int:
        """The ids of the longest caption, begin and end among them."""
        return 2 + max((len(words) for words in captions_of(self._pictures())), default=0)

    @property
    def captions_per_picture(self) -> float:
        """The mean number of captions of the pictures that have any."""
        counts = [len(picture.captions) for picture in self._pictures() if picture.captions]
        return sum(counts) / max(1, len(counts))

    @property
    def most_captions(self) -> int:
        """The captions of a picture at most."""
        return max((len(picture.captions) for picture in self._pictures()), default=0)

    @property
    def num_different(self) -> int:
        """How many captions tell pictures apart, as ids, in the split that has the fewest: 1 where none does."""
        return min((self._num_different(pictures) for pictures in self.splits.values()), default=0)

    def words_outside(self) -> str:
        """Return how many of the captions' words the vocabulary does not have, as a line; empty where it has all."""
        counts = collections.Counter(word for words in captions_of(self._pictures()) for word in words)
        outside = collections.Counter({word: n for word, n in counts.items() if word not in self.vocabulary.ids})
        if not outside:
            return ""
        num, of = outside.total(), counts.total()
        most = ", ".join(
            f"{word!r} {n}" for word, n in sorted(outside.items(), key=lambda each: (-each[1], each[0]))[:3]
        )
        return f"outside of the vocabulary: {num:,} of {of:,} words ({num / of:.1%}), most often {most}"

    def _num_different(self, pictures: Sequence[PlannedPicture]) -> int:
        of_pictures = {frozenset(map(self.vocabulary.encode, each.captions)) for each in pictures if each.captions}
        return len(frozenset().union(*of_pictures)) if len(of_pictures) != 1 else 1

    def _pictures(self) -> Iterator[PlannedPicture]:
        for pictures in self.splits.values():
            yield from pictures


def divide(
    named: Sequence[NamedCaptions],
    names: Sequence[str],
    *,
    seed: int,
    max_words: int,
    validation_fraction: float | None = None,
) -> dict[str, list[PlannedPicture]]:
    """Return the pictures of each split; all captions of a picture are in one of them.

    Raises DataError for too few pictures, none of which has a caption that can be used, in a split.
    """
    planned = sorted((_planned(each, seed, max_words) for each in named), key=lambda each: (each.draw, each.name))
    held = 0
    if validation_fraction is not None:
        held = min(max(round(len(planned) * validation_fraction), 1), len(planned) - 1)
    splits = dict(zip(names, (planned[held:], planned[:held]), strict=False))
    for name, pictures in splits.items():
        if not any(picture.captions for picture in pictures):
            faults = (f"the first, of {each.name!r}: {fault}" for each in pictures for fault in each.faults)
            why = next(faults, "there is no picture for it")
            raise DataError(f"the split {name!r} would have no caption: {why}")
    return splits


def check_told_apart(pictures: Sequence[PlannedPicture]) -> None:
    """Raise DataError where all pictures have the same captions: a net would learn to say one whatever it sees."""
    different = {frozenset(each.captions) for each in pictures if each.captions}
    if len(pictures) > 1 and len(different) == 1:
        (same,) = different
        number = "one caption" if len(same) == 1 else f"the same {len(same)} captions"
        raise DataError(
            f"all {len(pictures)} pictures have {number}, {' '.join(min(same))[:80]!r}; wanted captions that tell"
            " pictures apart"
        )


def check_known(pictures: Iterable[PlannedPicture], vocabulary: Vocabulary) -> None:
    """Raise DataError where the vocabulary has no word of any caption: each would be as many unknown words."""
    found = list(captions_of(pictures))
    if not any(word in vocabulary.ids for words in found for word in words):
        raise DataError(
            f"the vocabulary of {len(vocabulary)} words has no word of {len(found)} captions, the first of which is"
            f" {' '.join(found[0])[:80]!r}; wanted one of their words"
        )


def captions_of(pictures: Iterable[PlannedPicture]) -> Iterator[tuple[str, ...]]:
    """Yield the words of each caption."""
    for picture in pictures:
        yield from picture.captions


def rows_of(
    pictures: Iterable[PlannedPicture], vocabulary: Vocabulary, *, seed: int, record_per_caption: bool
) -> list[ShardRow]:
    """Return the rows of a split in the order of their records, those that are rejected among them."""
    placed: list[tuple[int, str, ShardRow]] = []
    for picture in pictures:
        whole = [picture.captions] if picture.captions else []
        groups = [(caption,) for caption in picture.captions] if record_per_caption else whole
        for index, words in enumerate([*groups, *picture.faults]):
            key = f"{picture.name}#{index}" if record_per_caption else picture.name
            fault = words if isinstance(words, str) else None
            told = None
            if not isinstance(words, str):
                ids = tuple(vocabulary.encode(each) for each in words)
                told = Told(picture.image_id, tuple(("<S>", *each, "</S>") for each in words), ids, picture.kept)
            row = ShardRow(picture.name.encode("utf-8", "surrogateescape"), 0, picture.line, -1, fault, told)
            placed.append((sources.make_picture(key, None, seed).position, key, row))
    return [row for *_, row in sorted(placed, key=lambda each: each[:2])]


def make_frame(seen: SeenPicture, row: ShardRow, *, word_by_word: bool, vectors: CaptionVectors | None = None) -> bytes:
    """Return the record of a picture and what its row tells, as a frame; ``word_by_word`` is im2txt's form."""
    name = row.name.decode("utf-8", "surrogateescape")
    captions = [words[1:-1] for words in row.more.words]  # begin and end are no words of it
    found = vectors.of_picture(name, captions, row.more.kept) if vectors is not None else []
    picture = CaptionedPicture(
        encoded=seen.encoded,
        image_id=row.more.image_id,
        words=row.more.words,
        ids=row.more.ids,
        format=seen.format,
        filename=name,
        orientation=seen.orientation,
        vectors=tuple(tuple(vector.tolist()) for vector in found),
    )
    return tfrecord.frame(captioned.encode(picture, word_by_word=word_by_word))


def _planned(named: NamedCaptions, seed: int, max_words: int) -> PlannedPicture:
    captions, faults, kept = [], [], []
    for number, text in enumerate(named.captions):
        words = tokenize(text)
        kept.append(0 < len(words) <= max_words)
        if kept[-1]:
            captions.append(words)
        elif words:
            faults.append(f"long caption: number {number} has {len(words)} words, at most {max_words}")
        else:
            faults.append(f"empty caption: number {number} has no word")
    if not named.captions:
        faults.append("no caption: the file of captions has none for it")
    draw = sources.make_picture(named.path, None, seed).draw
    return PlannedPicture(named.path, named.image_id, named.line, tuple(captions), tuple(faults), draw, tuple(kept))
