"""A folder that another program trained in: its newest checkpoint that reads, and how a run of ours adopts it."""

import pytest

from sparkcv import storage
from sparkcv.errors import CheckpointError, LeaseError
from sparkcv.rundir import checkpoint, checkpoint_foreign, checkpoint_publication
from tests.fixtures import bundles

SHAPES = {"net/logits/biases": (4,), "global_step": ()}


@pytest.fixture
def slims(tmp_path):
    """A folder as slim leaves it, with checkpoints of steps 100, 150 and 200."""
    for step in (100, 150, 200):
        bundles.write(tmp_path / "slim", SHAPES, f"model.ckpt-{step}")
        (tmp_path / "slim" / f"model.ckpt-{step}.meta").write_bytes(b"graph")
    (tmp_path / "slim" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-200"\n')
    return tmp_path / "slim"


def test_the_newest_that_reads_is_taken_and_said_to_have_no_manifest(slims, caplog):
    found = checkpoint.locate(str(slims))
    assert (found.step, found.manifest, found.skipped) == (200, {}, ())
    assert "has no manifest: it is taken as it is" in caplog.text
    data = slims / "model.ckpt-200.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    (slims / "model.ckpt-150.index").unlink()
    found = checkpoint.locate(str(slims))
    assert (found.step, [step for step, _ in found.skipped]) == (100, [200, 150])


def test_none_that_reads_is_told_without_talk_of_restarting(slims):
    for path in slims.glob("*.index"):
        path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"none of the 3 checkpoints in .* is valid") as told:
        checkpoint.locate(str(slims))
    assert "--restart" not in str(told.value)


def test_in_a_folder_of_ours_only_what_has_a_manifest_counts(slims):
    checkpoint_foreign.adopt(str(slims))
    bundles.write(slims, SHAPES, "model.ckpt-300")
    assert checkpoint_foreign.newest(str(slims)) is None
    assert checkpoint.locate(str(slims)).step == 200


def test_files_beside_a_checkpoint_that_are_none_of_its_own_are_not_vouched_for(slims):
    for name in ("model.ckpt-200.data-00000-of-00001.part", "model.ckpt-150.zip", "model.ckpt-100.index.crc"):
        (slims / name).write_bytes(b"cut short")
    assert checkpoint_foreign.adopt(str(slims)).step == 200
    found = checkpoint.newest_valid(str(slims))
    assert (found.step, found.skipped) == (200, ())
    assert found.names == ("model.ckpt-200.data-00000-of-00001", "model.ckpt-200.index")
    assert [checkpoint.at_step(str(slims), step).step for step in (100, 150)] == [100, 150]


def test_an_adopted_folder_is_like_any_runs_and_keeps_what_it_had(slims, tmp_path):
    with pytest.raises(CheckpointError, match="none of the 3"):
        checkpoint.newest_valid(str(slims))
    assert checkpoint_foreign.adopt(str(slims)).step == 200
    found = checkpoint.newest_valid(str(slims))
    assert (found.step, found.manifest["adopted"], "model_name" in found.manifest) == (200, True, False)
    prefix = bundles.write(tmp_path / "local", SHAPES, "model.ckpt-210")
    checkpoint_publication.publish(prefix, 210, str(slims), model_name="net")
    assert checkpoint.steps(str(slims)) == [100, 150, 200, 210]
    assert checkpoint_foreign.adopt(str(slims)) is None


def test_nothing_is_written_once_the_folder_is_anothers(slims):
    def fence():
        raise LeaseError("lost")

    with pytest.raises(LeaseError):
        checkpoint_foreign.adopt(str(slims), fence)
    assert not [entry for entry in storage.list_dir(str(slims)) if entry.name.endswith(".json")]
