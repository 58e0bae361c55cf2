"""Each hook in a session of its own, round a step that counts."""

import json
import math
import time

import pytest
import tensorflow.compat.v1 as tf

from sparkcv import storage
from sparkcv.errors import DataError, FullError, StorageError, UnavailableError
from sparkcv.inputs.meter import Meter
from sparkcv.rundir import checkpoint
from sparkcv.train import early_stopping, hooks
from sparkcv.train.record import RunRecord

pytestmark = pytest.mark.tensorflow


class Counting:
    """A graph whose step adds 1 to the global step and whose loss is fed."""

    def __init__(self):
        self.loss = tf.placeholder_with_default(1.0, [])
        self.global_step = tf.train.get_or_create_global_step()
        self.train_op = tf.assign_add(self.global_step, 1)
        with tf.control_dependencies([self.train_op]):
            self.step = self.global_step.read_value()

    def run(self, *every, steps=100, losses=()):
        """Run up to ``steps`` steps; returns how many ran."""
        done = 0
        with tf.train.MonitoredSession(hooks=list(every), stop_grace_period_secs=1) as session:
            while not session.should_stop() and done < steps:
                feed = {self.loss: losses[done]} if done < len(losses) else {}
                session.run(self.train_op, feed)
                done += 1
        return done


@pytest.fixture
def graph():
    with tf.Graph().as_default():
        yield Counting()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_with_step_and_reason(graph, bad):
    with pytest.raises(DataError, match=f"the loss is {bad} at step 3: the run diverged"):
        graph.run(hooks.FiniteLoss(graph.loss, graph.step), losses=[1.0, 2.0, bad])


class Saves:
    """Stands for the saving of a checkpoint; ``errors`` are those of the saves in turn, None for one that succeeds."""

    def __init__(self, graph):
        self.graph, self.steps, self.errors = graph, [], []

    def __call__(self, session):
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.steps.append(int(session.run(self.graph.global_step)))
        return checkpoint.Found(self.steps[-1], f"/run/model.ckpt-{self.steps[-1]}")


def saving(graph, **more):
    saves = Saves(graph)
    settings = {"start_step": 0, "every_s": 1000.0, "every_steps": None, **more}
    return saves, hooks.SaveCheckpoints(saves, graph.step, **settings)


def test_a_nan_stops_the_run_before_it_is_saved(graph):
    saves, hook = saving(graph, every_steps=1)
    with pytest.raises(DataError):
        graph.run(hooks.FiniteLoss(graph.loss, graph.step), hook, losses=[1.0, math.nan])
    assert saves.steps == [1]


def test_checkpoints_are_saved_every_so_many_steps_and_at_the_end(graph):
    saves, hook = saving(graph, every_steps=4)
    graph.run(hook, steps=10)
    assert saves.steps == [4, 8, 10]
    assert hook.found.step == 10


def test_the_end_is_not_saved_twice(graph):
    saves, hook = saving(graph, every_steps=5)
    graph.run(hook, steps=10)
    assert saves.steps == [5, 10]


def test_checkpoints_are_saved_every_so_many_seconds(graph):
    saves, hook = saving(graph, every_s=0.0)
    graph.run(hook, steps=3)
    assert saves.steps == [1, 2, 3]


def test_what_was_restored_is_not_saved_again(graph):
    saves, hook = saving(graph, start_step=0)
    graph.run(hook, steps=0)
    assert saves.steps == []
    assert hook.found is None


def test_failed_saves_are_tolerated_told_and_tried_again_an_interval_later(graph):
    saves, hook = saving(graph, every_steps=2, max_missed=2)
    saves.errors = [None, FullError("no room"), StorageError("no way"), None, FullError("no room")]
    notes = []
    graph.run(hook, Noting(notes, hook), steps=11)
    assert saves.steps == [2, 8, 11]
    assert hook.found.step == 11
    first = "the save at step 4 failed, the last good checkpoint is of step 2: no room"
    second = "2 saves in a row failed, the last at step 6; the last good checkpoint is of step 2: no way"
    third = "the save at step 10 failed, the last good checkpoint is of step 8: no room"
    assert notes == [None, None, None, first, first, second, second, None, None, third, third]


