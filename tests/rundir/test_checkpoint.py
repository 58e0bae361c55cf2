"""Checkpoints at rest: the newest whole one is found, and a run whose state was lost never starts again unsaid."""

import os
import pathlib
import random
import re
import signal
import subprocess
import sys

import pytest

from sparkcv import storage
from sparkcv.errors import CheckpointError, LeaseError, MissingFileError, StorageError
from sparkcv.rundir import checkpoint, checkpoint_publication

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(params=["local", "memory"])
def run_url(request, tmp_path):
    """A run's folder, on each kind of storage."""
    if request.param == "local":
        yield str(tmp_path / "run")
    else:
        url = f"memory://run-{tmp_path.name}"
        yield url
        storage.delete(url, recursive=True)


def publish(tmp_path, run_url, step, *, keep=5, content=None, **more):
    """Publish files that look like a checkpoint's."""
    folder = tmp_path / f"local-{step}"
    folder.mkdir(exist_ok=True)
    prefix = folder / f"model.ckpt-{step}"
    pathlib.Path(f"{prefix}.index").write_bytes(b"index %d" % step * 9)
    pathlib.Path(f"{prefix}.data-00000-of-00001").write_bytes(content or b"data %d" % step * 99)
    return checkpoint_publication.publish(
        str(prefix), step, run_url, model_name="cifarnet", extra={"run": "r"}, keep=keep, **more
    )


def names(url):
    return [entry.name for entry in storage.list_dir(url)]


def test_what_was_published_is_found_fetched_and_equal(tmp_path, run_url):
    published = publish(tmp_path, run_url, 12)
    checkpoint.verify(published)
    found = checkpoint.newest_valid(run_url)
    assert (found.step, found.prefix_url, found.skipped) == (12, f"{run_url}/model.ckpt-12", ())
    assert found.manifest["model_name"] == "cifarnet"
    assert found.manifest["run"] == "r"
    (tmp_path / "scratch").mkdir()
    prefix = checkpoint.fetch(found, str(tmp_path / "scratch"))
    assert pathlib.Path(f"{prefix}.index").read_bytes() == b"index 12" * 9
    assert checkpoint.fetch_newest(run_url, str(tmp_path / "scratch")) == (found, prefix)
    assert names(run_url) == [
        "checkpoint",
        "model.ckpt-12.data-00000-of-00001",
        "model.ckpt-12.index",
        "model.ckpt-12.json",
    ]


def test_a_save_that_fails_leaves_nothing_half_and_what_was_there(tmp_path):
    run_url = str(tmp_path / "run")
    publish(tmp_path, run_url, 10)
    before = names(run_url)
    way = tmp_path / "run" / "model.ckpt-20.index"
    way.mkdir()
    (way / "x").write_text("not a file")
    with pytest.raises(StorageError):
        publish(tmp_path, run_url, 20, keep=1)
    assert names(run_url) == sorted([*before, "model.ckpt-20.index"])
    assert checkpoint.newest_valid(run_url).step == 10
    (way / "x").unlink()
    way.rmdir()
    publish(tmp_path, run_url, 30, keep=2)
    assert {name for name in names(run_url) if name.endswith(".json")} == {"model.ckpt-10.json", "model.ckpt-30.json"}


def test_what_a_failed_save_left_is_no_checkpoint_to_keep(tmp_path, run_url):
    for step in (10, 20):
        publish(tmp_path, run_url, step)
    storage.write_text(storage.join(run_url, ".saving-25"), "")
    storage.write_text(storage.join(run_url, "model.ckpt-25.index"), "half")
    publish(tmp_path, run_url, 30, keep=2)
    assert [name for name in names(run_url) if "25" in name] == []
    assert 'all_model_checkpoint_paths: "model.ckpt-20"' in storage.read_text(storage.join(run_url, "checkpoint"))
    assert checkpoint.newest_valid(run_url).step == 30


def test_the_pointer_of_a_checkpoint_that_is_there_already_is_mended(tmp_path, run_url):
    publish(tmp_path, run_url, 10)
    storage.delete(storage.join(run_url, "checkpoint"))
    publish(tmp_path, run_url, 10)
    assert "model.ckpt-10" in storage.read_text(storage.join(run_url, "checkpoint"))


