"""Gauges, rate and what the worker waits for, by a clock that the test turns."""

from sparkcv.inputs.meter import Meter


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(meter, clock, steps, *, seconds, prefetch):
    for _ in range(steps):
        clock.now += seconds
        meter.step((3, 8), (600, 640), (prefetch, 2))


def test_there_is_no_rate_before_the_second_step():
    meter = Meter(32, Clock())
    assert meter.images_per_s is None
    assert meter.bound is None
    assert meter.report() == {"own_steps": 0, "images_per_s": None, "queues": {}, "bound": None}
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


def test_a_run_whose_steps_find_the_prefetch_queue_empty_is_input_bound():
    clock = Clock()
    meter = Meter(32, clock)
    run(meter, clock, 50, seconds=0.1, prefetch=0)
    assert meter.bound == "input"
    run(meter, clock, 30, seconds=0.1, prefetch=1)
    assert meter.bound == "compute"


def test_the_report_has_fill_and_capacity_of_each_queue():
    clock = Clock()
    meter = Meter(32, clock)
    run(meter, clock, 2, seconds=1, prefetch=1)
    assert meter.report() == {
        "own_steps": 2,
        "images_per_s": 32.0,
        "queues": {"filename": [3, 8], "common": [600, 640], "prefetch": [1, 2]},
        "bound": "compute",
    }
