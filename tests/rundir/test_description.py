"""run.json: what is written is what is read; old ones read; a damaged one is told in one sentence."""

import pytest

from sparkcv import storage
from sparkcv.errors import CheckpointError
from sparkcv.rundir.description import RunDescription

WHOLE = RunDescription(
    model_name="lenet",
    num_classes=2,
    labels=("cat", "dog"),
    num_records=10,
    dataset_digest="ab12",
    resumed_from_step=5,
    started=1.5,
    sparkcv="1.0",
    source="0123",
    reproduces="/runs/before",
    versions={"python": "3.11"},
    config={"train_image_size": 28, "preprocessing_name": None, "batch_size": 4},
)


@pytest.fixture
def run_url(tmp_path):
    return str(tmp_path / "run")


def test_what_is_written_is_what_is_read(run_url):
    assert RunDescription.read(run_url) is None
    WHOLE.write(run_url)
    assert RunDescription.read(run_url) == WHOLE
    assert (WHOLE.train_image_size, WHOLE.preprocessing_name) == (28, None)
    assert storage.read_json(f"{run_url}/run.json")["schema"] == 1
    assert set(storage.read_json(f"{run_url}/run.json")) == {
        "schema", "sparkcv", "versions", "model_name", "num_classes", "num_records", "labels", "dataset_digest",
        "resumed_from_step", "started", "config", "source", "reproduces",
    }  # fmt: skip


@pytest.mark.parametrize("value", [{}, {"model_name": None}, {"later": [1]}])
def test_what_a_file_does_not_say_is_empty(run_url, value):
    storage.write_json(f"{run_url}/run.json", value)
    assert RunDescription.read(run_url) == RunDescription()
    storage.write_json(f"{run_url}/run.json", {"model_name": "lenet", "started": 3})
    assert RunDescription.read(run_url) == RunDescription(model_name="lenet", started=3)


@pytest.mark.parametrize(
    ("text", "got", "wanted"),
    [
        ("", "it holds no JSON", "JSON that a run wrote"),
        ("[" * 100_000, "it holds no JSON", "JSON that a run wrote"),
        ("[1]", "it holds no JSON object", "one that a run wrote"),
        ('{"schema": 2}', "its schema is 2", "1, or a newer sparkcv"),
        ('{"model_name": 1}', "its model_name is 1", "a name"),
        ('{"num_classes": "8"}', "its num_classes is '8'", "a whole number"),
        ('{"num_classes": true}', "its num_classes is True", "a whole number"),
        ('{"labels": "cat"}', "its labels is 'cat'", "a list of names"),
        ('{"labels": [1]}', r"its labels are \[1\]", "a list of names"),
        ('{"source": 1}', "its source is 1", "a digest"),
        ('{"reproduces": []}', r"its reproduces is \[\]", "a folder"),
        ('{"resumed_from_step": 1.5}', "its resumed_from_step is 1.5", "a step"),
        ('{"config": []}', r"its config is \[\]", "an object of flags"),
        ('{"config": {"train_image_size": "big"}}', "its train_image_size is 'big'", "a number of pixels"),
    ],
)
def test_a_damaged_file_is_told_by_what_was_got_what_was_wanted_and_where(run_url, text, got, wanted):
    storage.write_text(f"{run_url}/run.json", text)
    with pytest.raises(
        CheckpointError, match=f"'{run_url}/run.json' is not the .* run: {got}, wanted {wanted}"
    ) as told:
        RunDescription.read(run_url)
    assert len(str(told.value)) < 1000


def test_another_programs_file_is_passed_over_only_where_that_is_said(run_url):
    storage.write_json(f"{run_url}/run.json", ["no", "object"])
    assert RunDescription.read(run_url, pass_over_foreign=True) is None
    storage.write_text(f"{run_url}/run.json", "no json")
    with pytest.raises(CheckpointError, match="it holds no JSON"):
        RunDescription.read(run_url, pass_over_foreign=True)
