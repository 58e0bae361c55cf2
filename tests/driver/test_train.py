"""The driver's side of a training run before any role starts: who owns the folder, and what is moved aside in it."""

import dataclasses
import os
import shutil

import pytest

from sparkcv import storage
from sparkcv.config import TrainConfig
from sparkcv.driver import train
from sparkcv.driver.train_plan import describe
from sparkcv.errors import CheckpointError, ClusterError, LabelError, LeaseError, MissingFileError, UsageError
from sparkcv.rundir import checkpoint, checkpoint_publication, lease, lease_file
from sparkcv.rundir.lease_file import Holder
from sparkcv.rundir.process import this_process
from sparkcv.rundir.selection import Selection
from sparkcv.rundir.status import StatusFile
from tests.contracts.local_launcher import LocalLauncher
from tests.driver.unheld import Unheld
from tests.fixtures import bundles
from tests.inputs import data


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data.write_dataset(folder, data.drawn_shards(2, 4, 32))
    return folder


@pytest.fixture
def run_url(tmp_path):
    return str(tmp_path / "run")


@pytest.fixture
def config(dataset, run_url):
    def make(**flags):
        given = {
            "train_dir": run_url,
            "model_name": "lenet",
            "train_image_size": 28,
            "max_number_of_steps": 50,
            **flags,
        }
        return TrainConfig(dataset_dir=str(dataset), dataset_name="shapes", **given)

    return make


def publish(folder, run_url, step, **extra):
    prefix = folder / f"model.ckpt-{step}"
    for kind in ("index", "data-00000-of-00001"):
        (folder / f"{prefix.name}.{kind}").write_bytes(b"%d" % step * 100)
    checkpoint_publication.publish(str(prefix), step, run_url, model_name="lenet", extra=extra)


class Seen(ClusterError):
    """Ends a run where its hosts would be looked at."""


def start(plan, look=lambda: None, **more):
    """Start a run that ends before its roles start; ``look`` is called while it owns its folder."""

    def check_start():
        look()
        raise Seen("seen")

    with pytest.raises(Seen):
        train.run_on(LocalLauncher(1, []), plan, check_start, **more)


def launch(plan):
    """Start a run that ends where its roles would start, for want of a slot."""
    plan = dataclasses.replace(plan, config=dataclasses.replace(plan.config, start_timeout_s=0.2))
    with pytest.raises(ClusterError, match="slot"):
        train.run_on(LocalLauncher(0, []), plan)


def status(run_url):
    return storage.read_json(f"{run_url}/status.json")


def test_a_run_owns_its_folder_while_it_lasts_and_a_second_is_refused(config, run_url):
    first, second = (train.prepare(config()) for _ in range(2))

    def look():
        assert lease_file.newest(run_url).is_held
        for refused in (lambda: train.prepare(config()), lambda: train.run_on(LocalLauncher(1, []), second)):
            with pytest.raises(LeaseError, match="is held by"):
                refused()
        assert not storage.exists(f"{run_url}/status.json")

    start(first, look)
    assert not lease_file.newest(run_url).is_held
    assert (status(run_url)["state"], status(run_url)["reason"]) == ("failed", "seen")
    start(second)


def test_a_run_that_lost_its_folder_leaves_the_status_to_its_new_owner(config, run_url):
    def look():
        storage.write_json(f"{run_url}/status.json", {"state": "running"})
        found = lease_file.newest(run_url)
        storage.write_bytes(f"{run_url}/run.lock.2", found.to_bytes().replace(b'"token": 1', b'"token": 2'))
        raise Seen("seen")

    with pytest.raises(LeaseError, match="has lost --train_dir"):
        train.run_on(LocalLauncher(1, []), train.prepare(config()), look)
    assert status(run_url) == {"state": "running"}


def test_a_folder_that_has_had_an_owner_is_not_probed_before_it_is_taken(config, run_url):
    """Its owner may sit on another host, and what a contender writes there is seen by the owner's roles."""
    train.prepare(config())
    assert not storage.list_dir(run_url)  # the first one's probe is gone
    start(train.prepare(config()))
    before = os.stat(run_url).st_mtime_ns
    train.prepare(config())
    assert os.stat(run_url).st_mtime_ns == before


