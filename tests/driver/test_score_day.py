"""A day that is there already, as the run finds it that has nothing left to score."""

import pytest

from sparkcv.config import ScoreConfig
from sparkcv.driver import score_day
from sparkcv.driver.score_day import PriorDay
from sparkcv.driver.score_input import FrozenInput
from sparkcv.predict.rows import LeftOut
from sparkcv.predict.tables import Published
from sparkcv.predict.tables.parquet import ParquetTable


@pytest.mark.parametrize(
    ("flags", "told", "is_said"),
    [
        ({}, {}, False),
        ({"labels_from": "none"}, {}, False),
        ({"labels_from": "folders"}, {}, True),
        ({"label_column": "kind"}, {}, True),
        ({"label_column": "kind"}, {"metrics": {"accuracy": 0.5}}, False),
    ],
)
def test_labels_that_come_when_a_day_is_complete_are_not_left_out_in_silence(flags, told, is_said):
    counts = {"num_predictions": 2, "num_rows": 2, "rejects": {}, "reasons": {}, "marks": {}}
    report = {**counts, "run_id": "r", "model_digest": "d", **told}
    prior = PriorDay(ParquetTable("/out"), "2026-01-02", Published("/out/d", "/out/d", ("/out/d",)), report)
    config = ScoreConfig(input="/in", model_dir="/model", output_dir="/out", **flags)
    notes = score_day.complete(prior, config, FrozenInput("/pieces", 1, 2, (), LeftOut())).notes
    assert notes[0] == "complete already: run r scored all 2 rows of the input, none is new"
    assert [note[:11] for note in notes[1:]] == ["no accuracy"] * is_said
