"""What an evaluator keeps of a run: a line a checkpoint, and the best, which only a better one replaces."""

import dataclasses
import json

import pytest

from sparkcv import storage
from sparkcv.evaluate import history
from sparkcv.evaluate.history import History, HistoryRow
from sparkcv.rundir import checkpoint_publication
from sparkcv.rundir.checkpoint import Found

OF = {"split": "validation", "dataset_digest": "d", "max_images": None}


@pytest.fixture
def train_dir(tmp_path):
    return str(tmp_path / "run")


def found_at(train_dir, step, crc="0a"):
    return Found(step, f"{train_dir}/model.ckpt-{step}", manifest={"files": {"x": {"bytes": 1, "crc32c": crc}}})


def row(found, accuracy):
    return HistoryRow(found.step, accuracy, 1.0, accuracy, 0.5, 10, 0, 1.5, history.identity(found))


def add(kept, train_dir, step, accuracy, crc="0a"):
    found = found_at(train_dir, step, crc)
    kept.add(row(found, accuracy), found)


def best_of(train_dir):
    return storage.read_json(f"{train_dir}/best.json")


def test_the_best_is_only_replaced_by_a_better_one(train_dir):
    kept = History(train_dir, OF)
    assert (kept.best, kept.newest) == (None, None)
    for step, accuracy in ((10, 0.5), (20, 0.7), (30, 0.7), (40, 0.6)):
        add(kept, train_dir, step, accuracy)
    best = best_of(train_dir)
    assert best == kept.best
    assert best["when"] > 0
    assert {name: best[name] for name in ("step", "checkpoint", "metric", "value", "of")} == {
        "step": 20,
        "checkpoint": f"{train_dir}/model.ckpt-20",
        "metric": "accuracy",
        "value": 0.7,
        "of": OF,
    }
    assert kept.newest.step == 40


def test_both_survive_a_restart(train_dir):
    add(History(train_dir, OF), train_dir, 10, 0.9)
    kept = History(train_dir, OF)
    add(kept, train_dir, 20, 0.8)
    assert (best_of(train_dir)["step"], best_of(train_dir)["value"]) == (10, 0.9)
    assert list(history.read(train_dir)) == [10, 20]
    assert history.read(train_dir) == kept.rows


def test_a_checkpoint_that_was_saved_again_at_its_step_is_another_one(train_dir):
    kept = History(train_dir, OF)
    add(kept, train_dir, 10, 0.9)
    assert kept.has(found_at(train_dir, 10))
    assert not kept.has(found_at(train_dir, 10, crc="0b"))
    assert not kept.has(found_at(train_dir, 20))
    add(kept, train_dir, 10, 0.4, crc="0b")
    assert [one.accuracy for one in history.read(train_dir).values()] == [0.4]


def test_the_best_on_other_data_is_no_mark_to_beat(train_dir):
    add(History(train_dir, OF), train_dir, 10, 0.9)
    kept = History(train_dir, {**OF, "split": "test"})
    assert kept.best is None
    add(kept, train_dir, 20, 0.3)
    assert (best_of(train_dir)["value"], best_of(train_dir)["of"]["split"]) == (0.3, "test")


def test_what_was_evaluated_on_other_data_is_evaluated_again_and_counts_nowhere(train_dir):
    first = History(train_dir, OF)
    for step, accuracy in ((10, 0.9), (30, 0.8)):
        add(first, train_dir, step, accuracy)
    kept = History(train_dir, {**OF, "max_images": 8})
    assert kept.newest is None
    assert not kept.has(found_at(train_dir, 10))
    add(kept, train_dir, 10, 0.2)
    assert kept.has(found_at(train_dir, 10))
    assert (kept.newest.step, kept.selection.num_since_best) == (10, 0)  # not 30, of other data
    assert [one.accuracy for one in history.read(train_dir).values()] == [0.2, 0.8]
    again = History(train_dir, {**OF, "max_images": 8})
    assert (again.newest.accuracy, again.best["value"]) == (0.2, 0.2)


def test_rows_of_an_older_version_count_as_they_did(train_dir):
    lines = [
        json.dumps({k: v for k, v in dataclasses.asdict(row(found_at(train_dir, 10), 0.5)).items() if k != "data"})
    ]
    storage.write_text(f"{train_dir}/eval/metrics.jsonl", "\n".join(lines))
    kept = History(train_dir, OF)
    assert kept.has(found_at(train_dir, 10))
    assert kept.newest.accuracy == 0.5


def test_a_run_that_went_back_forgets_the_best_that_it_undid(train_dir):
    kept = History(train_dir, OF)
    for step, accuracy in ((10, 0.5), (20, 0.9), (30, 0.7)):
        add(kept, train_dir, step, accuracy)
    add(kept, train_dir, 20, 0.6, crc="0b")
    assert list(history.read(train_dir)) == [10, 20]
    assert (best_of(train_dir)["step"], best_of(train_dir)["value"]) == (20, 0.6)
    assert best_of(train_dir)["identity"] == history.identity(found_at(train_dir, 20, crc="0b"))
    add(kept, train_dir, 30, 0.4, crc="0b")
    assert kept.selection.num_since_best == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metric": "accuracy", "value": NaN}', '{"value": 0.1}', "\xff\x00"])
def test_a_best_that_does_not_read_is_replaced(train_dir, text):
    storage.write_text(f"{train_dir}/best.json", text)
    kept = History(train_dir, OF)
    assert kept.best is None
    add(kept, train_dir, 5, 0.1)
    assert best_of(train_dir)["step"] == 5


def test_lines_that_do_not_read_are_left_out(train_dir):
    good = row(found_at(train_dir, 7), 0.5)
    lines = ["", "{", "[1]", '{"step": 3}', json.dumps({**dataclasses.asdict(good), "step": "7"})]
    lines += [json.dumps({**dataclasses.asdict(good), "accuracy": float("nan")}), json.dumps(dataclasses.asdict(good))]
    storage.write_text(f"{train_dir}/eval/metrics.jsonl", "\n".join(lines))
    assert history.read(train_dir) == {7: good}


def test_a_run_that_was_never_evaluated_has_no_rows(train_dir):
    assert history.read(train_dir) == {}


def test_of_a_run_that_went_back_the_best_that_is_left_must_be_there(train_dir, tmp_path):
    kept = History(train_dir, OF)
    for step, accuracy in ((10, 0.6), (20, 0.8), (30, 0.9)):
        local = tmp_path / str(step)
        local.mkdir()
        for end in ("index", "data-00000-of-00001"):
            (local / f"model.ckpt-{step}.{end}").write_bytes(b"%d" % step)
        prefix = str(local / f"model.ckpt-{step}")
        found = checkpoint_publication.publish(prefix, step, train_dir, model_name="lenet")
        kept.add(row(found, accuracy), found)
    storage.delete(f"{train_dir}/model.ckpt-20.index")
    add(kept, train_dir, 30, 0.5, crc="0b")
    assert (best_of(train_dir)["step"], best_of(train_dir)["value"]) == (10, 0.6)
    storage.delete(f"{train_dir}/model.ckpt-10.index")
    found = found_at(train_dir, 10, crc="0c")
    kept.add(row(found, 0.7), found, is_kept=False)
    assert kept.best is None
    assert not storage.exists(f"{train_dir}/best.json")  # rather than a checkpoint that there is not
