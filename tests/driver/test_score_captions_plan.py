"""What captioning a day refuses before Spark starts; the net is none that any of it looks at."""

import pytest

from sparkcv import config as configs
from sparkcv.caption.caption_task import CaptionNet
from sparkcv.config import ScoreCaptionsConfig
from sparkcv.driver import caption_net_flags, score_captions_plan
from sparkcv.errors import AtWorkError, SchemaError
from sparkcv.predict.staging import Staging
from sparkcv.predict.table_schema import TableSchema

DAY = "2026-11-20"


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    net = CaptionNet("/none/model.ckpt-1", (), "lenet", None, None)
    monkeypatch.setattr(caption_net_flags, "net_of", lambda config: net)
    monkeypatch.setattr(caption_net_flags, "digest_of", lambda net: "d")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"")
    words = [f"--input={tmp_path / 'in'}", f"--output_dir={tmp_path / 'out'}", f"--date={DAY}"]
    config = configs.parse(ScoreCaptionsConfig, [*words, "--checkpoint_path=/none"], "scorecaptions")
    return lambda: score_captions_plan.prepare(config)


def test_a_second_driver_inside_of_yarn_is_not_ended_before_spark_has_started(tmp_path, prepared, monkeypatch):
    with Staging(str(tmp_path / "out"), DAY, overwrite=False):
        with pytest.raises(AtWorkError):
            prepared()
        for name in ("CONTAINER_ID", "SPARK_YARN_STAGING_DIR", "PYSPARK_GATEWAY_PORT"):
            monkeypatch.setenv(name, "1")
        assert prepared().date == DAY  # YARN would call the application failed; `run` finds the other one


def test_captions_go_into_no_table_of_scores_nor_of_another_program(tmp_path, prepared):
    out = tmp_path / "out"
    field = {"name": "id", "type": "string", "nullable": False, "metadata": {}}
    TableSchema("parquet", (field,), (field,)).check(str(out), may_add=False).write(str(out))
    with pytest.raises(SchemaError, match="holds a table of scores, wanted another folder for captions"):
        prepared()
    for path in out.iterdir():
        path.unlink()
    (out / "part-0.parquet").write_bytes(b"")
    with pytest.raises(SchemaError, match=r"holds 'part-0.parquet', which is no day"):
        prepared()
