"""Batches by size and delay, without TensorFlow: what is decoded, scored, or left because nobody waits."""

import threading
import time

import numpy as np

from sparkcv.serve.batcher import LARGE_BYTES, Batcher, Item
from sparkcv.serve.errors import RequestError


class Doubling:
    """Decodes to one pixel, scores twice its value; may be held."""

    def __init__(self):
        self.batches, self.may_score, self.may_decode = [], threading.Event(), threading.Event()
        self.may_score.set()
        self.may_decode.set()

    def decode(self, picture):
        if picture == b"bad":
            raise RequestError(400, "no picture")
        if len(picture) > LARGE_BYTES:
            assert self.may_decode.wait(30)
        return np.full((1, 1, 1), len(picture), np.float32)

    def score(self, pixels):
        assert self.may_score.wait(30)
        self.batches.append(len(pixels))
        return 2 * pixels.reshape(len(pixels), 1)


class Scores:
    """Collects answers."""

    def __init__(self, count):
        self.answers, self._left = {}, threading.Semaphore(0)
        self._count = count

    def __call__(self, scored):
        self.answers[scored.item.number] = scored
        self._left.release()

    def wait(self, count=None):
        for _ in range(count or self._count):
            assert self._left.acquire(timeout=300)
        return self.answers


def batcher(model, scores, **options):
    return Batcher(model, scores, **{"max_batch_size": 4, "max_delay_s": 0.0, "num_threads": 2, **options})


def test_what_waits_meanwhile_is_scored_together_and_each_gets_its_own():
    model, scores = Doubling(), Scores(9)
    model.may_score.clear()
    batches = batcher(model, scores, max_delay_s=0.05)
    for number in range(1, 10):
        batches.put(Item(number, b"x" * number))
    time.sleep(0.3)
    model.may_score.set()
    answers = scores.wait()
    batches.close()
    assert {number: float(one.scores[0]) for number, one in answers.items()} == {n: 2.0 * n for n in range(1, 10)}
    assert max(model.batches) == 4
    assert sum(model.batches) == 9


def test_a_bad_picture_costs_only_itself():
    scores = Scores(3)
    batches = batcher(Doubling(), scores)
    for number, picture in enumerate([b"a", b"bad", b"c"]):
        batches.put(Item(number, picture))
    answers = scores.wait()
    batches.close()
    assert [answers[number].status for number in range(3)] == [200, 400, 200]
    assert answers[1].reason == "no picture"


def test_large_pictures_do_not_hold_up_small_ones():
    model, scores = Doubling(), Scores(2)
    model.may_decode.clear()
    batches = batcher(model, scores)
    for number in range(5):
        batches.put(Item(number, b"x" * (LARGE_BYTES + 1)))
    batches.put(Item(10, b"small"))
    batches.put(Item(11, b"small"))
    assert sorted(scores.wait(2)) == [10, 11]
    model.may_decode.set()
    scores.wait(5)
    batches.close()


def test_nobody_waits_nothing_is_scored():
    model, scores = Doubling(), Scores(3)
    batches = batcher(model, scores)
    cancelled = Item(1, b"a", is_cancelled=True)
    late = Item(2, b"a", deadline_s=time.monotonic() - 1)
    for item in (cancelled, late, Item(3, pixels=np.ones((1, 1, 1), np.float32))):
        batches.put(item)
    answers = scores.wait()
    batches.close()
    assert [answers[number].status for number in (1, 2, 3)] == [504, 504, 200]
    assert "its turn did not come within --timeout_s" in answers[1].reason
    assert model.batches == [1]


def test_scores_that_are_no_numbers_are_told():
    class Broken(Doubling):
        def score(self, pixels):
            return np.full((len(pixels), 2), np.nan)

    scores = Scores(1)
    batches = batcher(Broken(), scores)
    batches.put(Item(1, b"a"))
    answers = scores.wait()
    batches.close()
    assert answers[1].status == 400
    assert "not a number" in answers[1].reason


def test_closing_answers_what_was_put_in():
    model, scores = Doubling(), Scores(20)
    batches = batcher(model, scores)
    for number in range(20):
        batches.put(Item(number, b"a"))
    batches.close()
    assert len(scores.answers) == 20


def test_what_a_models_code_raises_costs_its_batch_and_the_next_one_is_scored(caplog):
    class Failing(Doubling):
        def decode(self, picture):
            if picture == b"huge":
                raise MemoryError
            return super().decode(picture)

        def score(self, pixels):
            if pixels.max() == 2:
                raise ValueError("of the engine")
            return super().score(pixels)

    scores = Scores(3)
    batches = batcher(Failing(), scores, max_batch_size=1)
    for number, picture in enumerate([b"huge", b"bb", b"c"]):
        batches.put(Item(number, picture))
    answers = scores.wait()
    batches.close()
    assert [answers[number].status for number in range(3)] == [503, 500, 200]
    assert answers[0].reason == "the server cannot compute it for the moment; see its log"
    assert answers[1].reason == "a bug of the service; see its log"
    assert "ValueError: of the engine" in caplog.text
