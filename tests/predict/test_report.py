import json

from sparkcv.predict.report import ScoreReport


def make(rejects):
    return ScoreReport(
        90, rejects, 20.0, "/in", "/model", "ab" * 32, "/out/dt=2026-01-01", "/out/dt=2026-01-01/_rejects"
    )


def test_the_table_says_rows_reasons_speed_and_places():
    text = str(make({"truncated": 2, "empty": 8}))
    assert "100: 90 predictions, 10 rejects" in text
    assert text.index("8 x empty") < text.index("2 x truncated")
    assert "5.0 images/s" in text
    for place in ("/in", "/model", "/out/dt=2026-01-01/_rejects"):
        assert place in text


def test_reasons_from_data_cannot_forge_a_line():
    assert "\x1b" not in str(make({"x\x1b[31m\nrows scored": 1}))


def test_many_reasons_are_cut_and_counted():
    text = str(make({f"reason {index:02d}": 1 for index in range(25)}))
    assert text.count("reason ") == 10
    assert "15 x 15 other reasons" in text


def test_it_is_json():
    assert json.loads(json.dumps(make({"empty": 1}).to_dict()))["num_rows"] == 91
