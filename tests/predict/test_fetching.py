import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkcv.errors import AccessError, MissingFileError, ModelError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.fetching import fetch_model
from tests.predict.models import write_folder


@pytest.fixture
def model(tmp_path):
    write_folder(tmp_path / "model", b"a graph")
    return tmp_path / "model"


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


def test_a_model_is_copied_whole_and_only_it(model, cache):
    manifest, folder = fetch_model(str(model), cache)
    assert sorted(os.listdir(folder)) == sorted(os.listdir(model))
    assert manifests.read_manifest(folder) == manifest
    assert not [name for name in os.listdir(cache) if name.startswith(".fetch")]


def test_a_pinned_model_is_found_in_the_cache_after_its_source_is_gone(model, cache):
    manifest, folder = fetch_model(str(model), cache)
    for name in os.listdir(model):
        (model / name).unlink()
    assert fetch_model(str(model), cache, digest=manifest.digest) == (manifest, folder)


def test_another_model_than_the_pinned_one_is_refused(model, cache, tmp_path):
    pinned = manifests.read_manifest(str(model)).digest
    write_folder(model, b"another graph")
    with pytest.raises(ModelError, match=f"this run was pinned to {pinned}"):
        fetch_model(str(model), cache, digest=pinned)


def test_a_damaged_copy_in_the_cache_is_fetched_again(model, cache):
    _, folder = fetch_model(str(model), cache)
    for name in (manifests.FROZEN_GRAPH, manifests.FILE_NAME):
        with open(os.path.join(folder, name), "r+b") as file:
            file.write(b"X")
        manifest, again = fetch_model(str(model), cache)
        manifests.verify(again, manifest)


def test_a_damaged_source_is_refused_by_its_own_name_and_leaves_nothing(model, cache):
    (model / manifests.LABELS).write_bytes(b"changed")
    with pytest.raises(ModelError, match=str(model / manifests.LABELS)):
        fetch_model(str(model), cache)
    assert [name for name in os.listdir(cache) if not name.endswith(".lock")] == []


def test_no_model_is_a_missing_file(tmp_path, cache):
    with pytest.raises(MissingFileError, match="no exported model"):
        fetch_model(str(tmp_path / "nothing"), cache)


def test_a_cache_that_somebody_prepared_as_a_link_is_refused(model, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AccessError, match="not a folder of this user"):
        fetch_model(str(model), str(tmp_path / "cache"))


def test_many_at_once_get_one_copy(model, cache):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: fetch_model(str(model), cache), range(8)))
    assert len({folder for _, folder in found}) == 1
    assert len(os.listdir(cache)) == 2  # the model and its lock
