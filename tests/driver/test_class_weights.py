"""--class_weights becomes a list of numbers before a run starts, whichever way it was said."""

import dataclasses
import json

import pytest

from sparkcv.driver.class_weights import settled_weights
from sparkcv.errors import UsageError
from sparkcv.records.shards import open_dataset
from tests.inputs import data


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Three classes (see labels.txt of the tests' datasets) with 6, 4 and 2 records."""
    folder = tmp_path_factory.mktemp("data")
    labels = [0] * 6 + [1] * 4 + [2] * 2
    payloads = [data.payload(data.picture(label, i, 16), label) for i, label in enumerate(labels)]
    data.write_dataset(folder, [payloads[:7], payloads[7:]])
    manifest = json.loads((folder / "manifest.json").read_text())
    for shard, counts in zip(manifest["splits"]["train"]["shards"], ({"0": 6, "1": 1}, {"1": 3, "2": 2}), strict=True):
        shard["labels"] = counts
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return open_dataset(str(folder), "shapes", "train")


def test_a_list_a_file_of_lines_and_one_of_commas_are_the_same(dataset, tmp_path):
    (tmp_path / "lines").write_text("0.5\n1\n2e0\n")
    (tmp_path / "commas").write_text("0.5, 1,2")
    for text in ("0.5,1,2", " 0.5, 1, 2.0 ", str(tmp_path / "lines"), str(tmp_path / "commas")):
        assert settled_weights(text, dataset, 0) == "0.5,1.0,2.0"
    assert settled_weights(None, dataset, 0) is None


def test_balanced_is_the_inverse_of_each_classs_records_and_1_for_the_average_record(dataset):
    assert settled_weights("balanced", dataset, 0) == f"{12 / 18!r},{12 / 12!r},{12 / 6!r}"
    assert settled_weights("balanced", dataset, 1) == f"{6 / 8!r},{6 / 4!r}"


def test_a_class_without_records_has_no_weight_and_does_not_count(dataset):
    more = dataclasses.replace(dataset, labels=(*dataset.labels, "unseen"))
    assert settled_weights("balanced", more, 0) == f"{12 / 18!r},{12 / 12!r},{12 / 6!r},0.0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2", "got 2 weights, wanted 3, one for each class"),
        ("1,2,3,4", "got 4 weights, wanted 3"),
        ("1,-2,3", "got -2 for class 1, wanted finite numbers of at least 0"),
        ("1,nan,3", "got nan for class 1"),
        ("1,inf,3", "got inf for class 1"),
        ("0,0,0", "got only zeros"),
        ("nowhere.txt", "got neither numbers nor 'balanced' nor a file"),
    ],
)
def test_what_can_never_work_is_refused(dataset, text, message):
    with pytest.raises(UsageError, match=f"--class_weights.*{message}"):
        settled_weights(text, dataset, 0)


def test_a_file_of_other_words_or_of_too_few_is_named(dataset, tmp_path):
    path = tmp_path / "weights.txt"
    for text, message in (("a 1\nb 2\n", "other words"), ("", "other words"), ("1 2", "got 2 weights, wanted 3")):
        path.write_text(text)
        with pytest.raises(UsageError, match=rf"weights\.txt.*{message}"):
            settled_weights(str(path), dataset, 0)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"weights\.txt"):
        settled_weights(str(path), dataset, 0)


def test_balanced_needs_a_manifest(dataset, tmp_path):
    with pytest.raises(UsageError, match=r"has no manifest\.json that counts"):
        settled_weights("balanced", dataclasses.replace(dataset, dir=str(tmp_path)), 0)
    data.write_dataset(tmp_path, data.drawn_shards(1, 4, 16))  # its manifest has no counts
    with pytest.raises(UsageError, match=r"has no manifest\.json that counts"):
        settled_weights("balanced", open_dataset(str(tmp_path), "shapes", "train"), 0)
