"""Starting a run's folder anew: nothing is lost by it, and never without being told to."""

import re

import pytest

from sparkcv import storage
from sparkcv.errors import CheckpointError
from sparkcv.rundir import checkpoint, checkpoint_publication, restart


@pytest.fixture(params=["local", "memory"])
def run_url(request, tmp_path):
    """A run's folder, on each kind of storage."""
    if request.param == "local":
        yield str(tmp_path / "run")
    else:
        url = f"memory://restart-{tmp_path.name}"
        yield url
        storage.delete(url, recursive=True)


OF_THE_RUN = [
    "checkpoint", "events.out.tfevents.1.host", "logs/worker-0.log", "metrics.jsonl", "model.ckpt-10.index",
    "model.ckpt-10.json", "model.ckpt-9.data-00000-of-00001", "quarantine/worker-0.jsonl", "run.json", "status.json",
    "samples/step-00000100.png",
]  # fmt: skip
OF_OTHERS = ["data/shapes_train-00000-of-00001.tfrecord", "my notes.txt", "run.lock.3"]


def fill(run_url, names):
    for name in names:
        storage.write_text(storage.join(run_url, name), name)


def names_below(url):
    return sorted(entry.url.removeprefix(url + "/") for entry in storage.walk(url))


def test_what_a_run_left_is_moved_aside_whole_and_nothing_else(run_url, caplog):
    caplog.set_level("INFO", "sparkcv")
    fill(run_url, [*OF_THE_RUN, *OF_OTHERS])
    aside = restart.set_aside(run_url)
    assert re.fullmatch(re.escape(run_url) + r"/before-restart-\d{8}T\d{6}Z", aside)
    assert names_below(aside) == sorted(OF_THE_RUN)
    assert {storage.read_text(entry.url) for entry in storage.walk(aside)} == set(OF_THE_RUN)
    name = storage.basename(aside)
    assert names_below(run_url) == sorted([*OF_OTHERS, *(f"{name}/{one}" for one in OF_THE_RUN)])
    assert f"--restart: moved 11 files and folders of the run before to {aside}; starting at step 0" in caplog.text
    assert checkpoint.newest_valid(run_url) is None


def test_two_restarts_in_one_second_keep_apart_what_they_move(run_url):
    asides = []
    for number in range(3):
        storage.write_text(storage.join(run_url, "metrics.jsonl"), str(number))
        asides.append(restart.set_aside(run_url))
    assert [storage.read_text(f"{aside}/metrics.jsonl") for aside in asides] == ["0", "1", "2"]


def test_an_empty_folder_needs_no_restart(run_url):
    assert restart.set_aside(run_url) is None
    storage.make_dirs(run_url)
    fill(run_url, OF_OTHERS)
    assert restart.set_aside(run_url) is None
    restart.refuse_lost(run_url)


@pytest.mark.parametrize(
    ("name", "value", "step"),
    [
        ("status.json", {"state": "finished", "step": 40}, 40),
        ("status.json", {"state": "running", "step": 40, "saved": 25}, 25),
        ("status.json", {"state": "failed", "step": 40, "saved": 25}, 25),
        ("run.json", {"resumed_from_step": 10}, 10),
    ],
)
def test_a_run_that_had_saved_and_has_lost_it_all_never_starts_anew_by_itself(run_url, name, value, step):
    storage.write_json(storage.join(run_url, name), value)
    wanted = f"{name} says that one of step {step} was saved.* will not start again from step 0.* say --restart"
    with pytest.raises(CheckpointError, match=wanted):
        restart.refuse_lost(run_url)
    restart.set_aside(run_url)
    restart.refuse_lost(run_url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status.json", {"state": "failed", "step": 40, "saved": 0}),
        ("status.json", {"state": "running", "step": 7}),
        ("status.json", ["finished"]),
        ("status.json", {"state": "finished", "step": "40"}),
        ("run.json", {"resumed_from_step": 0}),
    ],
)
def test_a_run_that_never_saved_starts_again_where_it_was(run_url, name, value):
    storage.write_json(storage.join(run_url, name), value)
    restart.refuse_lost(run_url)


def test_a_status_that_was_half_written_is_refused_with_the_way_out(run_url):
    storage.write_bytes(storage.join(run_url, "status.json"), b"")
    with pytest.raises(CheckpointError, match=r"cannot be told \(.*status.json' is not JSON.* say --restart to move"):
        restart.refuse_lost(run_url)
    restart.set_aside(run_url)
    restart.refuse_lost(run_url)


def test_a_restart_that_is_cut_short_leaves_what_resumes_or_is_refused(tmp_path):
    """Whichever rename is the last that is done: the newest checkpoint stays usable, or the folder is refused."""
    for done in range(8):
        run_url = str(tmp_path / f"run-{done}")
        for step in (9, 10):
            folder = tmp_path / f"local-{done}-{step}"
            folder.mkdir()
            for kind in ("index", "data-00000-of-00001"):
                (folder / f"model.ckpt-{step}.{kind}").write_bytes(b"x" * step)
            checkpoint_publication.publish(str(folder / f"model.ckpt-{step}"), step, run_url, model_name="lenet")
        names = [entry.name for entry in storage.list_dir(run_url)]
        for name in sorted(names, key=restart._order)[:done]:
            storage.rename(f"{run_url}/{name}", f"{run_url}/aside/{name}")
        if done < 4:
            assert checkpoint.newest_valid(run_url).step == 10
        elif done < len(names):
            with pytest.raises(CheckpointError, match="--restart"):
                checkpoint.newest_valid(run_url)
