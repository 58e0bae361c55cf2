import dataclasses

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv.errors import DataError, UsageError
from sparkcv.predict.rows import count_rows, find_input, list_parts, load, name_columns, read_ids, read_rows, split


def write(path, columns, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return str(path)


def parts_of(url, tmp_path, **options):
    return list_parts(find_input(url), str(tmp_path / "lists"), **options).parts


def rows_of(parts):
    return [row for part in parts for row in read_rows(part)]


@pytest.mark.parametrize("count", [1, 4, 50])
def test_paths_are_read_and_are_the_ids(tmp_path, count):
    paths = []
    for index in range(150):
        path = tmp_path / "p" / f"ü {index}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"pic%d" % index)
        paths.append([str(path), path.as_uri().replace("%C3%BC%20", "ü "), f"p/ü {index}.jpg"][index % 3])
    url = write(tmp_path / "t.parquet", {"path": paths}, row_group_size=40)
    parts = parts_of(url, tmp_path)
    assert count_rows(parts) == 150
    rows = [row for piece in split(parts, count) for part in piece for row in read_rows(part)]
    assert [row.id for row in rows] == paths
    assert [load(row) for row in rows] == [b"pic%d" % index for index in range(150)]
    assert [name for part in parts for name in read_ids(part)] == paths


def test_spark_s_own_spelling_of_a_local_path_is_understood(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    url = write(tmp_path / "t.parquet", {"path": [f"file:{tmp_path}/a.jpg"]})
    assert [load(row) for row in rows_of(parts_of(url, tmp_path))] == [b"x"]


@pytest.mark.parametrize("column", ["bytes", "image", "content"])
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_bytes_are_found_by_name_and_the_path_is_their_id(tmp_path, column, kind):
    table = pa.table({"path": ["a", "b"], column: pa.array([b"x", b"y"], kind), "label": [1, 2]})
    rows = rows_of(parts_of(write(tmp_path / "t.parquet", table), tmp_path))
    assert [(row.id, load(row)) for row in rows] == [("a", b"x"), ("b", b"y")]


def test_columns_can_be_named(tmp_path):
    url = write(tmp_path / "t.parquet", {"n": [7, 8], "jpg": [b"x", b"y"], "path": ["a", "b"]})
    rows = rows_of(parts_of(url, tmp_path, input_column="jpg", id_column="n"))
    assert [(row.id, load(row)) for row in rows] == [("7", b"x"), ("8", b"y")]


def test_a_dictionary_of_strings_is_a_column_of_paths(tmp_path):
    table = pa.table({"path": pa.array(["/x/a", "/x/b"]).dictionary_encode()})
    assert [row.id for row in rows_of(parts_of(write(tmp_path / "t.parquet", table), tmp_path))] == ["/x/a", "/x/b"]


def test_without_a_path_the_column_id_is_the_id(tmp_path):
    url = write(tmp_path / "t.parquet", {"id": [7, 8], "bytes": [b"x", b"y"]})
    assert [row.id for row in rows_of(parts_of(url, tmp_path))] == ["7", "8"]


def test_nulls_are_rejects_with_an_id_of_their_own(tmp_path):
    url = write(tmp_path / "d" / "t.parquet", {"path": ["/a", None, None, "  "]}, row_group_size=2)
    rows = rows_of(parts_of(url, tmp_path))
    assert [row.id for row in rows] == ["/a", "t.parquet#0:1", "t.parquet#1:0", "  "]
    assert [row.reason for row in rows[1:3]] == ["null: column 'path' is null"] * 2
    assert rows[3].reason.startswith("no path")
    url = write(tmp_path / "e" / "t.parquet", {"id": ["a", None], "bytes": [None, b"x"]})
    rows = rows_of(parts_of(url, tmp_path))
    assert [row.reason for row in rows] == ["null: column 'bytes' is null", "null: column 'id' is null"]


def test_a_path_that_nothing_can_open_is_a_reject(tmp_path):
    url = write(tmp_path / "t.parquet", {"path": ["what://x/y", "a\0b"]})
    assert all(row.reason.startswith("no path: ") for row in rows_of(parts_of(url, tmp_path)))


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ({"a": [1], "b": ["x"]}, {}, r"no column path or bytes or image or content, it has a \(int64\), b \(string\)"),
        ({"a": [1]}, {"input_column": "jpg"}, r"--input_column: .* no column 'jpg', it has a \(int64\)"),
        ({"a": [1]}, {"input_column": "a"}, r"column 'a' is int64, wanted paths \(string\) or pictures \(binary\)"),
        ({"path": ["x"]}, {"id_column": "n"}, r"--id_column: .* no column 'n', it has path \(string\)"),
        ({"path": ["x"], "n": [0.5]}, {"id_column": "n"}, r"column 'n' is double, wanted ids"),
        ({"bytes": [b"x"]}, {}, r"no column path or id, it has bytes \(binary\); name one by --id_column"),
        ({"path": [1]}, {}, r"no column path or bytes"),
    ],
)
def test_columns_that_do_not_fit_are_named_with_those_there_are(tmp_path, columns, options, said):
    with pytest.raises(UsageError, match=said):
        parts_of(write(tmp_path / "t.parquet", columns), tmp_path, **options)


