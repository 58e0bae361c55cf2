"""Which models and versions there are, by policy and label."""

import re

import pytest

from sparkcv import storage
from sparkcv.errors import MissingFileError, UnavailableError, UsageError
from sparkcv.serve.repository import LabelRule, VersionPolicy, find_models, parse_labels


def test_versions_of_a_folder_of_models(model_folders, tmp_path):
    found = find_models(str(model_folders))
    assert {name: sorted(versions) for name, versions in found.urls.items()} == {"colors": [1, 2]}
    (model_folders / "colors" / "3").mkdir(exist_ok=True)  # no model.json: half copied
    (model_folders / "notes").mkdir(exist_ok=True)
    assert find_models(str(model_folders)) == found
    (model_folders / "colors" / "3").rmdir()


def test_one_exported_model_alone_is_version_1(color_model):
    assert find_models(color_model).urls == {"colors": {1: color_model}}


def test_one_version_alone_keeps_its_name_and_number(model_folders):
    folder = str(model_folders / "colors" / "2")
    assert find_models(folder).urls == {"colors": {2: folder}}


def test_no_folder_is_told(tmp_path):
    with pytest.raises(MissingFileError, match="no folder of models at"):
        find_models(str(tmp_path / "none"))
    assert find_models(str(tmp_path)).urls == {}


def test_a_model_whose_folder_cannot_be_read_costs_no_other_one(model_folders, tmp_path):
    (tmp_path / "colors").symlink_to(model_folders / "colors")
    (tmp_path / "damaged" / "1" / "run.json").mkdir(parents=True)  # a file's name, and nothing that can be read
    found = find_models(str(tmp_path))
    assert {name: sorted(versions) for name, versions in found.urls.items()} == {"colors": [1, 2]}
    assert list(found.unreadable) == ["damaged"]
    assert "run.json" in found.unreadable["damaged"]


def test_a_storage_that_does_not_answer_costs_all(tmp_path, monkeypatch):
    (tmp_path / "colors").mkdir()

    def silent(url):
        if url != str(tmp_path):
            raise UnavailableError(f"{url!r} does not answer")
        return listed(url)

    listed = storage.list_dir
    monkeypatch.setattr(storage, "list_dir", silent)
    with pytest.raises(UnavailableError, match="colors' does not answer"):
        find_models(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("latest", (7,)), ("latest:2", (3, 7)), ("all", (1, 3, 7)), ("3,1", (1, 3)), ("5", ()), ("latest:9", (1, 3, 7))],
)
def test_policies(text, wanted):
    assert VersionPolicy.parse(text).wanted({1: "a", 7: "c", 3: "b"}) == wanted


@pytest.mark.parametrize("text", ["", "newest", "latest:0", "latest:x", "1,x", "-1"])
def test_what_is_no_policy(text):
    with pytest.raises(UsageError, match="--version_policy: got"):
        VersionPolicy.parse(text)


def test_labels_with_and_without_a_share():
    assert parse_labels("a:stable=3, a:canary=4@0.1,b:x=1") == {
        "a": {"stable": LabelRule(3), "canary": LabelRule(4, 0.1)},
        "b": {"x": LabelRule(1)},
    }


def test_shares_may_be_1_together_as_decimals():
    assert len(parse_labels("m:a=1@0.33,m:b=2@0.56,m:c=3@0.11")["m"]) == 3


@pytest.mark.parametrize("text", ["a", "a=1", "a:b", "a:b=x", "a:b=1@2", "a:b=1@0.6,a:c=2@0.6", "a:../x=1", "a:b=1@."])
def test_what_are_no_labels(text):
    with pytest.raises(UsageError):
        parse_labels(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("m:stable=1,m:stable=2", "m:stable is given twice, wanted one version of it"),
        ("m:new=1@1.2.3", "got 'm:new=1@1.2.3', its share '1.2.3' is no number, wanted 0 to 1"),
    ],
)
def test_labels_that_would_be_lost_are_refused(text, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        parse_labels(text)
