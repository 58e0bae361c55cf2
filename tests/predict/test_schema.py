"""Spark's words for the columns that Arrow has."""

import pyarrow as pa
import pytest

from sparkcv.predict.schema import SCORED, ddl


def test_the_scored_columns_in_sparks_words():
    assert ddl(SCORED) == (
        "id string, filename string, label string, label_id int, score float,"
        " top_k array<struct<label: string, score: float>>, damaged boolean, has_more_frames boolean,"
        " model_digest string, scored_at timestamp,"
        " reason string, bytes bigint, where string"
    )


def test_a_type_without_a_word_is_no_column():
    with pytest.raises(KeyError):
        ddl(pa.schema([("day", pa.duration("s"))]))