def test_a_status_is_never_written_over_that_of_a_new_owner_of_whom_nobody_has_heard_yet(config, run_url, caplog):
    def fence():
        lease.check(run_url, 1)

    with lease.held(run_url):
        status_file = StatusFile(run_url, 50, interval_s=0, fence=fence)
        status_file.start(0)
        found = lease_file.newest(run_url)
        storage.write_bytes(f"{run_url}/run.lock.2", found.to_bytes().replace(b'"token": 1', b'"token": 2'))
        status_file.step(5)
        status_file.fail(Seen("seen"))
        with pytest.raises(LeaseError):
            status_file.finish(50)
    assert (status(run_url)["state"], status(run_url)["step"]) == ("running", 0)
    assert "status.json was not updated: this run has lost --train_dir" in caplog.text


def test_what_the_run_before_saved_while_one_waited_counts(config, run_url, tmp_path):
    plan = train.prepare(config())
    assert plan.step == 0
    publish(tmp_path, run_url, 50)
    report = train.run_on(LocalLauncher(1, []), plan)
    assert (report.step, report.is_new) == (50, False)


def held_by(run_url, **process):
    """The lock of a run whose process is this one, but for what is given."""
    found = Holder(1, "f" * 32, dataclasses.replace(this_process(), **process), "", True, 7, 1e9, 1e9 + 60)
    storage.write_bytes(lease_file.url_of(run_url, 1), found.to_bytes())


@pytest.mark.parametrize("state", [None, "running", "finished"])
def test_a_run_that_was_done_when_its_driver_was_killed_is_released_and_said_to_be(config, run_url, tmp_path, state):
    publish(tmp_path, run_url, 50)
    held_by(run_url, born="1")
    if state:
        storage.write_json(f"{run_url}/status.json", {"state": state, "step": 50})
    report = train.run(None, train.prepare(config()))
    assert (report.step, report.is_new) == (50, False)
    assert not lease_file.newest(run_url).is_held
    assert (status(run_url)["state"], status(run_url)["step"]) == ("finished", 50)


def test_a_run_that_is_done_but_not_at_its_end_is_left_to_its_owner(config, run_url, tmp_path):
    plan = train.prepare(config())
    publish(tmp_path, run_url, 50)
    plan = dataclasses.replace(plan, found=checkpoint.newest_valid(run_url))
    held_by(run_url)
    with pytest.raises(LeaseError, match="is held by"):
        train.run(None, plan)
    assert not storage.exists(f"{run_url}/status.json")


def test_spark_is_asked_for_an_executor_a_role_and_not_at_all_where_nothing_is_left_to_do(config, run_url, tmp_path):
    spec = train.prepare(config(executor_memory_mb=700)).session()
    assert (spec.app_name, spec.num_executors, spec.memory_mb) == ("sparkcv train", config().num_roles, 700)
    assert spec.role_bytes > 2**29
    publish(tmp_path, run_url, 50)
    assert train.prepare(config()).session() is None


def test_decoded_pictures_that_do_not_fit_are_refused_before_spark_and_asked_for_where_they_do(config):
    plan = train.prepare(config(cache=True))
    assert plan.session().role_bytes > train.prepare(config()).session().role_bytes
    with pytest.raises(
        UsageError, match=r"--input_mode preloaded: got \d+ pictures a worker that take .* --cache_bytes 10 "
    ):
        train.prepare(config(cache=True, cache_bytes=10))
    with pytest.raises(UsageError, match="--cache_bytes 10 without --cache"):
        config(cache_bytes=10)


def test_asking_again_writes_nothing_where_all_is_said(config, run_url, tmp_path):
    publish(tmp_path, run_url, 50)
    train.run(None, train.prepare(config()))
    before = os.stat(run_url).st_mtime_ns
    assert not train.run(None, train.prepare(config())).is_new
    assert os.stat(run_url).st_mtime_ns == before