class Noting(tf.train.SessionRunHook):
    """Takes down the note of the saving hook before it after each step."""

    def __init__(self, notes, hook):
        self.notes, self.hook = notes, hook

    def after_run(self, run_context, run_values):
        self.notes.append(self.hook.note)


def test_one_failed_save_too_many_in_a_row_ends_the_run_with_their_number(graph):
    saves, hook = saving(graph, every_steps=2, max_missed=2)
    saves.errors = [None, *[FullError("no room")] * 3]
    wanted = "3 saves in a row failed, the last at step 8; the last good checkpoint is of step 2: no room"
    with pytest.raises(FullError, match=wanted):
        graph.run(hook, steps=20)


def test_without_any_checkpoint_that_is_told_too(graph):
    saves, hook = saving(graph, every_steps=2, max_missed=0)
    saves.errors = [FullError("no room")]
    with pytest.raises(FullError, match="the save at step 2 failed, there is none before: no room"):
        graph.run(hook, steps=20)


def test_the_last_save_must_succeed(graph):
    saves, hook = saving(graph, every_steps=100, max_missed=2)
    saves.errors = [FullError("no room")]
    with pytest.raises(FullError, match=r"^no room"):
        graph.run(hook, steps=3)


def test_a_storage_that_was_waited_for_in_vain_ends_the_run_at_once(graph):
    saves, hook = saving(graph, every_steps=2, max_missed=2)
    saves.errors = [None, UnavailableError("does not answer")]
    with pytest.raises(UnavailableError, match="does not answer"):
        graph.run(hook, steps=20)


def stopping(graph, target=None, told=lambda: False, **more):
    return hooks.Stop(graph.global_step, graph.step, target, told, **more)


def test_the_run_ends_exactly_at_its_target(graph):
    hook = stopping(graph, 7)
    assert graph.run(hook) == 7
    assert (hook.step, hook.was_requested) == (7, False)


def test_a_run_that_is_at_its_target_does_no_step(graph):
    hook = stopping(graph, 0)
    assert graph.run(hook) == 0


def test_a_run_without_a_target_ends_when_it_is_told(graph):
    answers = iter([False] * 6 + [True] * 10)
    hook = stopping(graph, None, lambda: next(answers))
    assert graph.run(hook) == 6
    assert hook.was_requested


def test_steps_can_be_added_after_the_request(graph):
    answers = iter([False] * 6 + [True] * 10)
    hook = stopping(graph, None, lambda: next(answers), more_steps=2)
    assert graph.run(hook) == 8


def test_a_stop_after_the_target_is_no_interruption(graph):
    hook = stopping(graph, 3, lambda: hook.step >= 3)
    graph.run(hook)
    assert not hook.was_requested


def test_the_status_goes_out_at_the_first_step_and_the_end(graph):
    sent = []
    hook = hooks.ReportProgress({"step": graph.step, "loss": graph.loss}, lambda: {"bound": "step"}, sent.append)
    graph.run(hook, steps=5)
    assert sent == [
        {"step": 1, "loss": 1.0, "bound": "step"},
        {"step": 5, "loss": 1.0, "bound": "step"},
    ]
    assert [type(value) for value in sent[0].values()] == [int, float, str]


def test_no_status_goes_out_without_a_step(graph):
    sent = []
    graph.run(hooks.ReportProgress({"step": graph.step}, dict, sent.append), steps=0)
    assert sent == []


def record(graph, tmp_path, run_url, **more):
    (tmp_path / "scratch").mkdir(exist_ok=True)
    meter = Meter(4)
    meter.step((1, 8), (60, 80), (2, 2), waited_s=0.0, reader_waited_s=0.0)
    fetches = {"step": graph.step, "loss": graph.loss, "learning_rate": tf.constant(0.5)}
    settings = {"every_steps": 4, "summary_op": None, "summaries_s": 1000.0, **more}
    return RunRecord(fetches, meter, str(tmp_path / "scratch"), run_url, **settings)


def await_stored(local, stored):
    """Wait until the record's thread has nothing to copy: it would lay files into a folder that is being deleted."""
    give_up_s = time.monotonic() + 60
    while not (stored.exists() and stored.read_bytes() == local.read_bytes()):  # the last file that it copies
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


