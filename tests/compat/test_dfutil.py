"""DataFrames as TFRecords: what goes out comes back, TensorFlow reads it, and bad input is one sentence."""

import shutil
import struct
import zlib

import pytest
from pyspark.sql import Row
from pyspark.sql import types as t

from sparkcv import storage
from sparkcv.compat import dfutil
from sparkcv.errors import (
    DataError,
    FileExistsAlreadyError,
    MissingFileError,
    RecordError,
    SparkcvError,
    UsageError,
)
from sparkcv.records import tfrecord
from sparkcv.records.features import Value, encode_features

pytestmark = pytest.mark.spark

TYPES = {
    "yes": t.BooleanType(),
    "tiny": t.ByteType(),
    "int": t.IntegerType(),
    "long": t.LongType(),
    "float": t.FloatType(),
    "double": t.DoubleType(),
    "text": t.StringType(),
    "bytes": t.BinaryType(),
    "longs": t.ArrayType(t.LongType()),
    "floats": t.ArrayType(t.FloatType()),
    "texts": t.ArrayType(t.StringType()),
    "blobs": t.ArrayType(t.BinaryType()),
    "void": t.StringType(),
}
WHOLE = (True, -7, 2**31 - 1, -(2**63), 0.5, -1.25, "grüße", b"\xff\0", [1, 2], [0.5, 1.5], ["a", ""], [b"\xfe"], None)
SHORT = (False, 0, 0, 0, 0.0, 0.0, "", b"", [3], [], ["b"], [b"\xfd", b""], None)
NULLS = (None,) * len(TYPES)
BINARY = ["bytes", "blobs"]


@pytest.fixture(scope="module")
def saved(spark, tmp_path_factory):
    """A folder of TFRecords of every type of column; its first record has lists of one and of none."""
    folder = tmp_path_factory.mktemp("saved") / "tfr"
    schema = t.StructType([t.StructField(name, kind) for name, kind in TYPES.items()])
    dfutil.saveAsTFRecords(spark.createDataFrame([SHORT, WHOLE, NULLS], schema).coalesce(1), str(folder))
    return folder


def write(folder, *shards, name="part-{}"):
    """A folder of shards, each a list of records, each a dict of features."""
    folder.mkdir(exist_ok=True)
    for index, shard in enumerate(shards):
        records = [record if isinstance(record, bytes) else encode_features(record) for record in shard]
        (folder / name.format(index)).write_bytes(b"".join(map(tfrecord.frame, records)))
    return str(folder)


def ints(*values):
    return Value(int, values)


def test_every_type_comes_back(spark, saved):
    df = dfutil.loadTFRecords(spark.sparkContext, str(saved), binary_features=BINARY)
    assert dict(df.dtypes) == {
        **dict.fromkeys(("yes", "tiny", "int", "long"), "bigint"),
        **dict.fromkeys(("float", "double"), "double"),
        **dict.fromkeys(("text", "void"), "string"),
        "bytes": "binary",
        "longs": "array<bigint>",
        "floats": "array<double>",
        "texts": "array<string>",
        "blobs": "array<binary>",
    }
    assert df.columns == sorted(TYPES)
    wanted = [dict(zip(TYPES, row, strict=True)) for row in (SHORT, WHOLE, NULLS)]
    assert [row.asDict() for row in df.collect()] == wanted


def test_the_folder_is_as_hadoop_leaves_one(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["_SUCCESS", "part-r-00000"]
    assert [path.name for path in saved.parent.iterdir()] == ["tfr"]


@pytest.mark.tensorflow
def test_tensorflow_reads_them_and_takes_a_null_for_a_missing_feature(saved):
    import tensorflow as tf

    spec = {
        "long": tf.io.FixedLenFeature([], tf.int64, 5),
        "text": tf.io.FixedLenFeature([], tf.string, "none"),
        "floats": tf.io.VarLenFeature(tf.float32),
    }
    read = list(
        tf.data.TFRecordDataset(str(saved / "part-r-00000")).map(lambda one: tf.io.parse_single_example(one, spec))
    )
    assert [int(one["long"]) for one in read] == [0, -(2**63), 5]
    assert [one["text"].numpy().decode() for one in read] == ["", "grüße", "none"]
    assert [one["floats"].values.numpy().tolist() for one in read] == [[], [0.5, 1.5], []]


@pytest.mark.tensorflow
def test_what_tensorflow_wrote_is_read(spark, tmp_path):
    import tensorflow as tf

    feature = {
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[-3])),
        "picture": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"\xff\xd8"])),
        "pixels": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5, 2])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    with tf.io.TFRecordWriter(str(tmp_path / "part-00000")) as writer:
        writer.write(example.SerializeToString())
    df = dfutil.loadTFRecords(spark.sparkContext, str(tmp_path / "part-*"), ["picture"])
    assert df.collect() == [Row(label=-3, picture=bytearray(b"\xff\xd8"), pixels=[0.5, 2.0])]
    assert dfutil.infer_schema(example, ["picture"]) == df.schema
    assert dfutil.infer_schema(example.SerializeToString(), ["picture"]) == df.schema


