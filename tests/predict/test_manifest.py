import json
import pathlib

import pytest

from sparkcv.errors import AccessError, MissingFileError, ModelError
from sparkcv.predict import manifest as manifests
from tests.predict.models import write_folder


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "m", b"a graph")
    return tmp_path / "m"


def test_what_was_written_is_read_again(folder):
    manifest = manifests.read_manifest(str(folder))
    assert (manifest.model_name, manifest.image_size, manifest.num_classes) == ("colors", 16, 3)
    assert sorted(manifest.files) == [manifests.FROZEN_GRAPH, manifests.LABELS]
    assert manifest.channels == 3
    manifests.verify(str(folder), manifest)


def test_the_digest_stands_in_the_file_and_depends_on_every_field(folder):
    manifest = manifests.read_manifest(str(folder))
    assert json.loads((folder / "model.json").read_text())["digest"] == manifest.digest
    other = write_folder(folder.parent / "other", b"a graph", image_size=17)
    assert other.digest != manifest.digest


def test_equal_models_have_equal_bytes(tmp_path):
    assert write_folder(tmp_path / "a", b"g").to_bytes() == write_folder(tmp_path / "b", b"g").to_bytes()


def test_a_changed_byte_anywhere_in_model_json_is_found(folder):
    path = folder / "model.json"
    whole = path.read_bytes()
    for offset in range(len(whole)):
        for flip in (1, 0x20):
            path.write_bytes(whole[:offset] + bytes([whole[offset] ^ flip]) + whole[offset + 1 :])
            with pytest.raises(ModelError, match=r"model\.json"):
                manifests.read_manifest(str(folder))


def test_model_json_cut_anywhere_is_found(folder):
    path = folder / "model.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model\.json"):
            manifests.read_manifest(str(folder))


@pytest.mark.parametrize("name", [manifests.FROZEN_GRAPH, manifests.LABELS])
def test_a_changed_byte_in_another_file_is_found_by_name(folder, name):
    manifest = manifests.read_manifest(str(folder))
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match=rf"{name}' was changed: its sha256 is .*model\.json says"):
        manifests.verify(str(folder), manifest)
    with pytest.raises(ModelError, match=name):
        manifests.read_file(str(folder), manifest, name)


def test_a_file_of_another_size_or_missing_is_found_by_name(folder):
    manifest = manifests.read_manifest(str(folder))
    (folder / manifests.LABELS).write_bytes(b"0:a\n")
    with pytest.raises(ModelError, match=r"labels\.txt' was changed: its bytes is 4"):
        manifests.verify(str(folder), manifest)
    (folder / manifests.LABELS).unlink()
    with pytest.raises(ModelError, match=r"labels\.txt' is missing"):
        manifests.verify(str(folder), manifest)
    with pytest.raises(ModelError, match=r"labels\.txt' is missing"):
        manifests.read_file(str(folder), manifest, manifests.LABELS)
    with pytest.raises(ModelError, match=r"has no weights\.bin: model\.json names"):
        manifests.read_file(str(folder), manifest, "weights.bin")


def test_no_folder_and_a_folder_without_model_are_told_apart(tmp_path):
    with pytest.raises(MissingFileError, match="no such folder"):
        manifests.read_manifest(str(tmp_path / "nothing"))
    with pytest.raises(MissingFileError, match=r"holds no model\.json"):
        manifests.read_manifest(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_size": 0}, "positive integer"),
        ({"num_classes": "3"}, "positive integer"),
        ({"batch_size": -1}, "positive integer"),
        ({"files": {}}, "names no"),
        ({"files": {"frozen_inference_graph.pb": {}, "labels.txt": {}}}, "bad entry"),
    ],
)
def test_a_model_json_made_by_hand_must_still_make_sense(tmp_path, changes, said):
    write_folder(tmp_path / "m", b"g", **changes)
    with pytest.raises(ModelError, match=said):
        manifests.read_manifest(str(tmp_path / "m"))


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    entry = {"sha256": "0", "bytes": 1}
    files = {"frozen_inference_graph.pb": entry, "labels.txt": entry, "../../etc/passwd": entry}
    write_folder(tmp_path / "m", b"g", files=files)
    with pytest.raises(AccessError, match="stays inside"):
        manifests.read_manifest(str(tmp_path / "m"))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"\x80", b'{"schema": 2}', b"[" * 100000])
def test_what_is_no_model_json_is_refused(data):
    with pytest.raises(ModelError, match="m'"):
        manifests.parse_manifest(data, "m")


def test_unknown_or_missing_fields_are_refused(folder):
    value = json.loads((folder / "model.json").read_text())
    for change in ({**value, "more": 1}, {key: value[key] for key in value if key != "step"}):
        with pytest.raises(ModelError, match=r"is no model\.json"):
            manifests.parse_manifest(json.dumps(change).encode(), str(pathlib.Path("m")))
