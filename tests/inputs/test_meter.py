"""Gauges, rate and what the worker waits for, by a clock that the test turns."""

from sparkcv.inputs.meter import Meter


class Clock:
    def __init__(self):
        self.now, self.reader_s = 100.0, 7.0

    def __call__(self):
        return self.now


def run(meter, clock, steps, *, seconds, prefetch=1, waited=0.0, reader=0.0):
    """Steps of ``seconds`` each, of which each waits ``waited`` and the reader ``reader``."""
    for _ in range(steps):
        clock.now += seconds
        clock.reader_s += reader
        meter.step((3, 8), (600, 640), (prefetch, 2), waited_s=waited, reader_waited_s=clock.reader_s)


def test_there_is_no_rate_before_the_second_step():
    meter = Meter(32, Clock())
    assert meter.images_per_s is None
    assert meter.bound is None
    assert meter.report() == {"own_steps": 0, "images_per_s": None, "queues": {}, "bound": None, "waits": None}
    run(meter, Clock(), 1, seconds=1, prefetch=0)
    assert meter.images_per_s is None


def test_the_rate_is_of_the_steps_after_the_first():
    clock = Clock()
    meter = Meter(32, clock)
    clock.now += 60  # building, compiling: not the rate's business
    run(meter, clock, 5, seconds=0.5, prefetch=2)
    assert meter.images_per_s == 64.0
    assert meter.num_images == 160
    assert meter.seconds == 2.0


def test_an_old_pause_leaves_the_rate():
    clock = Clock()
    meter = Meter(10, clock)
    run(meter, clock, 5, seconds=30, prefetch=2)
    run(meter, clock, 100, seconds=0.5, prefetch=2)
    assert meter.images_per_s == 20.0


def test_what_a_run_is_bound_by_follows_from_who_waits_for_whom():
    clock = Clock()
    meter = Meter(32, clock)
    run(meter, clock, 60, seconds=1, waited=0.05)
    assert (meter.bound, round(meter.waits, 6)) == ("step", 0.05)
    run(meter, clock, 60, seconds=1, waited=0.6)
    assert (meter.bound, round(meter.waits, 6)) == ("decoder", 0.6)
    run(meter, clock, 60, seconds=1, waited=0.6, reader=0.5)
    assert meter.bound == "reader"
    run(meter, clock, 60, seconds=1, waited=0.0, reader=0.0)
    assert meter.bound == "step"


def test_a_reader_that_brings_much_at_once_and_then_nothing_is_found_though_most_steps_did_not_wait():
    clock = Clock()
    meter = Meter(32, clock)
    for _ in range(3):
        run(meter, clock, 50, seconds=0.1)
        run(meter, clock, 1, seconds=10, prefetch=0, waited=9.9, reader=9.9)
    assert (meter.bound, meter.waits > 0.5) == ("reader", True)


def test_the_report_has_fill_and_capacity_of_each_queue():
    clock = Clock()
    meter = Meter(32, clock)
    run(meter, clock, 2, seconds=1, prefetch=1)
    assert meter.report() == {
        "own_steps": 2,
        "images_per_s": 32.0,
        "queues": {"filename": [3, 8], "common": [600, 640], "prefetch": [1, 2]},
        "bound": "step",
        "waits": 0.0,
    }