def test_the_schema_is_that_of_all_records_not_of_the_first(spark, tmp_path):
    first = {"a": 1, "late": Value(None, ())}
    folder = write(tmp_path / "d", [first], [{"a": ints(1, 2), "late": Value(float, [0.5]), "more": b"x"}], [])
    df = dfutil.loadTFRecords(spark.sparkContext, folder)
    assert df.dtypes == [("a", "array<bigint>"), ("late", "double"), ("more", "string")]
    assert sorted(df.collect()) == [Row(a=[1], late=None, more=None), Row(a=[1, 2], late=0.5, more="x")]


def test_a_list_that_is_empty_in_every_record_is_of_the_type_that_the_records_state(spark, tmp_path):
    empty = {"f": Value(float, []), "i": Value(int, []), "b": Value(bytes, []), "n": Value(None, ())}
    folder = write(tmp_path / "d", [empty], [empty])
    df = dfutil.loadTFRecords(spark.sparkContext, folder)
    assert df.dtypes == [("b", "array<string>"), ("f", "array<double>"), ("i", "array<bigint>"), ("n", "string")]
    assert df.first() == Row(b=[], f=[], i=[], n=None)
    mixed = write(tmp_path / "m", [{"x": Value(float, [])}], [{"x": Value(int, [])}])
    with pytest.raises(DataError, match=r"the feature 'x' is .* and .*; wanted one type in all records"):
        dfutil.loadTFRecords(spark.sparkContext, mixed)


def test_arrays_that_are_all_of_length_one_are_arrays_where_the_caller_says_so(spark, tmp_path):
    folder = write(tmp_path / "d", [{"a": ints(1), "b": ints(2)}])
    df = dfutil.loadTFRecords(spark.sparkContext, folder, array_features=["a"])
    assert df.collect() == [Row(a=[1], b=2)]


def test_what_was_loaded_is_known_and_what_was_made_from_it_is_not(spark, saved):
    df = dfutil.loadTFRecords(spark.sparkContext, str(saved), BINARY)
    same = df
    assert dfutil.isLoadedDF(same)
    assert dfutil.loadedDF[df] == str(saved)
    assert not dfutil.isLoadedDF(df.filter(df.long == 0))
    assert not dfutil.isLoadedDF(spark.range(1))


def test_the_two_functions_for_partitions_are_each_others_inverse(spark):
    rows = [Row(a=1, b="x", c=[0.5, 1.5]), Row(a=2, b=None, c=[])]
    pairs = list(dfutil.toTFExample([("a", "bigint"), ("b", "string"), ("c", "array<double>")])(rows))
    assert {(type(example), none) for example, none in pairs} == {(bytearray, None)}
    assert list(dfutil.fromTFExample(pairs)) == [rows[0], Row(a=2, b=None, c=[])]


def test_other_storage_is_as_good(spark, hdfs_like):
    dfutil.saveAsTFRecords(spark.range(3), hdfs_like)
    assert sorted(row.id for row in dfutil.loadTFRecords(spark.sparkContext, hdfs_like).collect()) == [0, 1, 2]


@pytest.fixture
def hdfs_like(tmp_path):
    """A URL with a scheme, which the tasks open as they do any other."""
    return f"file://{tmp_path}/a folder/tfr"


def refuse_load(spark, url, kind, sentence, **more):
    with pytest.raises(kind, match=sentence) as caught:
        dfutil.loadTFRecords(spark.sparkContext, str(url), **more)
    one_sentence(caught.value)


def one_sentence(err):
    assert isinstance(err, SparkcvError)
    assert "\n" not in str(err)
    assert len(str(err)) < 500