def test_files_of_other_columns_are_refused_before_anything_is_scored(tmp_path):
    write(tmp_path / "t" / "1.parquet", {"path": ["a"]})
    write(tmp_path / "t" / "2.parquet", {"file": ["a"]})
    with pytest.raises(DataError, match=r"2\.parquet' has no column 'path', which .*1\.parquet' has; it has file"):
        parts_of(str(tmp_path / "t"), tmp_path)
    write(tmp_path / "t" / "2.parquet", {"path": [b"a"]})
    with pytest.raises(DataError, match=r"2\.parquet': column 'path' is binary, in .*1\.parquet' it is string"):
        parts_of(str(tmp_path / "t"), tmp_path)


def test_a_column_more_in_one_file_is_no_matter(tmp_path):
    write(tmp_path / "t" / "1.parquet", {"path": ["a"]})
    write(tmp_path / "t" / "2.parquet", {"more": [1], "path": ["b"]})
    assert [row.id for row in rows_of(parts_of(str(tmp_path / "t"), tmp_path))] == ["a", "b"]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet at all, whatever its name says"])
def test_a_file_that_is_no_parquet_is_named(tmp_path, data):
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"x\.parquet' is not readable as Parquet"):
        parts_of(str(tmp_path / "x.parquet"), tmp_path)


def test_a_damaged_page_is_told_by_file(tmp_path):
    url = write(tmp_path / "x.parquet", {"path": [f"/some/path/{i}" for i in range(1000)]}, compression="snappy")
    whole = bytearray((tmp_path / "x.parquet").read_bytes())
    (part,) = parts_of(url, tmp_path)
    whole[4:200] = b"\xff" * 196
    (tmp_path / "x.parquet").write_bytes(bytes(whole))
    with pytest.raises(DataError, match=r"x\.parquet' is not readable"):
        list(read_rows(part))


def test_a_file_that_changed_since_it_was_listed_is_refused(tmp_path):
    (part,) = parts_of(write(tmp_path / "x.parquet", {"path": ["a"]}), tmp_path)
    write(tmp_path / "x.parquet", {"path": ["a", "b"]})
    with pytest.raises(DataError, match=r"x\.parquet' changed since it was listed"):
        list(read_rows(part))


def test_text_that_is_no_utf8_is_escaped_in_the_id_and_opened_as_it_is(tmp_path):
    with open(bytes(tmp_path) + b"/\xff.jpg", "wb") as file:
        file.write(b"x")
    path = pa.array([bytes(tmp_path) + b"/\xff.jpg"], pa.binary()).view(pa.string())
    (row,) = rows_of(parts_of(write(tmp_path / "t.parquet", pa.table({"path": path})), tmp_path))
    assert row.id == f"{tmp_path}/\\xff.jpg"
    assert load(row) == b"x"


@pytest.mark.parametrize(("data", "name"), [("Content", "ID"), ("BYTES", "Path"), ("Image", "id")])
def test_capitals_of_a_column_do_not_matter(tmp_path, data, name):
    url = write(tmp_path / "t.parquet", {name: ["a"], data: [b"x"]})
    assert [(row.id, load(row)) for row in rows_of(parts_of(url, tmp_path))] == [("a", b"x")]


