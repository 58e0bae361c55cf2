"""The wait for executors: as long as the cluster manager may take to grant them, and then for the granted to start."""

import time
from collections.abc import Callable

from sparkcv import logs
from sparkcv.errors import ClusterError
from sparkcv.launchers import Launcher, Slots

__all__ = ["await_slots", "wait_for_slots"]

_POLL_S = 0.2
_TELL_EVERY_S = 10.0
_START_GRANTED_S = 600.0  # to fetch and unpack an archive of gigabytes on a host that has not had it yet

_log = logs.get(__name__)


def wait_for_slots(
    launcher: Launcher,
    count: int,
    timeout_s: float,
    *,
    is_patient: bool = False,
    stop_requested: Callable[[], bool] = lambda: False,
) -> None:
    """Return once ``count`` agents can run at once; raises ClusterError if they cannot, or not in time.

    Who ``is_patient``, as a run that has lost an executor, waits all the time for room that others may leave. Once
    ``stop_requested`` says so it returns at once, with or without room.
    """
    slots = await_slots(launcher, count, timeout_s, is_patient=is_patient, stop_requested=stop_requested)
    if slots.now >= count or stop_requested():
        return
    needs = f"{count} roles need {count} task slots at once, but"
    if slots.most is not None and slots.most < count:
        raise ClusterError(
            f"{needs} the Spark application asked for {slots.most}: "
            f"submit with --num-executors {count}, or use fewer ps and workers"
        )
    asked = "" if slots.most is None else f", of {slots.most} asked for"
    if why := launcher.obstacle(count - slots.now):
        raise ClusterError(f"{needs} only {slots.now} were there{asked}: {why}")
    granted = launcher.granted()
    if granted is not None and granted >= count:
        raise ClusterError(
            f"{needs} only {slots.now} were there after {timeout_s + _START_GRANTED_S:.0f} s{asked}: the cluster "
            f"granted {granted}, whose executors did not start; see the logs of their containers and hosts"
        )
    raise ClusterError(
        f"{needs} only {slots.now} were there after {timeout_s:.0f} s{asked}: the cluster did not grant the rest; see "
        "the free memory and cores of its queue, then wait, ask for less memory an executor, or use fewer ps and "
        "workers"
    )


def await_slots(
    launcher: Launcher,
    count: int,
    timeout_s: float,
    *,
    is_patient: bool = False,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Slots:
    """Wait until ``count`` agents can run at once, tell what is missing meanwhile, and return how many can.

    It gives up after ``timeout_s``, at once where fewer were asked for, earlier where the launcher knows of an
    obstacle and it is not to be patient, and 10 minutes later where the cluster manager says that it has granted
    enough: a new host fetches and unpacks the job's archive before an executor starts there. Once ``stop_requested``
    says so it gives up at once.
    """
    start_s = told_s = time.monotonic()
    deadline_s = start_s + timeout_s
    while True:
        slots, now_s = launcher.slots(), time.monotonic()
        if slots.now >= count or (slots.most is not None and slots.most < count) or stop_requested():
            return slots
        if now_s > told_s + _TELL_EVERY_S or now_s > deadline_s:
            told_s, granted = now_s, launcher.granted()
            if granted is not None and granted >= count:
                deadline_s = max(deadline_s, min(now_s + _TELL_EVERY_S, start_s + timeout_s + _START_GRANTED_S))
            _tell(slots, granted)
        why = launcher.obstacle(count - slots.now)  # asked in each round: it tells what has lasted
        if now_s > deadline_s or (why and not is_patient):
            return slots
        time.sleep(_POLL_S)  # executors register when the cluster manager has room: there is nothing to wait on


def _tell(slots: Slots, granted: int | None) -> None:
    asked = "" if slots.most is None else f" of {slots.most}"
    rest = "" if granted is None else f"; the cluster has granted {granted}, which may still fetch and unpack files"
    _log.info("waiting for executors: %d%s task slots are there%s", slots.now, asked, rest)
