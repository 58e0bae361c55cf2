import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv.errors import DataError, UsageError
from sparkcv.predict.rows import count_rows, find_input, list_parts, load, read_ids, read_rows, split


def write(path, columns, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return str(path)


def parts_of(url, tmp_path, **options):
    return list_parts(find_input(url), str(tmp_path / "lists"), **options)


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