def test_a_name_just_so_comes_before_one_in_other_capitals(tmp_path):
    url = write(tmp_path / "t.parquet", {"PATH": ["/b"], "path": ["/a"]})
    assert [row.id for row in rows_of(parts_of(url, tmp_path))] == ["/a"]


HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
BINARY_FILE = pa.struct([("path", pa.string()), ("length", pa.int64()), ("content", pa.binary())])
SPARK_IMAGE = pa.struct([("origin", pa.string()), ("height", pa.int32()), ("data", pa.binary())])


@pytest.mark.parametrize("name", ["image", "img", "file"])
@pytest.mark.parametrize("given", [None, "{}", "{}.bytes"])
def test_hugging_faces_images_are_read_by_bytes_else_by_path(tmp_path, name, given):
    (tmp_path / "b.jpg").write_bytes(b"y")
    values = [{"bytes": b"x", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, {"bytes": b"z", "path": None}]
    values += [{"bytes": None, "path": None}]
    url = write(tmp_path / "t.parquet", {name: pa.array(values, HUGGING_FACE), "label": [1, 2, 3, 4]})
    rows = rows_of(parts_of(url, tmp_path, input_column=given and given.format(name)))
    assert [row.id for row in rows] == ["a.jpg", "b.jpg", "t.parquet#0:2", "t.parquet#0:3"]
    assert [load(row) for row in rows[:3]] == [b"x", b"y", b"z"]
    assert rows[3].reason == f"null: column '{name}.bytes' is null"
    assert [row.filename for row in rows[:2]] == ["a.jpg", "b.jpg"]


def test_a_struct_of_sparks_binary_files_and_an_id_beside_it_are_read(tmp_path):
    values = pa.array([{"path": "/a", "length": 1, "content": b"x"}], BINARY_FILE)
    url = write(tmp_path / "t.parquet", {"file": values, "id": [5]})
    assert [(row.id, load(row)) for row in rows_of(parts_of(url, tmp_path))] == [("5", b"x")]
    rows = rows_of(parts_of(url, tmp_path, id_column="file.path"))
    assert [(row.id, load(row)) for row in rows] == [("/a", b"x")]


def test_of_sparks_image_source_the_file_itself_is_scored(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    values = pa.array([{"origin": f"file://{tmp_path}/a.jpg", "height": 1, "data": b"pixels"}], SPARK_IMAGE)
    (row,) = rows_of(parts_of(write(tmp_path / "t.parquet", {"image": values}), tmp_path))
    assert (row.id, load(row)) == (f"file://{tmp_path}/a.jpg", b"x")


@pytest.mark.parametrize(
    ("kind", "text"),
    [(pa.int8(), "7"), (pa.uint64(), "7"), (pa.decimal128(9, 2), "7.00"), (pa.large_string(), "7"), (pa.string(), "7")],
)
def test_ids_may_be_text_integers_or_decimals(tmp_path, kind, text):
    ids = pa.array(["7"]).cast(kind)
    url = write(tmp_path / "t.parquet", {"id": ids, "bytes": [b"x"]})
    assert [row.id for row in rows_of(parts_of(url, tmp_path))] == [text]


def test_a_column_of_the_right_name_and_the_wrong_type_is_told(tmp_path):
    url = write(tmp_path / "t.parquet", {"id": [0.5], "bytes": [b"x"]})
    said = (
        r"no column path or id of ids \(string, integer or decimal\), its 'id' is double, it has id \(double\), bytes"
    )
    with pytest.raises(UsageError, match=said):
        parts_of(url, tmp_path)
    url = write(tmp_path / "u.parquet", {"Path": [1]})
    with pytest.raises(UsageError, match=r"of paths or pictures, its 'Path' is int64, it has Path \(int64\)"):
        parts_of(url, tmp_path)


def test_other_columns_and_the_values_of_folders_are_kept(tmp_path):
    write(tmp_path / "t" / "country=de" / "day=2026-01-01%3A" / "1.parquet", {"path": ["/a", "/b"], "n": [1, 2]})
    write(tmp_path / "t" / "country=__HIVE_DEFAULT_PARTITION__" / "2.parquet", {"more": ["m"], "path": ["/c"]})
    listing = list_parts(find_input(str(tmp_path / "t")), str(tmp_path / "lists"))
    assert listing.columns == {"more": pa.string(), "country": pa.string(), "n": pa.int64(), "day": pa.string()}
    kept = name_columns(listing.columns, ["id", "label"])
    rows = {row.id: row.kept for part in listing.parts for row in read_rows(part, kept)}
    assert rows["/a"] == {"more": None, "country": "de", "n": 1, "day": "2026-01-01:"}
    assert rows["/c"] == {"more": "m", "country": None, "n": None, "day": None}


def test_a_column_of_two_types_is_refused_before_anything_is_scored(tmp_path):
    write(tmp_path / "t" / "1.parquet", {"path": ["/a"], "n": [1]})
    write(tmp_path / "t" / "2.parquet", {"path": ["/b"], "n": ["x"]})
    with pytest.raises(DataError, match=r"2\.parquet': column 'n' is string, in '.*1\.parquet' it is int64"):
        parts_of(str(tmp_path / "t"), tmp_path)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("{0}/a.jpg\nb.jpg\n", ["{0}/a.jpg", "b.jpg"]),
        ("{0}/a.jpg\r\n\r\nb.jpg", ["{0}/a.jpg", "b.jpg"]),
        ("\ufeffb.jpg\n", ["b.jpg"]),
        ("path\nb.jpg\n", ["b.jpg"]),
        ('n,path\n1,b.jpg\n2,"c,1.jpg"\n', ["b.jpg", "c,1.jpg"]),
        ("Path\tn\nb.jpg\t1\n", ["b.jpg"]),
        ("c,1.jpg\nb.jpg\n", ["c,1.jpg", "b.jpg"]),
    ],
)
@pytest.mark.parametrize("name", ["list.txt", "part-00000"])
def test_a_list_names_pictures_line_by_line_or_in_a_column(tmp_path, lines, found, name):
    for picture in ("a.jpg", "b.jpg", "c,1.jpg"):
        (tmp_path / picture).write_bytes(picture.encode())
    (tmp_path / "l").mkdir()
    (tmp_path / name).write_text(lines.format(tmp_path), encoding="utf-8", newline="")
    rows = rows_of(parts_of(str(tmp_path / name), tmp_path))
    assert [row.id for row in rows] == [text.format(tmp_path) for text in found]
    assert [load(row) for row in rows] == [row.id.rpartition("/")[2].encode() for row in rows]


