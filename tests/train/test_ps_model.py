"""The model of scaling keeps to what must be so: no worker is slowed by less traffic, none is faster than its parts."""

import dataclasses

import pytest

from bench.ps_model import CHUNKS, Setting, efficiency, simulate

PLAIN = Setting(num_workers=4, shares=[2e6, 2e6], compute_s=0.3, link_bytes_s=1e8)


def step_s(**changes):
    return simulate(dataclasses.replace(PLAIN, **changes), num_steps=6).step_s


@pytest.mark.parametrize("is_lockstep", [False, True])
def test_one_worker_alone_takes_its_computing_and_the_ends_of_its_transfers(is_lockstep):
    # The first piece must have come before computing starts, and the last one's gradients be sent after it ends.
    piece_s = 4e6 / CHUNKS / 1e8
    assert step_s(num_workers=1, is_lockstep=is_lockstep) == pytest.approx(0.3 + 2 * piece_s)
    assert step_s(num_workers=1, overhead_s=0.1, is_lockstep=is_lockstep) == pytest.approx(0.4 + 2 * piece_s)


@pytest.mark.parametrize("is_lockstep", [False, True])
def test_where_there_is_nothing_to_compute_the_fullest_link_sets_the_step(is_lockstep):
    many = step_s(num_workers=50, compute_s=0.0, is_lockstep=is_lockstep)
    assert many >= 50 * 2e6 / 1e8  # each way; the two ways overlap where workers do not wait for each other
    assert many <= 2.2 * 50 * 2e6 / 1e8
    uneven = step_s(num_workers=50, compute_s=0.0, shares=[3e6, 1e6], is_lockstep=is_lockstep)
    assert uneven == pytest.approx(1.5 * many, rel=0.1)


@pytest.mark.parametrize("is_lockstep", [False, True])
def test_more_workers_never_make_a_step_shorter_nor_more_servers_or_half_the_bytes_longer(is_lockstep):
    flags = {"compute_s": 0.02, "is_lockstep": is_lockstep}
    by_workers = [step_s(num_workers=count, **flags) for count in (1, 2, 4, 8, 16, 32)]
    assert by_workers == sorted(by_workers)
    by_servers = [step_s(num_workers=16, shares=[4e6 / count] * count, **flags) for count in (1, 2, 4, 8)]
    assert by_servers == sorted(by_servers, reverse=True)
    assert step_s(num_workers=16, shares=[1e6, 1e6], **flags) < 0.7 * step_s(num_workers=16, **flags)


def test_a_slow_processor_of_the_servers_sets_the_step_as_a_slow_link_does():
    assert step_s(num_workers=16, apply_s=0.2, compute_s=0.01) == pytest.approx(16 * 0.2 / 2, rel=0.15)


def test_in_lockstep_a_step_is_as_long_as_its_slowest_worker_but_for_the_backups():
    free = {"num_workers": 50, "link_bytes_s": 1e15, "jitter": 0.05}
    alone = simulate(dataclasses.replace(PLAIN, **free), num_steps=40)
    together = simulate(dataclasses.replace(PLAIN, **free, is_lockstep=True), num_steps=40)
    spared = simulate(dataclasses.replace(PLAIN, **free, is_lockstep=True, num_backups=5), num_steps=40)
    assert alone.step_s == pytest.approx(0.3, rel=0.02)
    assert together.step_s == pytest.approx(0.3 * (1 + 2.25 * 0.05), rel=0.02)  # of 50 normal numbers the largest
    assert alone.step_s < spared.step_s < together.step_s
    assert spared.steps_s == pytest.approx(45 / spared.step_s)


def test_a_server_on_a_workers_host_gives_that_worker_its_share_at_once():
    assert step_s(num_workers=1, shares=[4e6], compute_s=0.0, is_colocated=True) == 0
    assert step_s(num_workers=1, shares=[4e6], compute_s=0.0) == pytest.approx(0.08)


def test_the_same_seed_gives_the_same_and_efficiency_is_one_where_nothing_is_shared():
    jittery = dataclasses.replace(PLAIN, jitter=0.1)
    assert simulate(jittery, seed=3) == simulate(jittery, seed=3) != simulate(jittery, seed=4)
    assert efficiency(dataclasses.replace(PLAIN, link_bytes_s=1e15)) == pytest.approx(1)
    assert efficiency(dataclasses.replace(PLAIN, num_workers=64, compute_s=0.0)) < 0.2


@pytest.mark.parametrize(("workers", "published"), [(1, 0.147), (100, 0.613)])
def test_it_gives_the_published_null_steps(workers, published):
    """OSDI'16, section 6.2: 100 MB over 16 ps in lockstep."""
    setting = Setting(workers, [100e6 / 16] * 16, 0.0, 2.085e9, overhead_s=0.051, is_lockstep=True)
    assert simulate(setting, num_steps=3).step_s == pytest.approx(published, rel=0.15)


@pytest.mark.parametrize(
    "changes",
    [{"num_workers": 0}, {"shares": []}, {"compute_s": -1.0}, {"link_bytes_s": 0.0}, {"num_backups": 4}],
)
def test_what_is_no_cluster_is_refused(changes):
    with pytest.raises(ValueError):
        dataclasses.replace(PLAIN, **changes)
