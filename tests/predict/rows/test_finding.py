import gzip
import io
import os
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv import storage
from sparkcv.errors import DataError, MissingFileError, StorageError, UsageError
from sparkcv.predict.rows import LeftOut, find_input
from sparkcv.records import tfrecord


def parquet():
    sink = io.BytesIO()
    pq.write_table(pa.table({"path": ["a"]}), sink)
    return sink.getvalue()


JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SHARD = tfrecord.frame(b"record") * 3
PARQUET = parquet()
BYTES = {".jpg": JPEG, ".png": PNG, ".tfrecord": SHARD, ".tfrecords": SHARD, ".parquet": PARQUET}


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BYTES.get(path.suffix.lower(), b"x"))
    return str(folder)


def write(folder, **contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return str(folder)


def names(files, left_out=None):
    return [files.name(entry) for entry in files.entries(left_out)]


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (("a/1.jpg", "b/2.PNG"), "pictures"),
        (("a/1.jpg", "b/notes.txt"), "pictures"),
        (("x-00000-of-00001.tfrecord", "labels.txt", "manifest.json"), "records"),
        (("train-00000-of-00001",), "records"),
        (("x.tfrecords",), "records"),
        (("rgb-train.tfrecord-00000-of-00001", "label.labels.txt"), "records"),
        (("x_train.record", "x.tfrecord.gz"), "records"),
        (("a/1.gif", "a/2.webp", "@eaDir/a/1.gif/thumb"), "pictures"),
        (("part-0.parquet", "_SUCCESS"), "table"),
        (("paths.txt",), "list"),
    ],
)
def test_a_folder_tells_its_kind(tmp_path, found, kind):
    assert find_input(make(tmp_path, *found)).kind == kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (JPEG, "pictures"),
        (PNG, "pictures"),
        (SHARD, "records"),
        (gzip.compress(SHARD, mtime=0), "records"),
        (zlib.compress(SHARD), "records"),
        (PARQUET, "table"),
        (b"/data/1.jpg\n/data/2.jpg\n", "list"),
        ("/daten/ü.jpg\n".encode("latin-1"), "list"),
    ],
)
@pytest.mark.parametrize("name", ["part-r-00000", "data.bin", "x"])
def test_the_content_tells_the_kind_under_any_name(tmp_path, data, kind, name):
    folder = write(tmp_path / "in", **{name: data})
    assert find_input(folder).kind == kind
    assert find_input(f"{folder}/{name}").kind == kind
    assert names(find_input(folder)) == [name]


def test_the_content_beats_the_name(tmp_path):
    assert find_input(write(tmp_path / "a", **{"x.tfrecord": JPEG})).kind == "pictures"
    assert find_input(write(tmp_path / "b", **{"x.jpg": SHARD})).kind == "records"
    assert find_input(write(tmp_path / "c", **{"x.tfrecord.gz": gzip.compress(SHARD, mtime=0)})).kind == "records"


def test_a_shard_that_is_damaged_at_its_beginning_is_a_shard_by_its_name(tmp_path):
    folder = write(tmp_path / "s", **{"x.tfrecord": SHARD, "y.tfrecord": b"\x01" + SHARD[1:]})
    assert names(find_input(folder)) == ["x.tfrecord", "y.tfrecord"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"ORC\x00\x01\x02" + bytes(50), r"holds ORC \(such as 'part-0'\), which is not read, wanted .*TABLE orc\.`"),
        (b"Obj\x01\x04\x14", "holds Avro"),
        (b"PK\3\4" + bytes(50), "holds ZIP"),
        (bytes(257) + b"ustar\x00" + bytes(300), "holds tar"),
        (gzip.compress(b"/a.jpg\n" * 50, mtime=0), "holds gzip of text"),
        (gzip.compress(bytes(257) + b"ustar\x00" + bytes(300), mtime=0), "holds gzip of tar"),
        (b'{"path": "a.jpg"}\n', "holds JSON"),
        (b"<html></html>", "holds XML or HTML"),
        (b"%PDF-1.4\n%\xe2\xe3", "holds PDF"),
        (b"SEQ\x06", "holds Hadoop's SequenceFile"),
    ],
)
def test_a_format_that_is_not_read_is_refused_by_its_name(tmp_path, data, said):
    folder = write(tmp_path / "in", **{"part-0": data})
    for given in (folder, f"{folder}/part-0", f"{folder}/part-*"):
        with pytest.raises(UsageError, match=said):
            find_input(given)


