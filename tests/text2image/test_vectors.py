"""Vectors of captions in the files that other programs leave, and what is refused of them."""

import re

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv import figures
from sparkcv.caption.caption_vectors import read_vectors
from sparkcv.caption.vocabulary import END, START, UNKNOWN, Vocabulary
from sparkcv.config import ConvertCaptionsConfig
from sparkcv.driver import convert_captions
from sparkcv.errors import DataError, MissingFileError, SparkcvError, UsageError
from sparkcv.records import captioned, tfrecord
from sparkcv.text2image import picture_request
from sparkcv.text2image.picture_request import Texts
from tests.caption.scene_shards import OneProcess

CAPTIONS = ["A large red ring", "two stars."]
VECTORS = np.array([[1.5, -2.0, 0.25], [0.0, 3.0, 4.0]], np.float32)


def save(path, captions=CAPTIONS, vectors=VECTORS):
    if path.suffix == ".npz":
        np.savez(path, captions=np.array(captions), vectors=vectors)
    elif path.suffix == ".parquet":
        rows = pa.array([list(map(float, each)) for each in vectors])
        pq.write_table(pa.table({"caption": captions, "vector": rows}), path)
    return str(path)


@pytest.mark.parametrize("name", ["v.npz", "v.parquet"])
def test_captions_may_be_bytes(name, tmp_path):
    found = read_vectors(save(tmp_path / name, [text.encode() for text in CAPTIONS]))
    assert found.of_caption(("a", "large", "red", "ring")).tolist() == VECTORS[0].tolist()


@pytest.mark.parametrize("name", ["v.npz", "v.parquet"])
def test_vectors_are_found_by_the_words_of_captions(tmp_path, name):
    found = read_vectors(save(tmp_path / name))
    assert found.size == 3
    assert found.of_picture("x.jpg", [("two", "stars", "."), ("a", "large", "red", "ring")])[1].tolist() == [
        1.5,
        -2,
        0.25,
    ]
    with pytest.raises(DataError, match="has no vector of the caption 'a ring'"):
        found.of_caption(("a", "ring"))


def test_skip_thoughts_file_has_them_by_picture_or_by_line(tmp_path):
    with h5py.File(tmp_path / "tv.hdf5", "w") as file:
        file["image_00001.jpg"] = VECTORS.astype(np.float64)
        file["sub/image_00002.jpg"] = VECTORS[:1]
    found = read_vectors(str(tmp_path / "tv.hdf5"))
    assert np.array_equal(found.of_picture("flowers/image_00001.jpg", [("a",), ("b",)]), VECTORS)
    assert np.array_equal(found.of_picture("sub/image_00002.jpg", [("a",)]), VECTORS[:1])
    with pytest.raises(DataError, match=r"has 2 vectors of 'image_00001.jpg', which has 1 captions"):
        found.of_picture("image_00001.jpg", [("a",)])
    assert np.array_equal(found.of_picture("image_00001.jpg", [("b",)], (False, True)), VECTORS[1:])
    assert np.array_equal(found.of_picture("sub/image_00002.jpg", [("b",)], (False, True)), VECTORS[:1])
    with pytest.raises(DataError, match=r"has 2 vectors of 'image_00001.jpg', which has 3 captions"):
        found.of_picture("image_00001.jpg", [("a",)], (False, True, False))
    with pytest.raises(DataError, match=r"tv\.hdf5' has vectors by pictures, wanted vectors by captions"):
        found.of_caption(("a",))
    with pytest.raises(DataError, match=r"has no vectors of the picture 'other\.jpg'"):
        found.of_picture("other.jpg", [("a",)])
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["vectors"] = VECTORS
    assert np.array_equal(read_vectors(str(tmp_path / "rows.h5")).rows, VECTORS)


