"""The evaluation of captions through the job's door: its numbers, its page, and what is refused."""

import json
import math
from collections import Counter

import pytest

from jobs import evaluate_captions as job
from sparkcv.caption.told_captions import ToldPicture, measure, merged, num_repeated
from sparkcv.records.manifest import read_manifest
from tests.caption import caption_checkpoints, scene_shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of drawn scenes, a net of their words, and one of other words."""
    folder = tmp_path_factory.mktemp("evaluated")
    scene_shards.write_dataset(folder, number=10, num_shards=1)
    words = read_manifest(str(folder / "data")).labels
    for name, known in (("net", words), ("other", caption_checkpoints.WORDS)):
        (folder / name).mkdir()
        caption_checkpoints.write(folder / name, num_words=len(known))
    caption_checkpoints.write_vocabulary(folder / "other/word_counts.txt")
    return folder


def run(folder, eval_dir, **changes):
    flags = {
        "checkpoint_path": folder / "net/model.ckpt-3",
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "image_size": 32,
        "batch_size": 4,
        "dataset_dir": folder / "data",
        "dataset_split_name": "train",
        "eval_dir": eval_dir,
        "num_samples": 5,
        **changes,
    }
    return job.main([f"--{name}={value}" for name, value in flags.items() if value is not None])


@pytest.mark.tensorflow
def test_a_split_is_evaluated_and_a_damaged_record_is_told(folder, tmp_path, capsys):
    assert run(folder, tmp_path / "eval") == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "eval/evaluation.json").read_text())
    scores = found["scores"]
    assert (scores["num_pictures"], scores["num_references"]) == (10, 20)
    assert len(scores["bleu"]) == 4
    assert all(0 <= value <= 1 for value in (*scores["bleu"], scores["distinct"], scores["repeated_words"]))
    assert scores["perplexity"] > 1
    assert f"BLEU-4       {scores['bleu'][3]:.4f}" in printed
    page = (tmp_path / "eval/report.html").read_text()
    assert page.count("data:image/jpeg") == 5
    assert "seen-00" in page
    assert '<ul class="gallery wrapped">' in page  # captions of the net and of people are compared word by word
    (shard,) = (folder / "data").glob("*.tfrecord")
    whole = shard.read_bytes()
    try:
        shard.write_bytes(whole[:200] + b"~" + whole[201:])
        assert run(folder, tmp_path / "no", bad_record_budget=0) == 1
        assert "1 of 10 records are bad, --bad_record_budget 0 allows 0" in capsys.readouterr().err
        assert not (tmp_path / "no/evaluation.json").exists()
        assert run(folder, tmp_path / "nine") == 0  # any budget allows one, as in training
        assert json.loads((tmp_path / "nine/evaluation.json").read_text())["scores"]["num_pictures"] == 9
    finally:
        shard.write_bytes(whole)


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"eval_dir": None}, 2, "--eval_dir is missing"),
        ({"dataset_dir": None}, 2, "--dataset_dir is missing"),
        ({"dataset_split_name": "test"}, 1, "no shards captions_test-*.tfrecord in"),
        ({"checkpoint_path": "{folder}/other/model.ckpt-3"}, 1, "words, the net"),
        ({"checkpoint_path": "{folder}/none"}, 1, "none"),
        ({"beam_size": 0}, 2, "--beam_size: got 0, wanted"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_nothing_is_written(folder, tmp_path, changes, code, sentence, capsys):
    given = {name: value.format(folder=folder) if isinstance(value, str) else value for name, value in changes.items()}
    assert run(folder, tmp_path / "eval", **given) == code if "eval_dir" not in given else run(folder, None) == code
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    assert not (tmp_path / "eval").exists()


def told(best, references, *, log=-3.0, words=3, name="a"):
    return ToldPicture(name, 1, ((best, 0.5),) if best else (), tuple(references), log, words)


def test_scores_are_those_of_the_definitions():
    perfect = [told("a red ring left of a star", ["a red ring left of a star", "x"], log=-7 * math.log(2), words=7)]
    found = measure(perfect)
    assert found.bleu == pytest.approx((1, 1, 1, 1))
    assert found.perplexity == pytest.approx(2)
    # Of "the the the" one word is in the reference, clipped; the brevity penalty is exp(1 - 4 / 3).
    found = measure([told("the the the", ["the cat sat here"]), told("", ["a dog"])])
    assert found.bleu[0] == pytest.approx(1 / 3 * math.exp(1 - 6 / 3), abs=1e-6)
    assert found.bleu[3] == 0
    assert found.distinct == 1
    assert found.repeated_words == pytest.approx(2 / 3)
    assert measure([told("a b", ["a b"], name="1"), told("a b", ["a b"], name="2")]).distinct == 0.5
    assert measure([told("a b", ["a b"], log=-1e9)]).perplexity > 1e300


def plain_cider(told):
    """CIDEr-D by its definition: https://arxiv.org/abs/1411.5726, sections 4 and 7."""

    def grams(text, order):
        words = text.split()
        return Counter(tuple(words[at : at + order]) for at in range(len(words) - order + 1))

    total = 0.0
    for order in (1, 2, 3, 4):
        having = Counter(gram for one in told for gram in {g for text in one.references for g in grams(text, order)})

        def weighed(text, order=order, having=having):
            return {g: count * math.log(len(told) / max(1, having[g])) for g, count in grams(text, order).items()}

        for one in told:
            ours = weighed(one.best)
            for reference in one.references:
                theirs = weighed(reference)
                norms = math.hypot(*ours.values()) * math.hypot(*theirs.values())
                common = sum(min(value, theirs.get(gram, 0)) * theirs.get(gram, 0) for gram, value in ours.items())
                apart = len(one.best.split()) - len(reference.split())
                fits = common / norms * math.exp(-(apart**2) / 72) if norms else 0.0
                total += 10 * fits / 4 / len(one.references) / len(told)
    return total


def test_cider_is_that_of_its_definition():
    pictures = [
        told("a red ring left of a blue star", ["a red ring left of a blue star", "a star and a ring"]),
        told("a green dog on the hill", ["the green dog is on a hill"], name="b"),
        told("a a a a", ["two small squares above a ring", "a ring below squares"], name="c"),
        told("", ["a cross right of a star"], name="d"),
    ]
    found = measure(pictures)
    assert found.cider == pytest.approx(plain_cider(pictures), rel=1e-9)
    assert 1 < found.cider < 10
    alike = [told(text, [text], name=text) for text in ("a big red ring here", "one small blue star there")]
    assert measure(alike).cider == pytest.approx(10)
    assert measure(alike[:1]).cider == 0  # no word tells one picture from others
    assert measure([told("a b", ["  "])]).cider == 0


def test_repeated_words_and_pairs_are_counted():
    assert num_repeated(["a", "man", "a", "man", "a"]) == 2
    assert num_repeated(["on", "on", "a", "a", "hill"]) == 2
    assert num_repeated(["a", "red", "ring", "left", "of", "a", "red", "star"]) == 0
    assert num_repeated([]) == 0


def test_records_of_one_picture_are_brought_together():
    apart = [told("a", ["x"]), told("b", ["z"], name="b"), told("a", ["y"], log=-1.0, words=2)]
    first, second = merged(apart)
    assert (first.references, first.log_probability, first.num_words) == (("x", "y"), -4.0, 5)
    assert second.references == ("z",)
