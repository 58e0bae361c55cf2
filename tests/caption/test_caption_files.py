"""Files of captions: the three forms are told apart and read, and every bad one is one sentence."""

import csv
import json

import pytest

from sparkcv.caption.caption_files import NamedCaptions, captions_of_rows, read_captions
from sparkcv.errors import DataError, MissingFileError

COCO = {
    "images": [{"id": 391895, "file_name": "b.jpg", "width": 640}, {"id": 7, "file_name": "a.jpg"}],
    "annotations": [
        {"image_id": 7, "id": 1, "caption": "A dog."},
        {"image_id": 391895, "id": 2, "caption": "A cat\nsleeps."},
        {"image_id": 7, "id": 3, "caption": ""},
    ],
}


@pytest.fixture
def write(tmp_path):
    """Writes a file of captions and returns its path."""

    def write(data):
        path = tmp_path / "captions.txt"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


def test_cocos_json_keeps_its_ids(write):
    assert read_captions(write(json.dumps(COCO))) == [
        NamedCaptions("b.jpg", 391895, 0, ("A cat\nsleeps.",)),
        NamedCaptions("a.jpg", 7, 0, ("A dog.", "")),
    ]


def test_flickrs_token_files(write):
    lines = [
        "b_1.jpg#0\tA child climbs .",
        'b_1.jpg#1\tA girl , "pink" .',
        "a.jpg#0\tA café\tby night",
        "",
        "b_1.jpg#2\t",
        "",
    ]
    text = "\r\n".join(lines)
    assert read_captions(write(text)) == [
        NamedCaptions("b_1.jpg", 0, 1, ("A child climbs .", 'A girl , "pink" .', "")),
        NamedCaptions("a.jpg", 1, 3, ("A café\tby night",)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'path,caption\nx/a.jpg,"a dog, running"\nb.jpg,a cat\nx/a.jpg,a dog\n',
        '\ufeffimage,caption\r\nx/a.jpg,"a dog, running"\r\nb.jpg,a cat\r\n\r\nx/a.jpg,a dog\r\n',
        'caption,path\n"a dog, running",x/a.jpg\na cat,b.jpg\na dog,x/a.jpg\n',
        "image_name| comment_number| comment\nx/a.jpg| 0| a dog, running\nb.jpg| 0| a cat\nx/a.jpg| 1| a dog\n",
    ],
)
def test_tables_of_paths_and_captions(write, text):
    found = read_captions(write(text))
    assert [(one.path, one.image_id, one.captions) for one in found] == [
        ("x/a.jpg", 0, ("a dog, running", "a dog")),
        ("b.jpg", 1, ("a cat",)),
    ]
    assert found[0].line == 2


def test_rows_without_a_caption_have_an_empty_one():
    rows = [("a.jpg", "a dog"), ("b.jpg", None), ("c.jpg", ["a cat", None]), ("d.jpg", []), ("a.jpg", ["a big dog"])]
    assert [(one.path, one.captions) for one in captions_of_rows(rows, "the table t")] == [
        ("a.jpg", ("a dog", "a big dog")),
        ("b.jpg", ("",)),
        ("c.jpg", ("a cat", "")),
        ("d.jpg", ("",)),
    ]
    for wrong in (2, ["a dog", 2], [["a dog"]]):
        with pytest.raises(DataError, match=r"the table t has the caption .* of 'a.jpg', wanted a text or a list of"):
            captions_of_rows([("a.jpg", wrong)], "the table t")
    with pytest.raises(DataError, match="the table t has no row"):
        captions_of_rows([], "the table t")