def test_a_restart_moves_aside_what_was_there_even_of_another_model_or_damaged(config, run_url, tmp_path):
    publish(tmp_path, run_url, 50)
    storage.write_json(f"{run_url}/run.json", {"model_name": "inception_v3"})
    with pytest.raises(CheckpointError, match="holds a run with model_name 'inception_v3'"):
        train.prepare(config())
    storage.write_text(f"{run_url}/model.ckpt-50.index", "damaged")
    plan = train.prepare(config(restart=True))
    assert (plan.step, plan.is_finished) == (0, False)
    assert checkpoint.newest_step(run_url) == 50

    def look():
        assert checkpoint.newest_valid(run_url) is None
        assert lease_file.newest(run_url).has_restarted

    start(plan, look)
    (aside,) = [entry.url for entry in storage.list_dir(run_url) if entry.name.startswith("before-restart-")]
    assert storage.read_text(f"{aside}/model.ckpt-50.index") == "damaged"
    assert storage.read_json(f"{aside}/run.json") == {"model_name": "inception_v3"}


@pytest.mark.parametrize(("application", "step"), [("application_1_1", 25), ("application_1_2", 0), ("", 0)])
def test_a_second_attempt_of_the_same_application_does_not_restart_once_more(
    config, run_url, tmp_path, application, step
):
    plan = train.prepare(config(restart=True))
    start(plan, lambda: publish(tmp_path, run_url, 25), application="application_1_1")
    assert checkpoint.newest_step(run_url) == 25
    start(plan, lambda: None, application=application)
    assert checkpoint.newest_step(run_url) == step


def test_a_run_that_has_lost_all_its_checkpoints_is_refused(config, run_url):
    storage.write_json(f"{run_url}/status.json", {"state": "finished", "step": 50})
    with pytest.raises(CheckpointError, match="will not start again from step 0"):
        train.prepare(config())
    start(train.prepare(config(restart=True)))


def test_a_run_json_that_is_no_object_is_refused(config, run_url):
    storage.write_json(f"{run_url}/run.json", ["not a run"])
    with pytest.raises(CheckpointError, match="it holds no JSON object"):
        train.prepare(config())


@pytest.mark.parametrize("name", ["status.json", "run.json"])
def test_a_link_in_the_place_of_a_status_file_is_replaced_not_followed(config, run_url, tmp_path, name):
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClusterError, match="slot"):
        train.run_on(LocalLauncher(0, []), train.prepare(config(start_timeout_s=0.2)))
    assert (tmp_path / "elsewhere").read_text() == "{}"
    assert not storage.is_link(f"{run_url}/{name}")


def test_a_restart_does_not_start_from_what_it_moves_aside(config, run_url, tmp_path):
    publish(tmp_path, run_url, 50)
    with pytest.raises(UsageError, match=r"model\.ckpt-50 lies in --train_dir .*, which --restart clears"):
        train.prepare(config(restart=True, checkpoint_path=f"{run_url}/model.ckpt-50"))


def test_without_the_lease_both_runs_start(config):
    """The mechanism off, by its own parameter."""
    plan = train.prepare(config())
    start(plan, lambda: start(plan, hold=Unheld), hold=Unheld)


# Classes are known by their names in order.


def relabel(dataset, folder, names):
    """A copy of the dataset whose classes have other names."""
    shutil.copytree(dataset, folder)
    (folder / "labels.txt").write_text("".join(f"{index}:{name}\n" for index, name in enumerate(names)))
    told = storage.read_json(f"{folder}/manifest.json")
    storage.write_json(f"{folder}/manifest.json", told | {"labels": list(names)})
    return str(folder)


REORDERED = (data.CLASSES[0], data.CLASSES[2], data.CLASSES[1])


@pytest.mark.parametrize("steps", [50, 90])  # a run that is finished, and one that resumes
@pytest.mark.parametrize("names", [REORDERED, ("cat", "dog", "cow")])
def test_other_classes_are_refused_by_the_first_that_differs_and_the_record_stays(
    config, run_url, dataset, tmp_path, steps, names
):
    publish(tmp_path, run_url, 50)
    describe(train.prepare(config())).write(run_url)
    before = storage.read_bytes(f"{run_url}/run.json")
    other = relabel(dataset, tmp_path / "other", names)
    at = next(i for i in range(3) if names[i] != data.CLASSES[i])
    said = rf"class {at} is '{data.CLASSES[at]}' to the run .*\(by .*run\.json\) and '{names[at]}' in .*labels\.txt"
    with pytest.raises(LabelError, match=said):
        train.prepare(dataclasses.replace(config(max_number_of_steps=steps), dataset_dir=other))
    assert storage.read_bytes(f"{run_url}/run.json") == before