def test_a_run_that_never_saved_has_none(tmp_path, run_url):
    assert checkpoint.newest_valid(run_url) is None
    storage.write_text(storage.join(run_url, "run.json"), "{}")
    storage.write_text(storage.join(run_url, "metrics.jsonl"), "")
    assert checkpoint.newest_valid(run_url) is None
    assert checkpoint.newest_step(run_url) == 0


def test_the_newest_is_by_number_not_by_name(tmp_path, run_url):
    for step in (9, 100, 20):
        publish(tmp_path, run_url, step)
    assert checkpoint.newest_valid(run_url).step == 100
    assert checkpoint.newest_step(run_url) == 100


FILES = ("model.ckpt-20.data-00000-of-00001", "model.ckpt-20.index", "model.ckpt-20.json")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0, 25, 50, 99])
def test_a_truncated_newest_checkpoint_is_skipped_with_its_reason(tmp_path, run_url, name, share):
    publish(tmp_path, run_url, 10)
    publish(tmp_path, run_url, 20)
    url = storage.join(run_url, name)
    whole = storage.read_bytes(url)
    storage.write_bytes(url, whole[: len(whole) * share // 100])
    found = checkpoint.newest_valid(run_url)
    assert found.step == 10
    ((step, reason),) = found.skipped
    assert step == 20
    assert "bytes" in reason or "manifest" in reason


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte_anywhere_is_found(tmp_path, run_url, name):
    publish(tmp_path, run_url, 10)
    publish(tmp_path, run_url, 20, content=b"0123456789")
    url = storage.join(run_url, name)
    whole = storage.read_bytes(url)
    for offset in range(0, len(whole), 1 if len(whole) < 200 else 7):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x80
        storage.write_bytes(url, bytes(damaged))
        found = checkpoint.newest_valid(run_url)
        # Two bytes that only people read are in the manifest: any name, any date.
        assert found.step == 10 or name.endswith(".json"), offset
        if found.step == 20:
            checkpoint.verify(found)


@pytest.mark.parametrize("name", FILES)
def test_a_checkpoint_with_a_file_deleted_is_skipped(tmp_path, run_url, name):
    publish(tmp_path, run_url, 10)
    publish(tmp_path, run_url, 20)
    storage.delete(storage.join(run_url, name))
    found = checkpoint.newest_valid(run_url)
    assert (found.step, found.skipped[0][0]) == (10, 20)


@pytest.mark.parametrize(
    "content", [None, b"", b'model_checkpoint_path: "mod', b'model_checkpoint_path: "model.ckpt-10"']
)
def test_the_pointer_decides_nothing(tmp_path, run_url, content):
    publish(tmp_path, run_url, 10)
    publish(tmp_path, run_url, 20)
    url = storage.join(run_url, "checkpoint")
    storage.delete(url)
    if content is not None:
        storage.write_bytes(url, content)
    assert checkpoint.newest_valid(run_url).step == 20


@pytest.mark.parametrize("name", FILES)
def test_a_run_whose_only_checkpoint_is_damaged_is_refused(tmp_path, run_url, name):
    publish(tmp_path, run_url, 20)
    storage.delete(storage.join(run_url, name))
    wanted = (
        r"none of the 1 checkpoints in '.*' is valid.* will not start again from step 0 \(step 20: it.*say --restart"
    )
    with pytest.raises(CheckpointError, match=wanted):
        checkpoint.newest_valid(run_url)
    with pytest.raises(CheckpointError, match=wanted):
        checkpoint.fetch_newest(run_url, str(tmp_path))


def test_a_pointer_without_any_checkpoint_is_refused(tmp_path, run_url):
    publish(tmp_path, run_url, 20)
    for name in FILES:
        storage.delete(storage.join(run_url, name))
    with pytest.raises(CheckpointError, match=r"has the pointer file 'checkpoint' and no checkpoint.* say --restart"):
        checkpoint.newest_valid(run_url)


def test_checkpoints_without_manifests_are_refused_not_trusted(tmp_path, run_url):
    storage.write_bytes(storage.join(run_url, "model.ckpt-7.index"), b"x")
    storage.write_bytes(storage.join(run_url, "model.ckpt-7.data-00000-of-00001"), b"x")
    with pytest.raises(CheckpointError, match=r"it has no manifest model.ckpt-7.json"):
        checkpoint.newest_valid(run_url)


def interrupt(run_url, step, *files):
    """The state that a killed save leaves."""
    storage.write_text(storage.join(run_url, f".saving-{step}"), "")
    for name in files:
        storage.write_bytes(storage.join(run_url, name.replace("20", str(step))), b"part")


@pytest.mark.parametrize("files", [(), FILES[:1], FILES[:2]])
def test_a_first_save_that_was_interrupted_leaves_the_run_where_it_was(run_url, files):
    interrupt(run_url, 20, *files)
    assert checkpoint.newest_valid(run_url) is None
    checkpoint_publication.clean(run_url)
    assert names(run_url) == []


@pytest.mark.parametrize("files", [(), FILES[:1], FILES[:2]])
def test_a_later_save_that_was_interrupted_falls_back_to_the_one_before(tmp_path, run_url, files):
    publish(tmp_path, run_url, 10)
    interrupt(run_url, 20, *files)
    found = checkpoint.newest_valid(run_url)
    assert found.step == 10
    assert found.skipped == (((20, "its save was interrupted"),) if files else ())
    checkpoint_publication.clean(run_url)
    assert names(run_url) == [name.replace("20", "10") for name in ("checkpoint", *FILES)]


def test_a_save_that_was_interrupted_after_its_manifest_counts(tmp_path, run_url):
    publish(tmp_path, run_url, 20)
    interrupt(run_url, 20)
    assert checkpoint.newest_valid(run_url).step == 20
    assert checkpoint_publication.clean(run_url) == [".saving-20"]
    assert checkpoint.newest_valid(run_url).step == 20


def test_an_interrupted_save_does_not_excuse_a_lost_checkpoint(tmp_path, run_url):
    publish(tmp_path, run_url, 10)
    interrupt(run_url, 20, *FILES[:1])
    storage.delete(storage.join(run_url, "model.ckpt-10.index"))
    with pytest.raises(CheckpointError, match=r"step 10: its file model\.ckpt-10\.index is missing"):
        checkpoint.newest_valid(run_url)
    checkpoint_publication.clean(run_url)
    with pytest.raises(CheckpointError):
        checkpoint.newest_valid(run_url)


def test_clean_takes_only_what_saves_leave(tmp_path, run_url):
    publish(tmp_path, run_url, 10)
    for name in (
        ".model.ckpt-10.index.tmp-0a1b2c",
        ".checkpoint.tmp-ff",
        "mine.txt",
        ".hidden",
        "model.ckpt-best.index",
    ):
        storage.write_bytes(storage.join(run_url, name), b"x")
    assert sorted(checkpoint_publication.clean(run_url)) == [".checkpoint.tmp-ff", ".model.ckpt-10.index.tmp-0a1b2c"]
    assert {"mine.txt", ".hidden", "model.ckpt-best.index"} <= set(names(run_url))
    assert checkpoint_publication.clean("memory://nothing-here") == []


def test_only_the_newest_are_kept_and_the_pointer_names_them(tmp_path, run_url):
    for step in (1, 2, 10, 11):
        publish(tmp_path, run_url, step, keep=2)
    assert [name for name in names(run_url) if name.endswith(".index")] == [
        "model.ckpt-10.index",
        "model.ckpt-11.index",
    ]
    assert storage.read_text(storage.join(run_url, "checkpoint")) == (
        'model_checkpoint_path: "model.ckpt-11"\n'
        'all_model_checkpoint_paths: "model.ckpt-10"\n'
        'all_model_checkpoint_paths: "model.ckpt-11"\n'
    )


def test_spared_checkpoints_stay_however_old_and_all_do_where_that_is_not_known(tmp_path, run_url):
    def steps_after(step, spared):
        publish(tmp_path, run_url, step, keep=1, spared=lambda: spared)
        return checkpoint.steps(run_url)

    for step in (1, 2, 3):
        publish(tmp_path, run_url, step)
    assert steps_after(10, {2}) == [2, 10]
    assert steps_after(11, None) == [2, 10, 11]
    assert steps_after(12, {2, 7}) == [2, 12]
    assert checkpoint.newest_valid(run_url).step == 12
    assert steps_after(13, set()) == [13]


def test_a_damaged_checkpoint_ahead_is_replaced_when_its_step_is_saved_again(tmp_path, run_url):
    publish(tmp_path, run_url, 10)
    publish(tmp_path, run_url, 20)
    storage.write_bytes(storage.join(run_url, FILES[0]), b"damaged")
    publish(tmp_path, run_url, 15)
    assert checkpoint.newest_valid(run_url).step == 15
    publish(tmp_path, run_url, 20, content=b"anew")
    assert checkpoint.newest_valid(run_url).step == 20
    assert storage.read_bytes(storage.join(run_url, FILES[0])) == b"anew"


def test_a_valid_checkpoint_of_the_same_step_stays(tmp_path, run_url):
    first = publish(tmp_path, run_url, 20)
    again = publish(tmp_path, run_url, 20, content=b"other")
    assert again.manifest == first.manifest
    checkpoint.verify(again)


def test_a_run_that_lost_its_folder_publishes_nothing_and_clears_nothing(tmp_path, run_url):
    """Wherever in a save the folder is taken over: no manifest, no pointer, no clean-up of what another saves there."""
    publish(tmp_path, run_url, 10)
    before = names(run_url)
    for allowed in range(6):
        calls = iter([None] * allowed)

        def fence(calls=calls):
            if next(calls, "lost") == "lost":
                raise LeaseError("taken over")

        storage.write_text(storage.join(run_url, ".saving-15"), "another run's")
        folder = tmp_path / "local-20"
        folder.mkdir(exist_ok=True)
        for kind in ("index", "data-00000-of-00001"):
            (folder / f"model.ckpt-20.{kind}").write_bytes(b"stale")
        stale = (str(folder / "model.ckpt-20"), 20, run_url)
        if allowed == 5:  # one for each: the clean-up, two files, the manifest, the pointer
            checkpoint_publication.publish(*stale, model_name="cifarnet", fence=fence)
            assert checkpoint.newest_valid(run_url).step == 20
            break
        with pytest.raises(LeaseError):
            checkpoint_publication.publish(*stale, model_name="cifarnet", fence=fence)
        if allowed == 0:
            assert names(run_url) == sorted([*before, ".saving-15"])
        if allowed < 4:
            assert checkpoint.newest_valid(run_url).step == 10
        else:
            storage.delete(storage.join(run_url, "model.ckpt-20.json"))
        assert "model.ckpt-20" not in storage.read_text(storage.join(run_url, "checkpoint"))


def test_files_that_are_not_there_cannot_be_published(tmp_path, run_url):
    with pytest.raises(CheckpointError, match=re.escape("no files of checkpoint model.ckpt-5")):
        checkpoint_publication.publish(str(tmp_path / "model.ckpt-5"), 5, run_url, model_name="x")


def test_fetch_notices_what_changed_since_it_was_found(tmp_path, run_url):
    publish(tmp_path, run_url, 20, content=b"0123456789")
    found = checkpoint.newest_valid(run_url)
    storage.write_bytes(storage.join(run_url, FILES[0]), b"0123456780")
    with pytest.raises(CheckpointError, match=r"has crc32c .*, its manifest says"):
        checkpoint.fetch(found, str(tmp_path))
    with pytest.raises(CheckpointError, match="has crc32c"):
        checkpoint.verify(found)


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {"schema": 2, "step": 20, "files": {}},
        {"schema": 1, "step": 21, "files": {}},
        {"schema": 1, "step": 20, "files": {}},
        {"schema": 1, "step": 20, "files": {"../../etc/passwd": {"bytes": 1, "crc32c": 1}}},
        {"schema": 1, "step": 20, "files": {"model.ckpt-21.index": {"bytes": 1, "crc32c": 1}}},
        {"schema": 1, "step": 20, "files": {"model.ckpt-20.index": {"bytes": "1", "crc32c": 1}}},
        {"schema": 1, "step": 20, "files": {"model.ckpt-20.index": 7}},
    ],
)
def test_a_manifest_of_another_kind_is_refused(tmp_path, run_url, manifest):
    publish(tmp_path, run_url, 20)
    storage.write_json(storage.join(run_url, "model.ckpt-20.json"), manifest)
    with pytest.raises(CheckpointError, match="none of the 1 checkpoints"):
        checkpoint.newest_valid(run_url)


