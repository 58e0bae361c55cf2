"""Records with captions on their way into a batch: one of the captions is drawn, padded, and bad records are told."""

import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.errors import RecordError
from sparkcv.inputs import pipeline
from sparkcv.inputs.validate import ImageCheck
from sparkcv.records import captioned, characters, example
from sparkcv.records.captioned import CaptionedPicture
from sparkcv.records.example import FeatureNames
from sparkcv.records.example_proto import SequenceExample
from tests.inputs import data

NAMES = FeatureNames("image/data", "image/caption_ids", longest=5)
IDS = ((1, 3, 2), (1, 4, 5, 6, 2))


def record(ids=IDS, *, word_by_word=False, **changes):
    words = tuple(("w",) * len(each) for each in ids)
    picture = CaptionedPicture(data.picture(0, 1), 7, words, ids, filename="a.jpg", orientation=6)
    return captioned.encode(dataclasses.replace(picture, **changes), word_by_word=word_by_word)


@pytest.mark.tensorflow
def test_one_caption_is_drawn_by_its_two_numbers_and_padded():
    with tf.Graph().as_default(), tf.Session() as session:
        serialized, number = tf.placeholder(tf.string, []), tf.placeholder(tf.int64, [])
        picture, caption, name = pipeline.parse(serialized, pipeline.Reading(NAMES), (3, number))
        assert caption.shape.as_list() == [5]

        def read(payload, at=0):
            return session.run([caption, name, picture.orientation], {serialized: payload, number: at})

        drawn = [tuple(read(record(), at)[0]) for at in range(40)]
        assert drawn == [tuple(read(record(), at)[0]) for at in range(40)]
        assert set(drawn) == {(1, 3, 2, -1, -1), (1, 4, 5, 6, 2)}
        assert 8 < drawn.count((1, 3, 2, -1, -1)) < 32
        whole = read(record(IDS[:1], word_by_word=True))
        assert (tuple(whole[0]), whole[1], whole[2]) == ((1, 3, 2, -1, -1), b"a.jpg", 6)
        assert np.array_equal(read(record(IDS[:1]))[0], whole[0])


@pytest.mark.tensorflow
@pytest.mark.parametrize("word_by_word", [False, True])
def test_a_caption_is_its_characters_where_these_are_read(word_by_word):
    words = (("<S>", "a", "Tree.", "</S>"), ("<S>", "an", "\u00e4pfel", "</S>"))[: 1 if word_by_word else 2]
    payload = record(((1, 3, 4, 2), (1, 5, 4, 2))[: len(words)], word_by_word=word_by_word, words=words)
    names = dataclasses.replace(NAMES, characters=True)
    with tf.Graph().as_default(), tf.Session() as session:
        number = tf.placeholder(tf.int64, [])
        _, text, _ = pipeline.parse(tf.constant(payload), pipeline.Reading(names), (3, number))
        assert text.shape.as_list() == [characters.LENGTH]
        drawn = {tuple(session.run(text, {number: at}).tolist()) for at in range(40)}
    wanted = {characters.encode(each[1:-1]) for each in words}
    assert drawn == {(*ids, *(-1,) * (characters.LENGTH - len(ids))) for ids in wanted}


def test_characters_are_not_read_of_records_without_words():
    check = ImageCheck(7, names=dataclasses.replace(NAMES, characters=True))
    assert check(record()) is None
    without = SequenceExample.FromString(record())
    del without.feature_lists.feature_list["image/caption"]
    assert ImageCheck(7, names=NAMES)(without.SerializeToString()) is None
    assert "no list image/caption; wanted the words of the captions" in check(without.SerializeToString())


def test_a_record_with_captions_is_checked_like_any_other():
    check = ImageCheck(7, names=NAMES)
    assert check(record()) is None
    assert check(record(IDS[1:], word_by_word=True)) is None
    found = example.decode(record(), names=NAMES)
    assert (found.label, found.filename, found.orientation) == (6, "a.jpg", 6)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (record(((1, 7, 2),)), "a word's id 7, wanted 0 to 6"),
        (record(((1, 3, 3, 3, 3, 2),)), "a caption of 6 ids, the smallest 1; wanted 2 to 5, none below 0"),
        (record(((1, -1, 2),)), "a caption of 3 ids, the smallest -1; wanted 2 to 5, none below 0"),
        (record(((1,),)), "a caption of 1 ids"),
        (record(encoded=b""), "empty"),
        (record(encoded=b"no picture"), "not JPEG, PNG, GIF, BMP or WebP: text"),
        (b"\x00\x01", "are no tf.train.SequenceExample"),
        (example.encode(example.ImageExample(b"x", "jpeg", 1)), "has no list image/caption_ids"),
    ],
    ids=["word", "long", "below 0", "short", "no bytes", "no picture", "no record", "an Example"],
)
def test_a_record_that_cannot_be_trained_on_is_told(payload, reason):
    assert reason in ImageCheck(7, names=NAMES)(payload)


def test_a_record_of_captions_that_is_damaged_names_its_place():
    with pytest.raises(RecordError, match="shard at 12: these 2 bytes are no"):
        example.decode(b"\x00\x01", "shard at 12", NAMES)