def events(run_url, tmp_path):
    """Tags and values of the event files in a run's folder."""
    found = []
    for entry in storage.list_dir(run_url):
        if entry.name.startswith("events.out"):
            storage.fetch(entry.url, tmp_path / entry.name)
            for event in tf.train.summary_iterator(str(tmp_path / entry.name)):
                found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return found


def test_the_record_of_a_run_is_in_its_folder_afterwards(graph, tmp_path):
    run_url = f"memory://record-{tmp_path.name}"
    hook = record(graph, tmp_path, run_url, summary_op=tf.summary.scalar("slim/total_loss", graph.loss))
    graph.run(hook, steps=9, losses=[3.0, 2.0])
    hook.close()
    hook.close()
    rows = [json.loads(line) for line in storage.read_text(f"{run_url}/metrics.jsonl").splitlines()]
    assert [(row["step"], row["loss"], row["learning_rate"]) for row in rows] == [
        (1, 3.0, 0.5),
        (4, 1.0, 0.5),
        (8, 1.0, 0.5),
    ]
    found = events(run_url, tmp_path)
    assert (1, "slim/total_loss", 3.0) in found
    assert {tag for step, tag, _ in found if step == 8} == {
        "loss",
        "learning_rate",
        "queues/filename",
        "queues/common",
        "queues/prefetch",
    }
    assert (4, "queues/common", 60.0) in found


def test_a_run_that_failed_leaves_its_curve_too(graph, tmp_path):
    run_url = str(tmp_path / "run")
    hook = record(graph, tmp_path, run_url, every_steps=1)
    with pytest.raises(DataError):
        graph.run(hook, hooks.FiniteLoss(graph.loss, graph.step), losses=[1.0, 2.0, math.nan])
    hook.close()
    rows = [line for line in storage.read_text(f"{run_url}/metrics.jsonl").splitlines() if line]
    assert len(rows) == 3


def test_a_resumed_run_begins_a_line_of_its_own(graph, tmp_path):
    run_url = str(tmp_path / "run")
    storage.write_text(f"{run_url}/metrics.jsonl", '{"step": 1, "lo')
    hook = record(graph, tmp_path, run_url)
    graph.run(hook, steps=1)
    hook.close()
    lines = storage.read_text(f"{run_url}/metrics.jsonl").splitlines()
    assert lines[0] == '{"step": 1, "lo'
    assert json.loads(lines[1])["step"] == 1


def test_a_record_that_cannot_be_stored_at_the_end_does_not_hide_the_error(graph, tmp_path, caplog):
    run_url = str(tmp_path / "run")
    hook = record(graph, tmp_path, run_url)
    graph.run(hook, steps=1)
    await_stored(tmp_path / "scratch" / "metrics.jsonl", tmp_path / "run" / "metrics.jsonl")
    storage.delete(run_url, recursive=True)
    (tmp_path / "run").write_text("a file in the way")
    hook._line(5, 1.0, 1.0, {})
    hook.close()


def test_early_stopping_ends_the_loop_with_its_reason_and_asks_no_more(graph):
    answers = iter(["", "", "no evaluation was better"])
    early = early_stopping.EarlyStopping(lambda: next(answers), every_s=0)
    assert graph.run(early) == 2
    assert early.reason == "no evaluation was better"


def test_early_stopping_looks_every_so_often_only(graph):
    asked = []
    early = early_stopping.EarlyStopping(lambda: asked.append(1) or "", every_s=1000)
    assert graph.run(early, steps=5) == 5
    assert (early.reason, len(asked)) == ("", 1)


def test_a_run_that_would_have_stopped_early_takes_no_step(graph):
    saves, hook = saving(graph)
    early = early_stopping.EarlyStopping(lambda: "nothing got better")
    assert graph.run(early, hook) == 0
    assert saves.steps == []


def test_workers_that_step_together_end_at_a_step_that_the_chief_names_ahead(graph):
    asked, answers = [], ["", "no evaluation was better"]
    early = early_stopping.EarlyStoppingTogether(
        lambda: asked.append(1) or answers[len(asked) - 1], graph.step, is_chief=True, device="", every_s=0
    )
    saves, hook = saving(graph)
    assert graph.run(early, hook) == 2 + 10
    assert (early.reason, len(asked)) == ("no evaluation was better", 2)
    assert saves.steps == [12]
    assert "early_stopping/stop_at" not in {variable.op.name for variable in tf.global_variables()}