def test_a_caption_of_a_table_may_be_of_any_length(write):
    limit = csv.field_size_limit()
    long = " ".join(["quadrilaterally"] * 10_000)
    assert read_captions(write(f"path,caption\na.jpg,{long}\n"))[0].captions == (long,)
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("", "is empty, wanted COCO's JSON"),
        (" \n", "is empty"),
        ("path,label\na,b\n", "its first line is 'path,label'; wanted COCO's JSON"),
        ("a.jpg a dog\n", "is no file of captions: its first line is 'a.jpg a dog'"),
        (b"PK\x03\x04zip", "its first line is 'PK"),
        (b"\x89PNG\r\n", "line 1 is not UTF-8: byte 0x89; wanted UTF-8"),
        ("path,caption\na.jpg,café\n".encode("latin-1"), "line 2 is not UTF-8: byte 0xe9; wanted UTF-8"),
        ("path,caption\na.jpg,x\n".encode("utf-16"), "is not UTF-8: byte 0xff (it looks like UTF-16)"),
        ("path,caption\na.jpg,a dog, running\n", "line 2 has 3 values, wanted 2; a caption with a comma stands in"),
        ("path,caption\na.jpg\n", "line 2 has 1 values, wanted 2"),
        ("path,caption\n,a dog\n", "line 2 has the path '', wanted one"),
        ('path,caption\na.jpg,"a dog\nthat runs"\n\n,"a\ncat"\n', "line 5 has the path '', wanted one"),
        ('path,caption\na.jpg,"a dog\n', "line 2 is no CSV: unexpected end of data"),
        ('path,caption\nb.jpg,a cat\na.jpg,"a dog\n' + "c.jpg,x\n" * 9, "line 3 is no CSV: unexpected end of"),
        ('path,caption\na.jpg,"a dog\nb.jpg,"a cat\n', "line 2 is no CSV: ',' expected after '\"', read to line 3"),
        ("a.jpg#0\ta dog\na.jpg a dog\n", "line 2 is 'a.jpg a dog', wanted 'picture.jpg#0<tab>caption'"),
        ("{", "is no JSON: Expecting property name"),
        ("[1]", "has no list 'images' of objects"),
        ("{}", "has no list 'images' of objects"),
        ('{"images": [1]}', "has no list 'images' of objects"),
        ('{"images": []}', "has no list 'annotations' of objects"),
        ('{"images": [], "annotations": []}', "names no picture, wanted paths and captions"),
        ("path,caption\n\n", "names no picture, wanted paths and captions"),
        ('{"images": [{"id": "7"}]}', "images[0] has the id '7', wanted a whole number"),
        ('{"images": [{"id": 7}]}', "images[0] has the file_name None, wanted a path"),
        (
            '{"images": [{"id": 7, "file_name": "a"}, {"id": 7, "file_name": "b"}]}',
            "images[1] has the id 7 of an image",
        ),
        (
            '{"images": [], "annotations": [{"image_id": 1, "caption": ""}]}',
            "is of the image 1, which the file does not",
        ),
        (
            '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "bbox": [1]}]}',
            "annotations[0] has the caption None, wanted a text; captions_*.json of COCO has them",
        ),
        ("[" * 100_000, "is no JSON"),
        (
            f'{{"images": [{{"id": {2**63}, "file_name": "a"}}]}}',
            f"images[0] has the id {2**63}, wanted one of 64 bits",
        ),
        ('{"images": [{"id": 7, "file_name": "a\\u0000"}]}', "images[0] has the file_name 'a\\x00', wanted a path"),
        ("a.jpg#0\ta dog\na\0.jpg#0\ta dog\n", "line 2 is 'a\\x00.jpg#0\\ta dog', wanted"),
        ('{"images": [{"id": 7, "file_name": "\\ud800"}]}', "images[0] has the file_name '\\ud800', wanted a path"),
    ],
)
def test_every_bad_file_is_one_sentence(write, data, sentence):
    with pytest.raises(DataError) as caught:
        read_captions(write(data))
    assert sentence in str(caught.value)
    assert "captions.txt" in str(caught.value)


def test_a_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(MissingFileError):
        read_captions(str(tmp_path / "none.json"))