@pytest.mark.parametrize(
    ("name", "write", "error", "sentence"),
    [
        ("v.csv", lambda path: path.write_text("a"), UsageError, "wanted a file .npz, .parquet, .hdf5 or .h5"),
        ("v.npz", lambda path: None, MissingFileError, "v.npz"),
        ("v.npz", lambda path: path.write_bytes(b"PK"), DataError, "holds no vectors of captions"),
        ("v.h5", lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), DataError, "holds no vectors of captions"),
        ("v.parquet", lambda path: path.write_bytes(b"PAR1"), DataError, "holds no vectors of captions"),
        ("v.npz", lambda path: np.savez(path, vectors=VECTORS), DataError, "captions"),
        ("v.npz", lambda path: save(path, CAPTIONS[:1]), DataError, "has 1 captions and 2 vectors; wanted one of each"),
        (
            "v.npz",
            lambda path: save(path, [], VECTORS[:0]),
            DataError,
            "holds no vectors of captions: it has no caption",
        ),
        ("v.npz", lambda path: save(path, [CAPTIONS]), DataError, "a caption is a text, got"),
        ("v.npz", lambda path: save(path, [b"a\xff", b"b"]), DataError, "can't decode byte 0xff"),
        ("v.npz", lambda path: save(path, vectors=VECTORS * np.nan), DataError, "numbers that are not finite"),
        ("v.npz", lambda path: np.savez(path, captions=np.array([{}]), vectors=VECTORS), DataError, "holds no vectors"),
        ("v.npz", lambda path: save(path, vectors=VECTORS[:, :0]), DataError, "wanted numbers"),
        (
            "v.parquet",
            lambda path: pq.write_table(pa.table({"caption": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}), path),
            DataError,
            "vectors of 1 and of 2 numbers; wanted one of each, of one length",
        ),
        (
            "v.parquet",
            lambda path: pq.write_table(pa.table({"caption": ["a"], "vectors": [[1.0]]}), path),
            DataError,
            "No match for FieldRef.Name(vector)",
        ),
        ("v.hdf5", lambda path: h5py.File(path, "w").close(), DataError, "it has no dataset"),
    ],
)
def test_what_holds_no_vectors_is_one_sentence(tmp_path, name, write, error, sentence):
    write(tmp_path / name)
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        read_vectors(str(tmp_path / name))
    assert isinstance(caught.value, SparkcvError)
    assert "\n" not in str(caught.value)
    assert "v." in str(caught.value)


def test_a_file_of_two_lengths_is_refused(tmp_path):
    with h5py.File(tmp_path / "tv.hdf5", "w") as file:
        file["a.jpg"], file["b.jpg"] = VECTORS, VECTORS[:, :2]
    with pytest.raises(DataError, match="has vectors of 2 and of 3 numbers, wanted one length"):
        read_vectors(str(tmp_path / "tv.hdf5"))


def test_the_vector_of_a_caption_that_is_left_out_is_left_out_too(tmp_path):
    figures.write_figures(tmp_path / "figures", 2, 1, size=16)
    long = "word " * 200
    captions = ["path,caption", f"figure-00000.png,{long}", "figure-00000.png,a ring", "figure-00001.png,a star"]
    (tmp_path / "captions.csv").write_text("\n".join(captions) + "\n")
    with h5py.File(tmp_path / "tv.hdf5", "w") as file:
        file["figure-00000.png"], file["figure-00001.png"] = VECTORS, VECTORS[1:] * 2
    config = ConvertCaptionsConfig(
        captions_file=str(tmp_path / "captions.csv"),
        images_dir=str(tmp_path / "figures"),
        dataset_dir=str(tmp_path / "data"),
        vectors=str(tmp_path / "tv.hdf5"),
        min_word_count=1,
        num_shards=1,
        bad_image_budget=0.5,
    )
    convert_captions.run_with(OneProcess(), convert_captions.prepare(config), lambda: None)
    (shard,) = (tmp_path / "data").glob("*.tfrecord")
    records = tfrecord.read_records(shard.read_bytes(), shard.name)
    told = sorted((captioned.decode(each.payload) for each in records), key=lambda each: each.filename)
    assert [each.vectors for each in told] == [(tuple(VECTORS[1]),), (tuple(VECTORS[1] * 2),)]


def test_vectors_without_names_are_those_of_as_many_captions(tmp_path):
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["vectors"] = VECTORS
    texts = Texts(Vocabulary((START, END, UNKNOWN)), read_vectors(str(tmp_path / "rows.h5")))
    assert [row.text for row in picture_request.many(texts, CAPTIONS, 1)] == [tuple(row) for row in VECTORS.tolist()]
    assert picture_request.way(texts, *CAPTIONS, 2)[0].other == tuple(VECTORS[1].tolist())
    for captions in (CAPTIONS[:1], [*CAPTIONS, "a star"]):  # the first vector need not be the one caption's
        with pytest.raises(DataError, match=f"has 2 rows without names for {len(captions)} captions, wanted one of"):
            picture_request.many(texts, captions, 1)
    with pytest.raises(DataError, match=r"rows\.h5' has rows without names, wanted vectors by captions"):
        texts.refuse_rows()
    named = Texts(texts.vocabulary, read_vectors(save(tmp_path / "v.npz")))
    named.refuse_rows()
    assert picture_request.many(named, CAPTIONS[1:], 1)[0].text == tuple(VECTORS[1].tolist())


def test_a_line_of_a_file_of_captions_ends_where_editors_end_it(tmp_path):
    text = "\ufeffa red\u2028ring\r\n\n two\x0bstars.\rdots\x85 and rings\n"
    (tmp_path / "captions.txt").write_bytes(text.encode())
    wanted = ("a red\u2028ring", "two\x0bstars.", "dots\x85 and rings")
    assert picture_request.read_lines(str(tmp_path / "captions.txt")) == wanted