def test_checkpoints_tell_their_classes_where_run_json_is_gone(config, run_url, dataset, tmp_path):
    publish(tmp_path, run_url, 25, labels=list(data.CLASSES))
    assert train.prepare(config()).step == 25
    other = relabel(dataset, tmp_path / "other", REORDERED)
    with pytest.raises(LabelError, match=r"class 1 is .*model\.ckpt-25\.json"):
        train.prepare(dataclasses.replace(config(), dataset_dir=other))


def test_classes_that_another_run_wrote_while_one_waited_are_refused_too(config, run_url, dataset, tmp_path):
    other = relabel(dataset, tmp_path / "other", REORDERED)
    waiting = train.prepare(dataclasses.replace(config(), dataset_dir=other))
    publish(tmp_path, run_url, 25)
    describe(train.prepare(config())).write(run_url)
    with pytest.raises(LabelError, match="class 1 is"):
        train.run_on(LocalLauncher(1, []), waiting)
    assert storage.read_json(f"{run_url}/run.json")["labels"] == list(data.CLASSES)


def test_grown_data_of_the_same_classes_resumes_and_a_finished_run_says_that_it_has_changed(
    config, run_url, tmp_path, caplog
):
    publish(tmp_path, run_url, 50)
    before = describe(train.prepare(config()))
    before.write(run_url)
    data.write_dataset(tmp_path / "grown", data.drawn_shards(3, 4, 32))
    grown = dataclasses.replace(config(), dataset_dir=str(tmp_path / "grown"))
    plan = train.prepare(grown)
    told = str(train.run(None, plan))
    assert "nothing was done; its data has changed since: 8 records before" in told
    assert (
        f"(digest {before.dataset_digest[:12]}), 12 in {tmp_path}/grown now (digest {plan.dataset.digest[:12]})" in told
    )
    assert "changed" not in str(train.run(None, train.prepare(config())))
    launch(train.prepare(dataclasses.replace(grown, max_number_of_steps=60)))
    assert "is resumed, and its data has changed since: 8 records before" in caplog.text
    assert storage.read_json(f"{run_url}/run.json")["num_records"] == 12


def test_a_run_that_was_stopped_early_is_finished_until_more_evaluations_are_asked_for(config, run_url, tmp_path):
    publish(tmp_path, run_url, 30)
    Selection(best_step=10, best_accuracy=0.5, num_since_best=2).write(run_url)
    flags = {"num_evaluators": 1, "eval_split_name": "train", "early_stopping_evaluations": 2}
    assert not train.prepare(config(**flags)).is_finished  # nobody has said that it was a success
    StatusFile(run_url, 50).finish(30)
    plan = train.prepare(config(**flags))
    assert plan.session() is None
    report = str(train.run(None, plan))
    assert report == (
        f"already finished: step 30, checkpoint {run_url}/model.ckpt-30, stopped early: none of the 2 evaluations since"
        " step 10 was better than its accuracy of 0.5000: a larger --early_stopping_evaluations goes on; nothing was"
        " done"
    )
    assert "stopped early" not in str(train.run(None, train.prepare(config(**flags, max_number_of_steps=30))))
    for more in ({"early_stopping_evaluations": 3}, {"early_stopping_evaluations": None}, {"restart": True}):
        assert not train.prepare(config(**{**flags, **more})).is_finished


# Checkpoints to start from.

LENET = {"LeNet/conv1/weights": (5, 5, 3, 32), "LeNet/fc4/biases": (3,), "global_step": ()}
LENIENT = {"ignore_missing_vars": True}  # the others have megabytes