def test_a_folder_in_the_place_of_a_manifest_is_none(tmp_path):
    publish(tmp_path, str(tmp_path / "run"), 10)
    (tmp_path / "run" / "model.ckpt-20.json").mkdir()
    (tmp_path / "run" / "model.ckpt-20.index").write_bytes(b"x")
    assert checkpoint.newest_valid(str(tmp_path / "run")).step == 10


def test_a_user_may_name_the_folder_or_the_prefix(tmp_path, run_url):
    publish(tmp_path, run_url, 10)
    publish(tmp_path, run_url, 20)
    assert checkpoint.locate(run_url).step == 20
    assert checkpoint.locate(storage.join(run_url, "model.ckpt-10")).step == 10
    storage.write_bytes(storage.join(run_url, "model.ckpt-10.index"), b"x")
    with pytest.raises(CheckpointError, match="has 1 bytes"):
        checkpoint.locate(storage.join(run_url, "model.ckpt-10"))


def test_a_foreign_checkpoint_is_taken_as_it_is(tmp_path, run_url):
    storage.write_bytes(storage.join(run_url, "inception_v3.ckpt"), b"one file")
    storage.write_bytes(storage.join(run_url, "model.ckpt-5.index"), b"i")
    storage.write_bytes(storage.join(run_url, "model.ckpt-5.data-00000-of-00001"), b"d")
    old = checkpoint.locate(storage.join(run_url, "inception_v3.ckpt"))
    assert (old.step, old.names, old.manifest) == (-1, ("inception_v3.ckpt",), {})
    assert pathlib.Path(checkpoint.fetch(old, str(tmp_path))).read_bytes() == b"one file"
    bare = checkpoint.locate(storage.join(run_url, "model.ckpt-5"))
    assert (bare.step, len(bare.names)) == (5, 2)