def test_names_are_relative_and_keep_spaces_and_other_alphabets(tmp_path):
    given = ["a b/ö 1.jpg", "#1?.png", "日本/%20.jpg", "new\nline.jpg", "*.jpg"]
    assert sorted(names(find_input(make(tmp_path, *given)))) == sorted(given)


def test_a_name_that_is_no_utf8_is_escaped_and_no_other_file_has_that_name(tmp_path):
    for name in (b"\xff.jpg", b"\\xff.jpg", b"\\\\xff.jpg"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(JPEG)
    assert sorted(names(find_input(str(tmp_path)))) == ["\\\\\\\\xff.jpg", "\\\\xff.jpg", "\\xff.jpg"]


CAMERAS = ["_DSC0001.JPG", "_MG_1234.JPG", "_more/1.jpg", "_more/_/2.jpg", "a.jpg", "@x/3.jpg", "_metadata.jpg"]


def test_no_picture_is_left_out_for_its_underscore(tmp_path):
    left_out = LeftOut()
    assert sorted(names(find_input(make(tmp_path, *CAMERAS)), left_out)) == sorted(CAMERAS)
    assert left_out.count == 0


def test_hidden_and_foreign_files_are_left_out_counted_and_named(tmp_path):
    foreign = [".DS_Store", "b/.DS_Store", "__MACOSX/._a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB.jpg", "Thumbs.db"]
    foreign += ["b/thumbs.db", "_SUCCESS", "_metadata", ".git/x.jpg", "desktop.ini", "_temporary/0/a.jpg"]
    left_out = LeftOut()
    assert names(find_input(make(tmp_path, "a.jpg", "b/c.jpg", *foreign)), left_out) == ["a.jpg", "b/c.jpg"]
    assert left_out.to_dict() == {
        ".DS_Store": 2,
        ".git/": 1,
        "@eaDir/": 1,
        "Thumbs.db": 1,
        "_SUCCESS": 1,
        "__MACOSX/": 1,
        "_metadata": 1,
        "_temporary/": 1,
        "desktop.ini": 1,
        "thumbs.db": 1,
    }
    assert str(left_out).startswith("11 files or folders: .DS_Store x 2, ")


def test_names_that_were_left_out_are_kept_up_to_a_hundred_and_cannot_forge_a_line():
    left_out = LeftOut()
    for index in range(1000):
        left_out.add(f".{index}\n")
    assert left_out.count == 1000
    assert len(left_out.to_dict()) == 100
    assert "\n" not in str(left_out)
    assert str(left_out).endswith("992 more")


def test_what_is_named_is_an_input_though_it_is_hidden(tmp_path):
    folder = make(tmp_path, ".hidden/a.jpg", ".b.jpg")
    assert names(find_input(f"{folder}/.hidden")) == ["a.jpg"]
    assert names(find_input(f"{folder}/.b.jpg")) == [".b.jpg"]
    assert names(find_input(f"{folder}/.hidden/*")) == ["a.jpg"]


def test_what_is_neither_shard_nor_parquet_is_told_and_no_input_beside_them(tmp_path):
    shards = make(tmp_path / "s", "x-00000-of-00001.tfrecord", "labels.txt", "quarantine/x.jsonl")
    left_out = LeftOut()
    assert names(find_input(shards), left_out) == ["x-00000-of-00001.tfrecord"]
    assert left_out.to_dict() == {"labels.txt": 1, "x.jsonl": 1}
    table = make(tmp_path / "t", "d/1.parquet", "readme", "_rejects/2.parquet", "_SUCCESS")
    assert names(find_input(table)) == ["d/1.parquet"]


def test_a_link_in_a_circle_costs_itself_and_is_told(tmp_path):
    folder = make(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    left_out = LeftOut()
    assert names(find_input(folder), left_out) == ["a/1.jpg", "b/2.jpg"]
    assert left_out.to_dict() == {"loop/": 1}


def test_links_that_make_a_circle_together_cost_themselves(tmp_path):
    folder = make(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    (tmp_path / "b" / "itself").symlink_to("itself")  # a file that cannot be read, and so a reject
    left_out = LeftOut()
    found = names(find_input(folder), left_out)
    assert found == ["a/1.jpg", "a/b/2.jpg", "a/b/itself", "b/2.jpg", "b/a/1.jpg", "b/itself"]
    assert left_out.to_dict() == {"a/": 1, "b/": 1}
    with pytest.raises(StorageError, match="leads back to"):
        list(storage.walk(folder))


def test_one_file_or_a_pattern_is_an_input_too(tmp_path):
    folder = make(tmp_path, "f_test-00000-of-00002.tfrecord", "f_test-00001-of-00002.tfrecord", "f_train.tfrecord")
    assert names(find_input(folder + "/f_train.tfrecord")) == ["f_train.tfrecord"]
    assert names(find_input(folder + "/f_test-*")) == [f"f_test-0000{i}-of-00002.tfrecord" for i in range(2)]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("{0}/t/*/*.jpg", ["a/1.jpg", "a/2.jpg", "b/1.jpg"]),
        ("{0}/t/{{a,b}}", ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/c/3.jpg"]),
        ("{0}/t/{{a,b}}/1.jpg", ["a/1.jpg", "b/1.jpg"]),
        ("{0}/t/[a-b]/c/*", ["b/c/3.jpg"]),
        ("{0}/t/a,{0}/t/b/c", ["a/1.jpg", "a/2.jpg", "b/c/3.jpg"]),
        ("{0}/t/a/?.jpg, {0}/t/b/1.jpg", ["a/1.jpg", "a/2.jpg", "b/1.jpg"]),
        ("{0}/t/a,{0}/t/a/1.jpg,{0}/t/*", ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/c/3.jpg"]),
        ("{0}/t/{{a/1,b/c/3}}.jpg", ["a/1.jpg", "b/c/3.jpg"]),
        ("file://{0}/t/a,file://{0}/t/b/1.jpg", ["a/1.jpg", "a/2.jpg", "b/1.jpg"]),
    ],
)
def test_patterns_words_and_lists_name_each_file_once_below_their_common_folder(tmp_path, given, found):
    make(tmp_path / "t", "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/c/3.jpg")
    assert sorted(names(find_input(given.format(tmp_path)))) in ([*found], [f"t/{name}" for name in found])


def test_a_relative_list_is_taken_from_the_working_folder(tmp_path, monkeypatch):
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    monkeypatch.chdir(tmp_path)
    files = find_input("a,b")
    assert (files.input, names(files)) == (f"{tmp_path}/a,{tmp_path}/b", ["a/1.jpg", "b/2.jpg"])


def test_a_name_with_signs_is_itself_first(tmp_path):
    assert names(find_input(make(tmp_path, "*.jpg", "b.jpg") + "/*.jpg")) == ["*.jpg"]
    assert names(find_input(make(tmp_path / "x", "{a,b}/1.jpg", "a/2.jpg", "b/3.jpg") + "/{a,b}")) == ["1.jpg"]
    assert names(find_input(make(tmp_path / "y", "a,b.jpg") + "/a,b.jpg")) == ["a,b.jpg"]


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ("{0}/{{a,none}}", MissingFileError, "nothing at '.*/none'"),
        ("{0}/a,{0}/none", MissingFileError, "nothing at '.*/none'"),
        ("{0}/a/*.png", DataError, r"no file in '.*/a/\*\.png'"),
        ("{0}/none/*", MissingFileError, "nothing at '.*/none'"),
        ("{0}/a,{0}/*.png", DataError, r"no file in '.*/\*\.png'"),
        ("{0}/**/1.jpg", UsageError, r"`\*\*` is no pattern here: of a folder, all below it is scored"),
        ("{0}/a,memory://x/b", MissingFileError, "nothing at 'memory://x/b'"),
        ("{0}/{{a,b,c,d}}{{a,b,c,d}}{{a,b,c,d}}{{a,b,c,d}}{{a,b,c,d}}{{a,b,c,d}}", UsageError, "more than 1000 names"),
    ],
)
def test_a_pattern_or_word_that_names_nothing_is_told(tmp_path, given, kind, said):
    make(tmp_path, "a/1.jpg")
    with pytest.raises(kind, match=f"--input: .*{said}"):
        find_input(given.format(tmp_path))


def test_a_mixture_is_refused(tmp_path):
    with pytest.raises(
        UsageError, match=r"holds Parquet and pictures, such as 'b\.parquet' and 'a\.jpg'; name the fol"
    ):
        find_input(make(tmp_path, "a.jpg", "b.parquet"))
    with pytest.raises(UsageError, match="holds Parquet and TFRecord shards"):
        find_input(make(tmp_path / "x", "a.tfrecord", "b.parquet"))


def test_nothing_there_and_nothing_in_it_are_told_apart(tmp_path):
    with pytest.raises(MissingFileError, match=r"--input: nothing at .*wanted pictures"):
        find_input(str(tmp_path / "none"))
    with pytest.raises(DataError, match="--input: no file in"):
        find_input(str(tmp_path))
    with pytest.raises(DataError, match="--input: no file in"):
        find_input(str(tmp_path / "x-*"))
    with pytest.raises(DataError, match=r"--input: no file in .* but 1 file or folder: \.DS_Store"):
        find_input(make(tmp_path, ".DS_Store"))


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake table: its _delta_log says which"),
        (".hoodie/hoodie.properties", "Apache Hudi table"),
        ("metadata/v1.metadata.json", "Apache Iceberg table"),
        ("_spark_metadata/0", "what Spark's streaming wrote"),
    ],
)
def test_a_table_with_a_log_of_its_own_is_refused_by_its_name_wherever_it_is_met(tmp_path, log, said):
    table = make(tmp_path / "lake" / "t", "1.parquet", "day=1/2.parquet", log)
    for given in (table, f"{table}/day=1", f"{table}/*.parquet", f"{table}/day=1/2.parquet", str(tmp_path / "lake")):
        with pytest.raises(UsageError, match=f"--input: '{table}' is .*{said}"):
            find_input(given)


def test_a_folder_metadata_with_pictures_is_just_a_folder(tmp_path):
    assert names(find_input(make(tmp_path, "metadata/a.jpg"))) == ["metadata/a.jpg"]


@pytest.mark.parametrize(
    "given", ["db.table", "catalog.db.table", "SELECT path FROM t", "  with x as (select 1) select 2"]
)
def test_a_table_that_spark_may_know_and_sql_are_queries(given):
    assert find_input(given).kind == "query"


def test_a_file_named_as_a_table_could_be_is_a_file(tmp_path, monkeypatch):
    make(tmp_path, "a.jpg")
    monkeypatch.chdir(tmp_path)
    assert find_input("a.jpg").kind == "pictures"


def test_the_place_of_the_output_is_known_to_be_in_the_input_or_not(tmp_path):
    folder = make(tmp_path, "a/1.jpg", "b/2.jpg")
    assert find_input(folder).holds(f"{folder}/out")
    assert find_input(f"{folder}/*").holds(f"{folder}/out")
    assert find_input(f"{folder}/a,{folder}/b").holds(f"{folder}/b/out")
    assert not find_input(f"{folder}/a,{folder}/b").holds(f"{folder}/out")
    assert not find_input(f"{folder}/a").holds(f"{folder}/ab")