def test_a_folder_without_records_is_told(spark, tmp_path):
    refuse_load(spark, tmp_path / "none", MissingFileError, "no such file or folder of TFRecords: .*none")
    refuse_load(spark, tmp_path, MissingFileError, "no TFRecord files in")
    refuse_load(spark, tmp_path / "x-*", MissingFileError, "no TFRecord files in .*x-")
    (tmp_path / "part-0").touch()
    refuse_load(spark, tmp_path, DataError, "holds no Example with a feature in its 1 files")
    (tmp_path / "inner").mkdir()
    refuse_load(spark, tmp_path, DataError, "holds the folder 'inner'; wanted TFRecord files only")
    refuse_load(spark, "", UsageError, "got an empty path")


def test_a_damaged_record_is_told_with_its_place(spark, tmp_path):
    folder = write(tmp_path / "d", [{"a": 1}, {"a": 2}])
    path = tmp_path / "d" / "part-0"
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    refuse_load(spark, folder, RecordError, "part-0: damaged at offset .*: cut inside a record")
    path.write_bytes(whole[:-1] + b"!")
    refuse_load(spark, folder, RecordError, "part-0: damaged at offset .*: wrong CRC of the payload")
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"no CRC of it")
    refuse_load(spark, folder, RecordError, "part-0: damaged at offset 0: wrong CRC of the length")
    stream = zlib.compressobj(wbits=31)
    path.write_bytes(stream.compress(whole) + stream.flush(zlib.Z_SYNC_FLUSH))  # as whole as its records are
    refuse_load(spark, folder, RecordError, rf"part-0: damaged at offset {len(whole)} of its content: .* breaks off")
    write(tmp_path / "d", [b"\x0a\xff no Example"])
    refuse_load(spark, folder, RecordError, "part-0 record 0: these .* bytes are no tf.train.Example")


def test_records_that_do_not_agree_are_told_with_both_places(spark, tmp_path):
    folder = write(tmp_path / "d", [{"a": 1}], [{"a": Value(float, [0.5])}])
    refuse_load(
        spark,
        folder,
        DataError,
        r"feature 'a' is int64 \(.*part-0 record 0\) and float \(.*part-1 record 0\); wanted one type",
    )


def test_a_wrong_hint_or_a_missing_one_is_told(spark, tmp_path):
    folder = write(tmp_path / "d", [{"a": 1, "picture": b"\xff\xd8"}])
    refuse_load(spark, folder, DataError, "'picture' has bytes that are no UTF-8 text .*part-0 record 0")
    refuse_load(spark, folder, DataError, "'a' named in binary_features is int64", binary_features=["a", "picture"])


@pytest.mark.parametrize(
    ("schema", "row", "kind", "sentence"),
    [
        ("d date", (None,), UsageError, "the column 'd' is date, which a TFRecord cannot hold"),
        ("a array<array<int>>", ([[1]],), UsageError, "the column 'a' is array<array<int>>"),
        ("n decimal(5,2)", (None,), UsageError, r"the column 'n' is decimal\(5,2\)"),
        (
            "a array<int>",
            ([1, None],),
            RecordError,
            r"the column 'a' has \[1, None\]; wanted array<int>, without nulls",
        ),
        ("x double", (1e300,), RecordError, "the column 'x' has 1e\\+300, more than the float32"),
    ],
)
def test_what_no_tfrecord_holds_is_told_and_leaves_nothing(spark, tmp_path, schema, row, kind, sentence):
    df = spark.createDataFrame([row], schema)
    with pytest.raises(kind, match=sentence) as caught:
        dfutil.saveAsTFRecords(df, str(tmp_path / "out"))
    one_sentence(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_two_columns_of_one_name_and_a_folder_that_is_there_are_refused(spark, tmp_path):
    df = spark.range(1)
    with pytest.raises(UsageError, match="two columns have the name 'id'"):
        dfutil.saveAsTFRecords(df.select("id", "id"), str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(FileExistsAlreadyError, match="is there already"):
        dfutil.saveAsTFRecords(df, str(tmp_path / "out"))
    assert storage.read_text(str(tmp_path / "out" / "mine")) == "kept"
    shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("bigint", "7"),
        ("bigint", 1.5),
        ("bigint", 2**63),
        ("double", "0.5"),
        ("string", 7),
        ("string", b"x"),
        ("binary", 3),
        ("binary", "x"),
        ("array<int>", 3),
        ("array<string>", "text"),
        ("string", "\ud800"),
    ],
)
def test_a_value_of_another_type_is_told_with_its_column(dtype, value):
    encode = dfutil.toTFExample([("c", dtype)])
    with pytest.raises(RecordError, match=f"the column 'c' has .*; wanted {dtype}") as caught:
        list(encode([Row(c=value)]))
    one_sentence(caught.value)
