"""The schema beside a table: what fits, what is refused, and whose folder it is."""

import os

import pytest

from sparkcv import storage
from sparkcv.errors import DataError, SchemaError
from sparkcv.predict import table_schema
from sparkcv.predict.table_schema import TableSchema, check_owner

HEAD = '{"format": "sparkcv scores", "table_format": "parquet", '


def field(name, kind="string", nullable=True):
    return {"name": name, "type": kind, "nullable": nullable, "metadata": {}}


ID = field("id", nullable=False)
REJECTS = (ID, field("reason", nullable=False))


def schema(*fields):
    return TableSchema("parquet", (ID, *fields), REJECTS)


@pytest.fixture
def out(tmp_path):
    """A folder with a table of the columns id and n."""
    schema(field("n", "long")).check(str(tmp_path), may_add=False).write(str(tmp_path))
    return str(tmp_path)


def test_the_first_night_says_what_the_table_has(out):
    said = storage.read_json(f"{out}/_schema.json")
    assert (said["format"], said["version"]) == ("sparkcv scores", 1)
    assert [one["name"] for one in said["predictions"]] == ["id", "n"]
    assert said["versions"][0]["added"] == []
    assert schema(field("n", "long")).check(out, may_add=False).version == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], r"'n' is long there; another --output_dir keeps both"),
        ([field("n")], r"'n' is long there and string now; another"),
        ([field("n", "long"), field("m")], r"'m' is string now; --evolve_schema adds new columns, another"),
        ([field("m")], r"'n' is long there, 'm' is string now; another"),
        ([field("n", {"type": "array", "elementType": "long", "containsNull": True})], r"'n' is long there and \{"),
    ],
)
def test_other_columns_are_named(out, fields, said):
    with pytest.raises(SchemaError, match=r"^'\S+_schema.json': this run's predictions .* version 1 of .*" + said):
        schema(*fields).check(out, may_add=False)


def test_a_null_fits_only_where_nulls_may_be(tmp_path):
    out = str(tmp_path)
    schema(field("n", "long", False)).check(out, may_add=False).write(out)
    with pytest.raises(SchemaError, match=r"'n' is long \(required\) there and long now"):
        schema(field("n", "long", True)).check(out, may_add=True)


def test_new_columns_are_a_new_version_that_an_older_program_s_rows_do_not_fit(out):
    grown = schema(field("n", "long"), field("m", nullable=False)).check(out, may_add=True)
    grown.write(out)
    there = table_schema.read(out)
    assert (there.version, there.versions[1]["added"]) == (2, ["m"])
    assert there.predictions[-1] == field("m"), "rows of older nights have none"
    assert schema(field("n", "long"), field("m", nullable=False)).check(out, may_add=False) == there
    for may_add in (False, True):
        with pytest.raises(SchemaError, match="than version 2 of the table: 'm' is string there; another"):
            schema(field("n", "long")).check(out, may_add=may_add)


def test_of_two_first_nights_the_second_must_fit_the_first(tmp_path):
    out = str(tmp_path)
    first, second = (schema(field(name)).check(out, may_add=False) for name in ("n", "m"))
    first.write(out)
    first.write(out)
    with pytest.raises(SchemaError, match="'n' is string there, 'm' is string now"):
        second.write(out)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": "other"}',
        HEAD + '"version": 1, "predictions": [1], "rejects": [], "versions": [{}]}',
        HEAD + '"version": 1, "predictions": [], "rejects": [], "versions": []}',
        HEAD + '"version": 3, "predictions": [], "rejects": [], "versions": [{}]}',
    ],
)
def test_a_file_that_is_no_schema_is_refused_and_kept(tmp_path, text):
    path = tmp_path / "_schema.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"_schema.json"):
        check_owner(str(tmp_path), "parquet")
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("_delta_log/0.json", "is a Delta Lake table of another program"),
        (".hoodie/hoodie.properties", "is an Apache Hudi table of another program"),
        ("metadata/v1.metadata.json", "is an Apache Iceberg table of another program"),
        ("country=de/a.parquet", "holds 'country=de', which is no day of a table of scores"),
        ("dt=yesterday/a.parquet", "holds 'dt=yesterday', which is no day"),
        ("part-0.PARQUET", "holds 'part-0.PARQUET', which is no day"),
    ],
)
def test_another_owner_s_folder_is_refused_by_name(tmp_path, path, said):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    with pytest.raises(SchemaError, match=f"^--output_dir: '{tmp_path}' {said}.*; another --output_dir keeps both$"):
        check_owner(str(tmp_path), "parquet")
    assert file.exists()


def test_days_hidden_files_and_notes_are_no_other_owner_s(out):
    for name in ("dt=2026-01-02", ".staging-x", "notes"):
        os.makedirs(f"{out}/{name}")
    storage.write_text(f"{out}/README.md", "whose table this is")
    storage.write_text(f"{out}/_failed-2026-01-03.html", "")
    check_owner(out, "parquet")
    check_owner(f"{out}/none-yet", "parquet")


def test_a_table_keeps_its_form(out, tmp_path):
    with pytest.raises(SchemaError, match="holds a table of --table_format parquet, got delta; another --output_dir"):
        check_owner(out, "delta")
    storage.delete(f"{out}/_schema.json")
    os.makedirs(f"{out}/dt=2026-01-02")
    with pytest.raises(SchemaError, match="holds days of --table_format parquet, got delta; another --output_dir"):
        check_owner(out, "delta")
