"""Sources: which files are pictures of which class, by folder or by CSV, and which rows are refused by line."""

import os

import pytest

from sparkcv.convert import sources
from sparkcv.errors import DataError, LabelError, MissingFileError


def write_csv(folder, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    (folder / "labels.csv").write_bytes(data)
    return str(folder / "labels.csv")


def rows(folder, content) -> list[tuple[str, str | None, int]]:
    found = sources.list_csv(write_csv(folder, content), 0)
    return [(os.fsdecode(picture.name), picture.label, picture.line) for picture in found]


def test_class_folders_are_sorted_and_files_beside_them_are_strays(tmp_path):
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    for name in ("readme.txt", ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    assert sources.list_classes(str(tmp_path)) == (["a", "b"], ["readme.txt"])


@pytest.mark.parametrize(("files", "held"), [(0, "nothing"), (2, "2 files")])
def test_a_folder_without_class_folders_says_what_it_holds(tmp_path, files, held):
    for index in range(files):
        (tmp_path / f"{index}.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=f"holds {held}, wanted a folder per class with its pictures"):
        sources.list_classes(str(tmp_path))


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        sources.list_classes(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "‮rtl", b"\xff"], ids=ascii)
def test_a_class_that_would_break_its_line_of_labels_txt_is_refused(tmp_path, name):
    (tmp_path / os.fsdecode(name)).mkdir()
    with pytest.raises(LabelError, match="wanted one of printable UTF-8 characters"):
        sources.list_classes(str(tmp_path))


def test_files_of_a_class_are_found_at_any_depth_but_not_where_hidden(tmp_path):
    for name in ("2.jpg", "1.jpg", "deep/er/3.jpg", ".4.jpg", "deep/.cache/5.jpg"):
        (tmp_path / "cat" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cat" / name).write_bytes(b"123")
    found = list(sources.list_class(str(tmp_path), "cat", 0))
    assert [picture.name for picture in found] == [b"cat/1.jpg", b"cat/2.jpg", b"cat/deep/er/3.jpg"]
    assert {(picture.label, picture.line, picture.size) for picture in found} == {("cat", 0, 3)}


def test_names_that_are_no_utf8_stay_the_bytes_they_are(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / os.fsdecode(b"cat/\xff.jpg")).write_bytes(b"")
    (picture,) = sources.list_class(str(tmp_path), "cat", 0)
    assert picture.name == b"cat/\xff.jpg"


def test_hashes_are_pinned_and_depend_on_name_and_seed_alone():
    picture = sources.make_picture("cat/1.jpg", "cat", 7)
    assert (picture.position, picture.draw) == (8249653510289146763, 2550139182820565012)
    assert sources.make_picture("cat/1.jpg", "dog", 7, line=5, size=9)[-3:-1] == picture[-3:-1]
    assert sources.make_picture("cat/1.jpg", "cat", 8)[-3:-1] != picture[-3:-1]
    assert sources.make_picture("cat/2.jpg", "cat", 7)[-3:-1] != picture[-3:-1]
    assert all(0 <= value < 2**63 for value in picture[-3:-1])


def test_a_csv_gives_paths_labels_and_lines(tmp_path):
    content = 'path,label\na.jpg,cat\n"b, c.jpg",dog\n\n./d/../e.jpg, fish \n'
    assert rows(tmp_path, content) == [("a.jpg", "cat", 2), ("b, c.jpg", "dog", 3), ("e.jpg", "fish", 5)]


def test_columns_may_stand_anywhere_among_others(tmp_path):
    assert rows(tmp_path, "id,label, path,note\n1,cat,a.jpg,\n") == [("a.jpg", "cat", 2)]


def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_it(tmp_path):
    assert rows(tmp_path, b"\xef\xbb\xbfpath,label\r\na.jpg,cat\r\n") == [("a.jpg", "cat", 2)]


def test_a_path_may_be_absolute_a_url_or_of_odd_bytes(tmp_path):
    content = b"path,label\n/x/../a.jpg,c\nhdfs://nn/b.jpg,c\n../d.jpg,c\n\xff.jpg,c\n"
    assert [name for name, _, _ in rows(tmp_path, content)] == [
        "/a.jpg", "hdfs://nn/b.jpg", "../d.jpg", os.fsdecode(b"\xff.jpg"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", r"labels.csv' line 1 has the columns \[\], wanted one 'path' and one 'label'"),
        ("path\na.jpg\n", r"line 1 has the columns \['path'\], wanted"),
        ("a.jpg,cat\n", r"line 1 has the columns \['a.jpg', 'cat'\], wanted"),
        ("path,label,label\n", r"line 1 has the columns .*, wanted one 'path' and one 'label'"),
        ("path,label\na.jpg,cat\nb.jpg\n", "line 3 has 1 values, wanted a path and a label"),
        ("path,label\na.jpg,\n", "line 2: got the class name '', wanted"),
        ('path,label\na.jpg,"a\nb"\n', r"line 3: got the class name 'a\\nb', wanted"),
        ("path,label\n,cat\n", "line 2 has the path '', wanted one relative to the CSV"),
        ('path,label\n"a.jpg,cat\n', "line 2 is no CSV: unexpected end of data"),
        ('path,label\n"a"b,cat\n', "line 2 is no CSV"),
        ("path,label\nhfds://nn/a.jpg,cat\n", "line 2: got 'hfds://nn/a.jpg' with the unknown scheme 'hfds'"),
        ("path,label\n" + "x" * 200_000 + ",cat\n", "line 2 is no CSV: field larger than field limit"),
        (b"path,label\na.jpg,\xff\n", "line 2: got the class name .* wanted one of printable UTF-8"),
    ],
)
def test_a_csv_that_is_wrong_is_refused_by_its_line(tmp_path, content, sentence):
    with pytest.raises(DataError, match=sentence):
        rows(tmp_path, content)


def test_a_csv_of_only_a_header_names_nothing(tmp_path):
    assert rows(tmp_path, "path,label\n") == []


@pytest.mark.parametrize(
    ("name", "root", "url"),
    [
        ("a/b.jpg", "/data", "/data/a/b.jpg"),
        ("../b.jpg", "/data/labels", "/data/b.jpg"),
        ("../../b.jpg", "hdfs://nn/data/labels", "hdfs://nn/b.jpg"),
        ("/x/b.jpg", "hdfs://nn/data", "/x/b.jpg"),
        ("hdfs://nn/b.jpg", "/data", "hdfs://nn/b.jpg"),
        ("a.jpg", "/", "/a.jpg"),
    ],
)
def test_a_name_is_found_from_the_folder_of_its_source(name, root, url):
    assert sources.locate(name, root) == url
