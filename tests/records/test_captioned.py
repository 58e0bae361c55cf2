"""Pictures with captions as SequenceExamples: both forms, TensorFlow's own parser, and what is no such record."""

import dataclasses

import pytest

from sparkcv.errors import RecordError
from sparkcv.records import captioned, example
from sparkcv.records.captioned import CaptionedPicture
from sparkcv.records.features import encode_features

PICTURE = CaptionedPicture(
    encoded=b"\xff\xd8jpeg",
    image_id=391895,
    words=(("<S>", "a", "dog", "</S>"), ("<S>", "café", "</S>")),
    ids=((1, 2, 3, 0), (1, 9, 0)),
    filename="a/b.jpg",
    orientation=6,
)
ONE = dataclasses.replace(PICTURE, words=PICTURE.words[:1], ids=PICTURE.ids[:1])


def test_a_picture_is_stored_once_with_all_of_its_captions():
    data = captioned.encode(PICTURE)
    assert captioned.decode(data) == PICTURE
    assert data.count(b"\xff\xd8jpeg") == 1
    assert data == captioned.encode(PICTURE)


def test_the_published_form_is_read_too():
    assert captioned.decode(captioned.encode(ONE, word_by_word=True)) == ONE
    assert captioned.encode(ONE, word_by_word=True) != captioned.encode(ONE)


@pytest.mark.tensorflow
@pytest.mark.parametrize("word_by_word", [True, False])
def test_tensorflow_reads_the_same(tf, word_by_word):
    message = tf.train.SequenceExample.FromString(captioned.encode(ONE, word_by_word=word_by_word))
    assert message.context.feature["image/image_id"].int64_list.value == [391895]
    assert message.context.feature["image/data"].bytes_list.value == [b"\xff\xd8jpeg"]
    lists = message.feature_lists.feature_list
    words = [list(feature.bytes_list.value) for feature in lists["image/caption"].feature]
    assert words == ([[b"<S>"], [b"a"], [b"dog"], [b"</S>"]] if word_by_word else [[b"<S>", b"a", b"dog", b"</S>"]])
    ids = [list(feature.int64_list.value) for feature in lists["image/caption_ids"].feature]
    assert ids == ([[1], [2], [3], [0]] if word_by_word else [[1, 2, 3, 0]])
    assert captioned.decode(message.SerializeToString()) == ONE


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no record at all", "a.tfrecord: these 16 bytes are no tf.train.SequenceExample"),
        (b"", "the SequenceExample has no list image/caption_ids"),
        (example.encode(example.ImageExample(b"x", "jpeg", 1)), "has no list image/caption_ids"),
        (captioned.encode(dataclasses.replace(ONE, words=((),), ids=((),))), "has no list image/caption_ids"),
        (encode_features({"image/data": b"x", "image/image_id": 1}), "has no list image/caption_ids"),
    ],
)
def test_what_is_no_captioned_picture_is_one_sentence(data, sentence):
    with pytest.raises(RecordError) as caught:
        captioned.decode(data, "a.tfrecord")
    assert sentence in str(caught.value)


def test_a_context_that_lacks_something_is_told():
    whole = captioned.SequenceExample.FromString(captioned.encode(ONE))
    for name, sentence in (
        ("image/data", "the context has no image/data, it has image/filename, image/format, image/image_id"),
        ("image/image_id", "the context has no image/image_id of one integer"),
    ):
        less = captioned.SequenceExample.FromString(whole.SerializeToString())
        del less.context.feature[name]
        with pytest.raises(RecordError, match=sentence):
            captioned.decode(less.SerializeToString())
    other = captioned.SequenceExample.FromString(whole.SerializeToString())
    other.feature_lists.feature_list["image/caption_ids"].feature[0].bytes_list.value.append(b"x")
    with pytest.raises(RecordError, match="image/caption_ids holds bytes, wanted int"):
        captioned.decode(other.SerializeToString())


@pytest.mark.parametrize(("name", "kind"), [("image/orientation", "int64_list"), ("image/filename", "bytes_list")])
def test_a_feature_without_a_value_that_tensorflow_refuses_is_told(name, kind):
    message = captioned.SequenceExample.FromString(captioned.encode(ONE))
    del message.context.feature[name]
    found = captioned.decode(message.SerializeToString())
    assert (found.orientation, found.filename) == ((1, ONE.filename) if kind == "int64_list" else (ONE.orientation, ""))
    message.context.feature[name].SetInParent()
    with pytest.raises(RecordError, match=rf"a\.tfrecord: {name} is no single value of"):
        captioned.decode(message.SerializeToString(), "a.tfrecord")
    getattr(message.context.feature[name], kind).SetInParent()
    with pytest.raises(RecordError, match=rf"a\.tfrecord: {name} is no single value of"):
        captioned.decode(message.SerializeToString(), "a.tfrecord")


def test_vectors_are_stored_beside_the_captions_and_their_lengths_are_checked():
    both = dataclasses.replace(PICTURE, vectors=((0.5, -2.0, 0.25), (1.0, 0.0, 3.0)))
    data = captioned.encode(both)
    assert captioned.decode(data) == both
    names = example.FeatureNames(longest=4, digests=2, vector=3)
    assert example.decode(data, names=names).label == 9
    for vector, wrong in ((4, both), (3, dataclasses.replace(both, vectors=both.vectors[:1])), (3, PICTURE)):
        with pytest.raises(RecordError, match=rf"vectors of .* numbers; wanted 2 of {vector}"):
            example.decode(captioned.encode(wrong), names=dataclasses.replace(names, vector=vector))
