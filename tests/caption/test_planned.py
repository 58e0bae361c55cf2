"""The plan of a conversion of captions: who is in which split, which words have ids, what is left out and why."""

import pytest

from sparkcv.caption import planned
from sparkcv.caption.caption_files import NamedCaptions
from sparkcv.caption.planned import PlannedCaptions
from sparkcv.caption.vocabulary import Vocabulary
from sparkcv.errors import DataError

NAMED = [NamedCaptions(f"{index:02d}.jpg", 100 + index, index + 2, ("A dog .", "two dogs")) for index in range(20)]
WORDS = Vocabulary.of_captions([["a", "dog", "."]], 1)


def test_pictures_are_divided_by_seed_with_all_of_their_captions():
    divided = planned.divide(NAMED, ("train", "validation"), seed=1, max_words=9, validation_fraction=0.2)
    train, validation = ({picture.name for picture in divided[name]} for name in ("train", "validation"))
    assert (len(train), len(validation)) == (16, 4)
    assert train | validation == {each.path for each in NAMED}
    assert all(picture.captions == (("a", "dog", "."), ("two", "dogs")) for picture in divided["train"])
    again = planned.divide(NAMED[::-1], ("train", "validation"), seed=1, max_words=9, validation_fraction=0.2)
    assert again == divided
    other = planned.divide(NAMED, ("train", "validation"), seed=2, max_words=9, validation_fraction=0.2)
    assert {picture.name for picture in other["validation"]} != validation


def test_a_picture_is_one_row_or_one_for_each_caption():
    pictures = planned.divide(NAMED, ("train",), seed=1, max_words=9)["train"]
    once = planned.rows_of(pictures, WORDS, seed=1, record_per_caption=False)
    assert sorted(row.name for row in once) == [each.path.encode() for each in NAMED]
    assert [row.name for row in once] != sorted(row.name for row in once)
    unknown = WORDS.ids["<UNK>"]
    assert once[0].more.ids == (WORDS.encode(["a", "dog", "."]), (WORDS.start_id, unknown, unknown, WORDS.end_id))
    assert once[0].more.words[1] == ("<S>", "two", "dogs", "</S>")
    each = planned.rows_of(pictures, WORDS, seed=1, record_per_caption=True)
    assert len(each) == 40
    assert {len(row.more.ids) for row in each} == {1}
    assert {row.more.image_id for row in each} == set(range(100, 120))


def test_captions_that_cannot_be_used_are_faults_and_the_others_stay():
    named = [
        NamedCaptions("a.jpg", 0, 2, ("", "a dog", "dog " * 10_000)),
        NamedCaptions("b.jpg", 1, 3, (" \u200b ",)),
        NamedCaptions("c.jpg", 2, 4, ()),
    ]
    pictures = planned.divide(named, ("train",), seed=0, max_words=100)["train"]
    rows = planned.rows_of(pictures, WORDS, seed=0, record_per_caption=False)
    assert sorted((row.name, row.fault) for row in rows if row.fault) == [
        (b"a.jpg", "empty caption: number 0 has no word"),
        (b"a.jpg", "long caption: number 2 has 10000 words, at most 100"),
        (b"b.jpg", "empty caption: number 0 has no word"),
        (b"c.jpg", "no caption: the file of captions has none for it"),
    ]
    assert [row.name for row in rows if not row.fault] == [b"a.jpg"]
    whole = PlannedCaptions({"train": pictures}, WORDS)
    assert (whole.longest, whole.captions_per_picture) == (4, 1.0)


def test_one_caption_for_all_pictures_is_refused():
    same = [NamedCaptions(f"{index}.jpg", index, 0, ("A dog .",)) for index in range(3)]
    pictures = planned.divide(same, ("train",), seed=0, max_words=9)["train"]
    with pytest.raises(DataError, match=r"all 3 pictures have one caption, 'a dog \.'; wanted captions that tell"):
        planned.check_told_apart(pictures)
    planned.check_told_apart(pictures[:1])
    assert PlannedCaptions({"train": pictures}, WORDS).num_different == 1
    two = [NamedCaptions(f"{index}.jpg", index, 0, ("A dog .", "dogs")[:: 1 - index % 2 * 2]) for index in range(3)]
    pictures = planned.divide(two, ("train",), seed=0, max_words=9)["train"]
    with pytest.raises(DataError, match=r"all 3 pictures have the same 2 captions, 'a dog \.'; wanted captions"):
        planned.check_told_apart(pictures)
    words = Vocabulary.of_captions([("a", "dog", "."), ("dogs",)], 1)
    assert PlannedCaptions({"train": pictures}, words).num_different == 1
    two[2] = NamedCaptions("2.jpg", 2, 0, ("A dog .",))
    pictures = planned.divide(two, ("train",), seed=0, max_words=9)["train"]
    planned.check_told_apart(pictures)
    assert PlannedCaptions({"train": pictures}, words).num_different == 2


def test_words_outside_of_the_vocabulary_are_told_and_a_vocabulary_of_other_words_is_refused():
    pictures = planned.divide(NAMED, ("train",), seed=0, max_words=9)["train"]
    told = PlannedCaptions({"train": pictures}, WORDS).words_outside()
    assert told == "outside of the vocabulary: 40 of 100 words (40.0%), most often 'dogs' 20, 'two' 20"
    whole = Vocabulary.of_captions([["a", "dog", ".", "two", "dogs"]], 1)
    assert PlannedCaptions({"train": pictures}, whole).words_outside() == ""
    planned.check_known(pictures, WORDS)
    with pytest.raises(
        DataError, match=r"of 4 words has no word of 40 captions, the first of which is 'a dog \.'; wanted"
    ):
        planned.check_known(pictures, Vocabulary.of_captions([["hund"]], 1))


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ([], "the split 'train' would have no caption: there is no picture for it"),
        (NAMED[:1], "the split 'validation' would have no caption: there is no picture for it"),
        ([NamedCaptions("a", 0, 0, ("",)), NamedCaptions("b", 1, 0, ("",))], "no caption: the first, of '[ab]': empty"),
    ],
)
def test_a_split_without_a_caption_is_refused(named, sentence):
    with pytest.raises(DataError, match=sentence):
        planned.divide(named, ("train", "validation"), seed=0, max_words=9, validation_fraction=0.5)