def test_columns_of_a_list_are_chosen_and_kept_by_name(tmp_path):
    (tmp_path / "l.csv").write_text("n,file,id\n1,a.jpg,x\n2,b.jpg,y\n")
    listing = list_parts(find_input(str(tmp_path / "l.csv")), str(tmp_path / "l"), input_column="file", id_column="id")
    rows = [row for part in listing.parts for row in read_rows(part, name_columns(listing.columns, []))]
    assert [(row.id, row.url, row.kept) for row in rows] == [
        ("x", f"{tmp_path}/a.jpg", {"n": "1"}),
        ("y", f"{tmp_path}/b.jpg", {"n": "2"}),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (
            "n,file\n1,a.jpg\n",
            UsageError,
            r"l\.csv' line 1 has no column path, it has n, file; name one by --input_column",
        ),
        ("path,n\na.jpg\n", DataError, r"l\.csv' line 2 has 1 values, wanted 2"),
        ('path,n\n"a.jpg,1\n', DataError, r"l\.csv' line \d is no CSV"),
        ("path,path\na,b\n", UsageError, "has the column 'path' more than once"),
        ("n;Path\n1;a.jpg\n", UsageError, r"l\.csv' line 1 has ';' between its columns, wanted a comma or a tab"),
    ],
)
def test_a_list_that_is_wrong_is_told_by_its_line(tmp_path, text, kind, said):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(kind, match=said):
        parts_of(str(tmp_path / "l.csv"), tmp_path)


def test_a_relative_path_of_a_query_is_a_reject(tmp_path):
    url = write(tmp_path / "t.parquet", {"path": ["a.jpg"]})
    files = dataclasses.replace(find_input(url), base="")
    (row,) = rows_of(list_parts(files, str(tmp_path / "lists")).parts)
    assert row.reason == "no path: 'a.jpg' is relative, and a query has no folder that it could be from"
