"""Flags of an input that has no use for them: taken, and not looked at, they would be lost in silence."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkcv.config import ScoreConfig
from sparkcv.driver import score_input
from sparkcv.errors import UsageError
from sparkcv.predict import rows
from sparkcv.records import tfrecord


@pytest.fixture
def inputs(tmp_path):
    """A folder, and in it one input of each kind that has files."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    pq.write_table(pa.table({"path": ["a.jpg"]}), tmp_path / "table.parquet")
    (tmp_path / "list.txt").write_text("pictures/a.jpg\n")
    (tmp_path / "x_test-00000-of-00001.tfrecord").write_bytes(tfrecord.frame(b"record"))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "flag", "sentence"),
    [
        ("pictures", "id_column", "--id_column c: a folder of pictures has no use for it; wanted it unset"),
        ("pictures", "input_column", "--input_column c: a folder of pictures has no use for it"),
        ("pictures", "image_feature", "--image_feature c: an input without TFRecord shards has no use for it"),
        ("x_test-*", "id_column", "--id_column c: an input of TFRecord shards has no use for it"),
        ("table.parquet", "image_feature", "--image_feature c: an input without TFRecord shards has no use for it"),
        ("x_test-*", "image_feature", None),
        ("table.parquet", "id_column", None),
        ("list.txt", "input_column", None),
    ],
)
def test_a_flag_of_another_kind_of_input_is_refused(inputs, name, flag, sentence):
    files = rows.find_input(str(inputs / name))
    config = ScoreConfig(input=files.input, model_dir="/m", output_dir="/o", **{flag: "c"})
    if sentence is None:
        score_input.refuse_unused(config, files)
        return
    with pytest.raises(UsageError) as caught:
        score_input.refuse_unused(config, files)
    assert sentence in str(caught.value)