def test_what_is_not_there_cannot_be_located(tmp_path, run_url):
    with pytest.raises(MissingFileError, match="neither a folder nor the prefix"):
        checkpoint.locate(storage.join(run_url, "model.ckpt-3"))
    storage.make_dirs(run_url)
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        checkpoint.locate(run_url)


SAVER = """
import pathlib, sys
from sparkcv.rundir import checkpoint, checkpoint_publication
folder, run = pathlib.Path(sys.argv[1]), sys.argv[2]
for step in range(int(sys.argv[3]), 10**9):
    prefix = folder / f"model.ckpt-{step}"
    pathlib.Path(f"{prefix}.index").write_bytes(b"i" * 1000)
    pathlib.Path(f"{prefix}.data-00000-of-00001").write_bytes(b"%d" % step * 100_000)
    checkpoint_publication.publish(str(prefix), step, run, model_name="cifarnet", keep=3)
    print(step, flush=True)
"""


@pytest.mark.parametrize("keep_running_to", [0, 4])
def test_a_save_killed_at_any_moment_never_loses_the_run(tmp_path, keep_running_to):
    """SIGKILL at random moments: what is found afterwards is what was last told, or a newer one."""
    run = tmp_path / "run"
    moments = random.Random(keep_running_to)
    told = 0
    for _ in range(6):
        folder = tmp_path / "local"
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", SAVER, str(folder), str(run), str(told + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as child:
            for _ in range(keep_running_to):
                told = int(child.stdout.readline())
            deadline = moments.random() * (0.02 if keep_running_to else 0.8)
            try:
                child.wait(deadline)
            except subprocess.TimeoutExpired:
                os.kill(child.pid, signal.SIGKILL)
            rest = child.stdout.read().split()
        told = int(rest[-1]) if rest else told
        found = checkpoint.newest_valid(str(run))
        assert (found.step if found else 0) >= told
        checkpoint_publication.clean(str(run))
        assert not [name for name in names(str(run)) if name.startswith(".")] if run.exists() else True
