"""Stalls are found in time and only where there are some; a slow role is told once, with its rate beside the others'.

Runs are played on a clock of the test's: each worker reports at most every 2 s, each beat comes once a second.
"""

import dataclasses

import pytest

from sparkcv.cluster import stall_detector
from sparkcv.cluster.stall_detector import StallDetector
from sparkcv.diagnosis.slowness import Silence, Straggler
from sparkcv.roles import CHIEF, Role

PS, ONE, TWO = Role("ps", 0), Role("worker", 1), Role("worker", 2)
BEAT_S, REPORT_S = 1.0, 2.0


@dataclasses.dataclass
class Worker:
    """A worker that takes a step every ``step_s`` seconds, unless it is paused, and reports as the hook does."""

    role: Role
    step_s: float
    steps: float = 0.0
    reported_s: float = float("-inf")
    reported: int = 0
    is_stopped: bool = False

    def go_on(self, now_s, seconds):
        if not self.is_stopped:
            self.steps += seconds / self.step_s
        if int(self.steps) > self.reported and now_s - self.reported_s >= REPORT_S:
            self.reported, self.reported_s = int(self.steps), now_s


class Play:
    """A run played second by second; what Pace says is kept with the time at which it was said first."""

    def __init__(self, *steps_s, **settings):
        self.detector = StallDetector(**settings)
        self.now_s = 1000.0
        self.workers = [Worker(Role("worker", at), step_s) for at, step_s in enumerate(steps_s)]
        self.stalled, self.slow, self.recovered = {}, [], []
        for worker in self.workers:
            self.detector.watch(worker.role, self.now_s)

    def run(self, seconds, *, sees_states=False, say=None):
        """Lets time pass; ``say(now_s)`` is called each beat."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += BEAT_S
            for worker in self.workers:
                worker.go_on(self.now_s, BEAT_S)
                if worker.reported:
                    self.detector.hear(worker.role, {"step": 7, "own_steps": worker.reported}, self.now_s)
                if sees_states:
                    self.detector.note_state(worker.role, "stopped" if worker.is_stopped else "sleeping", self.now_s)
            if say is not None:
                say(self.now_s)
            for role in self.detector.stalled(self.now_s):
                self.stalled.setdefault(role, self.now_s)
            self.slow += [(self.now_s, one) for one in self.detector.stragglers(self.now_s)]
            self.recovered += [(self.now_s, one) for one in self.detector.recovered()]
        return self


# ---- stalls


@pytest.mark.parametrize("sees_states", [False, True])
@pytest.mark.parametrize("step_s", [0.01, 0.3, 2.0, 5.0])
def test_a_stop_of_20_s_is_no_stall_and_one_for_ever_is_declared_within_60_s_and_a_beat(step_s, sees_states):
    play = Play(step_s, step_s).run(120)
    play.workers[1].is_stopped = True
    play.run(20, sees_states=sees_states)
    play.workers[1].is_stopped = False
    play.run(120, sees_states=sees_states)
    assert play.stalled == {}
    play.workers[1].is_stopped, stopped_s = True, play.now_s
    play.run(70, sees_states=sees_states)
    assert set(play.stalled) == {ONE}
    assert 20 < play.stalled[ONE] - stopped_s <= 60 + BEAT_S


def test_with_the_floor_out_of_reach_a_stop_is_never_declared():
    """The mechanism switched off."""
    play = Play(0.3, 0.3, floor_s=1e9).run(60)
    play.workers[1].is_stopped = True
    assert play.run(600).stalled == {}


@pytest.mark.parametrize("step_s", [60.0, 200.0])
def test_a_net_whose_steps_take_minutes_is_not_stalled_and_its_stall_is_ten_steps(step_s):
    play = Play(step_s, step_s).run(20 * step_s)
    assert play.stalled == {}
    play.workers[1].is_stopped, stopped_s = True, play.now_s
    play.run(12 * step_s)
    assert set(play.stalled) == {ONE}
    assert 9 * step_s <= play.stalled[ONE] - stopped_s <= 11 * step_s


def test_the_first_step_has_a_patience_of_its_own():
    play = Play(1e9, 0.3, first_step_s=300)
    play.run(299)
    assert play.stalled == {}
    assert list(play.run(5).stalled) == [CHIEF]


def test_until_the_second_word_of_steps_the_patience_is_that_of_the_first():
    one = StallDetector(first_step_s=300)
    one.watch(CHIEF, 0)
    one.watch(CHIEF, 299)  # said again, as at every beat
    one.note(CHIEF, 1, 100)
    assert one.stalled(399) == []
    assert one.stalled(400) == [CHIEF]


def test_watching_counts_from_the_first_time():
    one = StallDetector(first_step_s=300)
    for now_s in range(0, 310, 10):
        one.watch(CHIEF, now_s)
    assert one.stalled(299) == []
    assert one.stalled(300) == [CHIEF]


def test_the_same_step_again_is_no_progress():
    one = StallDetector()
    for now_s in range(10):
        one.note(CHIEF, now_s, now_s)
    for now_s in range(10, 49):
        one.note(CHIEF, 9, now_s)
        assert one.stalled(now_s) == []
    assert one.stalled(49) == [CHIEF]


def test_a_forgotten_role_begins_anew():
    one = StallDetector(first_step_s=300)
    for now_s in range(10):
        one.note(CHIEF, now_s, now_s)
    assert one.stalled(60) == [CHIEF]
    one.forget(CHIEF)
    one.forget(CHIEF)  # once more, when it is not known
    assert one.stalled(60) == []
    one.watch(CHIEF, 60)
    one.note(CHIEF, 3, 100)
    assert one.stalled(350) == []


@pytest.mark.parametrize(("other_says", "stalled_s"), [({}, 220), ({"saving": True}, 800)])
def test_a_second_start_has_no_longer_than_some_times_the_first_unless_it_waits_for_another(other_says, stalled_s):
    one = StallDetector(floor_s=40)
    one.watch(ONE, 0)
    one.note(ONE, 1, 18)
    one.note(ONE, 2, 20)
    one.forget(ONE)
    one.watch(ONE, 40)
    one.watch(CHIEF, 40)
    one.hear(CHIEF, {"own_steps": 1, **other_says}, 20)
    assert not one.has_stepped(ONE)
    assert ONE not in one.stalled(stalled_s - 1)
    assert ONE in one.stalled(stalled_s)


def test_a_lower_step_is_a_new_start_and_progress():
    one = StallDetector()
    for step, now_s in [(100, 0), (110, 2), (120, 4), (50, 40), (60, 42)]:
        one.note(CHIEF, step, now_s)
    assert one.stalled(81) == []
    assert one.stalled(82) == [CHIEF]
    assert one.silence(CHIEF, 42).median_step_s == pytest.approx(0.2)


def test_who_takes_no_steps_is_only_found_stopped():
    one = StallDetector()
    one.note_state(PS, "sleeping", 0)
    assert one.stalled(1e6) == []
    one.note_state(PS, "stopped", 10)
    one.note_state(PS, "stopped", 30)
    assert one.stalled(49) == []
    assert one.stalled(50) == [PS]
    assert str(one.silence(PS, 50)) == "its process has been stopped for 40 s"
    one.note_state(PS, "running", 51)
    assert one.stalled(51) == []


def test_who_takes_steps_is_not_stopped_all_the_time_though_it_is_whenever_it_is_looked_at():
    one = StallDetector()
    for now_s in range(0, 200, 20):
        one.note(ONE, now_s, now_s)
        one.note_state(ONE, "stopped", now_s + 1)
        assert one.stalled(now_s + 19) == []
    assert one.stalled(220) == [ONE]


def test_who_waits_for_a_stopped_ps_is_not_the_one_to_blame():
    play = Play(0.3, 0.3).run(60)
    stopped_s = play.now_s
    for worker in play.workers:
        worker.is_stopped = True
    play.run(70, say=lambda now_s: play.detector.note_state(PS, "stopped" if now_s > stopped_s + 2 else "", now_s))
    assert set(play.stalled) == {PS}
    assert play.stalled[PS] - stopped_s <= 60 + BEAT_S


def test_without_word_of_who_is_stopped_all_who_wait_are_told():
    play = Play(0.3, 0.3).run(60)
    for worker in play.workers:
        worker.is_stopped = True
    assert list(play.run(70).stalled) == [CHIEF, ONE]


# ---- pauses with a reason


def save(play, seconds, status, **more):
    """The chief stands for ``seconds`` while it saves; ``status`` is what it says of that when it begins."""
    chief = play.workers[0]
    chief.is_stopped, chief.reported = True, int(chief.steps)
    play.detector.hear(CHIEF, {"own_steps": chief.reported, **status}, play.now_s)
    play.run(seconds, **more)
    play.workers[0].is_stopped = False


def test_a_save_of_minutes_is_no_stall_and_no_reason_to_call_the_chief_slow():
    play = Play(0.3, 0.3, 0.3).run(60)
    save(play, 240, {"saving": True})
    play.run(120)
    assert play.stalled == {}
    assert play.slow == []


def test_a_save_that_is_not_said_is_a_stall():
    """The mechanism switched off."""
    play = Play(0.3, 0.3).run(60)
    save(play, 60, {})
    assert list(play.stalled) == [CHIEF]


def test_a_save_for_ever_is_a_stall_in_the_end():
    play = Play(0.3, 0.3).run(60)
    began_s = play.now_s
    save(play, 700, {"saving": True})
    assert play.stalled[CHIEF] - began_s == pytest.approx(stall_detector.SAVING_S + 40, abs=2)


def test_the_first_step_after_a_save_ends_the_excuse():
    play = Play(0.3, 0.3).run(60)
    save(play, 60, {"saving": True})
    play.run(20)
    play.workers[0].is_stopped = True
    assert list(play.run(60).stalled) == [CHIEF]


@pytest.mark.parametrize("in_lockstep", [True, False])
def test_in_lockstep_the_chiefs_save_excuses_all(in_lockstep):
    play = Play(0.3, 0.3, 0.3, in_lockstep=in_lockstep).run(60)
    play.workers[1].is_stopped = play.workers[2].is_stopped = True
    save(play, 100, {"saving": True})
    assert sorted(play.stalled) == ([] if in_lockstep else [ONE, TWO])


WAITING = "worker:1 warning hdfs://default does not answer (connection refused), waiting up to 93 s more"


@pytest.mark.parametrize(("line", "stalled"), [(WAITING, []), ("step 7: loss 2.1", [ONE])])
def test_who_waits_for_storage_and_says_so_is_not_stalled(line, stalled):
    play = Play(0.3, 0.3).run(60)
    play.workers[1].is_stopped, began_s = True, play.now_s
    play.run(110, say=lambda now_s: play.detector.hear_lines(ONE, [line] if (now_s - began_s) % 10 == 2 else [], now_s))
    assert list(play.stalled) == stalled
    play.run(80)
    assert ONE in play.stalled


def test_an_excuse_does_not_cover_a_stopped_process():
    play = Play(0.3, 0.3).run(60)
    play.workers[0].is_stopped, stopped_s = True, play.now_s
    play.detector.hear(CHIEF, {"saving": True}, play.now_s)
    play.run(60, sees_states=True)
    assert play.stalled[CHIEF] - stopped_s <= 60 + BEAT_S


# ---- stragglers


@pytest.mark.parametrize("step_s", [0.02, 0.3, 2.0])
def test_a_worker_ten_times_slower_is_flagged_within_60_s_once_with_both_rates(step_s):
    play = Play(step_s, step_s, step_s).run(60)
    play.workers[1].step_s, began_s = 10 * step_s, play.now_s
    play.run(200)
    ((told_s, one),) = play.slow
    assert one.role == ONE
    assert told_s - began_s <= 60
    assert one.others_per_s == pytest.approx(1 / step_s, rel=0.2)
    assert one.steps_per_s < 0.5 / step_s
    assert [now.role for now in play.detector.slow] == [ONE]
    assert play.detector.slow[0].steps_per_s == pytest.approx(0.1 / step_s, rel=0.5)
    assert play.stalled == {}


def test_a_worker_slow_from_its_first_step_is_flagged_within_60_s():
    play = Play(0.3, 3.0).run(60)
    assert [one.role for _, one in play.slow] == [ONE]


def test_a_straggler_that_recovers_is_told_and_told_again_when_it_is_slow_once_more():
    play = Play(0.3, 0.3, 0.3).run(60)
    for at in (1, 2):
        play.workers[1].step_s = 3.0
        play.run(100)
        play.workers[1].step_s = 0.3
        play.run(100)
        assert [one.role for _, one in play.slow] == [ONE] * at
        assert [one.role for _, one in play.recovered] == [ONE] * at
        assert play.detector.slow == []
    assert play.recovered[0][1].steps_per_s >= stall_detector.RECOVERED_SHARE * play.recovered[0][1].others_per_s


def test_a_worker_at_a_little_more_than_half_the_rate_is_not_slow():
    assert Play(0.3, 0.5, 0.3).run(300).slow == []


@pytest.mark.parametrize("step_s", [0.02, 0.3, 2.0, 5.0])
def test_a_stop_of_20_s_makes_nobody_a_straggler(step_s):
    play = Play(step_s, step_s, step_s).run(60)
    play.workers[1].is_stopped = True
    play.run(20)
    play.workers[1].is_stopped = False
    assert play.run(100).slow == []


def test_a_worker_that_is_stopped_for_nine_tenths_of_the_time_is_slow_and_not_stalled():
    play = Play(0.1, 0.1, 0.1).run(60)
    for at in range(40):
        play.workers[1].is_stopped = at % 10 != 0
        play.run(3, sees_states=True)
    assert [one.role for _, one in play.slow] == [ONE]
    assert play.stalled == {}


def test_one_worker_alone_is_never_slow():
    play = Play(0.3).run(60)
    play.workers[0].step_s = 5.0
    assert play.run(200).slow == []


def test_where_all_go_at_one_pace_nobody_is_slow_however_slow_that_is():
    play = Play(0.3, 0.3, 0.3).run(60)
    for worker in play.workers:
        worker.step_s = 6.0
    assert play.run(300).slow == []


@pytest.mark.parametrize("step_s", [20.0, 60.0])
def test_long_steps_out_of_phase_make_nobody_slow(step_s):
    play = Play(step_s, step_s, step_s)
    play.workers[1].steps, play.workers[2].steps = 0.3, 0.7
    assert play.run(20 * step_s).slow == []


def test_roles_of_another_job_are_no_measure():
    one = StallDetector()
    evaluator = Role("evaluator", 0)
    for now_s in range(200):
        one.note(CHIEF, now_s, now_s)
        one.note(evaluator, now_s // 50, now_s)
        assert one.stragglers(now_s) == []


def test_saves_of_the_chief_neither_hide_a_straggler_nor_its_recovery():
    play = Play(0.3, 3.0)
    for at in range(12):
        play.workers[1].step_s = 3.0 if at < 6 else 0.3
        play.run(10)
        save(play, 4, {"saving": True})
    assert [one.role for _, one in play.slow] == [ONE]
    assert [one.role for _, one in play.recovered] == [ONE]


def test_a_straggler_that_begins_anew_or_is_left_alone_is_slow_no_more():
    play = Play(0.3, 3.0).run(60)
    assert [one.role for one in play.detector.slow] == [ONE]
    play.detector.forget(CHIEF)
    play.detector.stragglers(play.now_s)
    assert play.detector.slow == []
    play = Play(0.3, 3.0).run(60)
    play.detector.forget(ONE)
    assert play.detector.slow == []


# ---- what is heard, and what is said


@pytest.mark.parametrize("status", [{}, {"step": None}, {"step": "7"}, {"loss": 1.0}])
def test_a_status_without_a_step_is_no_progress(status):
    one = StallDetector(first_step_s=300)
    one.watch(CHIEF, 0)
    one.hear(CHIEF, status, 200)
    assert one.stalled(300) == [CHIEF]


def test_a_program_that_reports_only_step_is_measured_by_that():
    one = StallDetector()
    for now_s in range(10):
        one.hear(CHIEF, {"step": now_s}, now_s)
    assert one.stalled(48) == []
    assert one.stalled(49) == [CHIEF]


def test_the_words_have_the_numbers():
    one = StallDetector()
    for now_s in range(11):
        one.note(CHIEF, 4 * now_s, now_s)
    assert str(one.silence(CHIEF, 57)) == "it took no step for 47 s (its median step takes 0.25 s)"
    assert str(Silence(600.0, None)) == "it took no step for 600 s after it started, or after its first"
    assert str(Straggler(ONE, 0.333333, 3.4)) == "worker:1 is slow: 0.333 steps/s, where the others take 3.4 (median)"