def test_a_checkpoint_to_start_from_is_looked_at_before_spark(config, tmp_path):
    prefix = bundles.write(tmp_path / "from", LENET)
    assert train.prepare(config(checkpoint_path=prefix, **LENIENT)).config.checkpoint_path == prefix
    for flags, kind, said in [
        ({"checkpoint_path": f"{prefix}.index"}, UsageError, "is one file of the checkpoint model.ckpt-7; name that"),
        ({}, CheckpointError, "lacks 6 of 8 variables: LeNet/conv1/biases, "),
        (
            {"train_image_size": 32, **LENIENT, "use_grayscale": True},
            CheckpointError,
            r"\[5, 5, 3, 32\] .* \[5, 5, 1, 32\]",
        ),
        ({"checkpoint_exclude_scopes": "LeNet/fc5"}, UsageError, "has 'LeNet/fc5', .*did you mean 'LeNet/fc4'"),
        ({"trainable_scopes": "lenet/fc4"}, UsageError, "--trainable_scopes has 'lenet/fc4'"),
        ({"model_name": "cifarnet"}, CheckpointError, "is of another net: its variables lie in LeNet"),
        ({"checkpoint_path": str(tmp_path / "none")}, MissingFileError, "no checkpoint"),
    ]:
        with pytest.raises(kind, match=said):
            train.prepare(config(**{"checkpoint_path": prefix, **flags}))


def test_a_folder_to_start_from_is_settled_to_the_checkpoint_that_its_pointer_names(config, tmp_path):
    bundles.write(tmp_path / "from", LENET, "model.ckpt-9")
    prefix = bundles.write(tmp_path / "from", LENET, "model.ckpt-7")
    folder = config(checkpoint_path=str(tmp_path / "from"), **LENIENT)
    assert train.prepare(folder).config.checkpoint_path.endswith("model.ckpt-9")
    (tmp_path / "from" / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    assert train.prepare(folder).config.checkpoint_path == prefix


def test_a_damaged_frozen_graph_to_start_from_is_told_before_spark(config, tmp_path):
    (tmp_path / "frozen.pb").write_bytes(b"\n\x0c\n\x05input")
    with pytest.raises(CheckpointError, match=r"frozen\.pb' is no frozen graph, or damaged"):
        train.prepare(config(checkpoint_path=str(tmp_path / "frozen.pb")))


def test_an_equal_head_is_of_the_same_classes_or_made_anew(config, tmp_path):
    prefix = bundles.write(tmp_path / "from", LENET)
    storage.write_json(f"{tmp_path}/from/run.json", {"model_name": "lenet", "labels": list(REORDERED)})
    with pytest.raises(LabelError, match=r"class 1 is 'dots' .*--checkpoint_exclude_scopes LeNet/fc4"):
        train.prepare(config(checkpoint_path=prefix))
    assert train.prepare(config(checkpoint_path=prefix, checkpoint_exclude_scopes="LeNet/fc4", **LENIENT)).step == 0


# A folder that TF-Slim trained.


def test_a_folder_of_slim_resumes_only_once_it_is_adopted(config, run_url):
    bundles.write(run_url, LENET, "model.ckpt-20")
    with pytest.raises(CheckpointError, match=r"without manifests, .*at step 20: .*; say --adopt_checkpoint to resume"):
        train.prepare(config())
    plan = train.prepare(config(adopt_checkpoint=True))
    assert plan.step == 20
    assert checkpoint.steps(run_url) == []  # nothing is written before the folder is ours
    launch(plan)
    assert checkpoint.newest_valid(run_url).step == 20
    assert storage.read_json(f"{run_url}/run.json")["resumed_from_step"] == 20
    assert train.prepare(config()).step == 20


def test_a_folder_that_was_adopted_while_one_waited_goes_on_from_there(config, run_url, tmp_path):
    bundles.write(run_url, LENET, "model.ckpt-20")
    first, second = (train.prepare(config(adopt_checkpoint=True)) for _ in range(2))
    start(first, lambda: publish(tmp_path, run_url, 30))
    seen = []
    start(second, lambda: seen.append(checkpoint.newest_valid(run_url).step))
    assert seen == [30]
    assert train.prepare(config(adopt_checkpoint=True)).step == 30


def test_a_folder_of_slim_that_is_at_its_target_is_adopted_without_spark(config, run_url):
    bundles.write(run_url, LENET, "model.ckpt-50")
    report = train.run(None, train.prepare(config(adopt_checkpoint=True)))
    assert (report.step, report.is_new) == (50, False)
    assert checkpoint.newest_valid(run_url).step == 50


def test_a_folder_of_slim_of_another_net_is_not_adopted(config, run_url):
    bundles.write(run_url, LENET, "model.ckpt-20")
    with pytest.raises(CheckpointError, match="is of another net: its variables lie in LeNet"):
        train.prepare(config(adopt_checkpoint=True, model_name="cifarnet"))
