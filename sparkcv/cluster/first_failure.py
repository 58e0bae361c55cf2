"""From the roles that failed together to the one error that is raised: who failed first, and how that role ended."""

import dataclasses
import time
from collections.abc import Sequence

from sparkcv import errors
from sparkcv.channel.heartbeat import SILENCE_S
from sparkcv.channel.messages import End
from sparkcv.cluster.state import RoleState
from sparkcv.diagnosis import report, stall
from sparkcv.diagnosis.report import Failure
from sparkcv.diagnosis.slowness import Silence
from sparkcv.errors import ClusterError, MemoryExceededError, RoleFailedError, SparkcvError
from sparkcv.launchers import Launch
from sparkcv.roles import Role
from sparkcv.spark.memory import Overrun, overrun

__all__ = ["first_error", "stall_error"]

_LOSS_REASON_S = 4.0  # Spark learns of a dead executor a moment after we do
_POLL_S = 0.2


def first_error(failed: Sequence[RoleState], launch: Launch) -> SparkcvError:
    """Return the error that reports the first of ``failed``, or the end of the launch itself if no role has failed."""
    if stopped := launch.stopped():
        return ClusterError(f"the Spark application ended under the run: {stopped}")
    if not failed:
        return ClusterError(f"Spark ended the run: {launch.error() or 'its tasks ended without a word'}")
    first, *others = sorted(failed, key=_precedence)
    failure = dataclasses.replace(_failure(first, launch), also=[one.role for one in others])
    text = report.report(failure)
    kind = errors.by_name(failure.kind)
    if kind is errors.UsageError or kind is errors.PreemptedError:
        return kind(text)  # they have exit codes of their own
    return RoleFailedError(text) if failure.overrun is None else MemoryExceededError(text)


def stall_error(one: RoleState, silence: Silence, stack_lines: Sequence[str], launch: Launch) -> RoleFailedError:
    """Return the error that reports a role that runs and takes no steps."""
    failure = dataclasses.replace(
        _known(one, launch),
        sentence=stall.sentence(one.role, silence),
        is_stalled=True,
        state=one.process,
        stacks=stack_lines,
    )
    return RoleFailedError(report.report(failure))


def _known(one: RoleState, launch: Launch) -> Failure:
    hello, end = one.hello, one.end
    return Failure(
        role=one.role,
        sentence=f"{one.role} failed",
        host=hello.host if hello else "",
        place=launch.place(hello.task) if hello else "",
        pid=one.pid,
        peak_rss_bytes=one.peak_rss_bytes,
        tail=end.tail if end else one.tail,
        memory=launch.memory(),
    )


def _failure(one: RoleState, launch: Launch) -> Failure:
    end, failure = one.end, _known(one, launch)
    if end is not None and not _was_told_to_end(end):
        sentence = end.error if end.error and end.error_kind else _end_sentence(one.role, end)
        return dataclasses.replace(failure, sentence=sentence, kind=end.error_kind, returncode=end.returncode)
    if end is None and one.hung_up_s is None:
        silent = f"{one.role}: its agent on {failure.host} has been silent for {SILENCE_S:.0f} s"
        return dataclasses.replace(failure, sentence=silent)
    reason = _loss(one, launch)
    if over := overrun(reason):
        return dataclasses.replace(failure, sentence=_overrun_sentence(one, failure.host, over, reason), overrun=over)
    if reason:
        lost = f"{one.role} was lost with its Spark executor on {failure.host}: {reason}"
        return dataclasses.replace(failure, sentence=lost)
    if end is not None:
        return dataclasses.replace(failure, sentence=_end_sentence(one.role, end), returncode=end.returncode)
    return dataclasses.replace(failure, sentence=_death_sentence(one, launch))


def _loss(one: RoleState, launch: Launch) -> str:
    """Wait for why the cluster manager lost the role's executor; return "" if that still counts as alive."""
    reason, deadline_s = "", time.monotonic() + _LOSS_REASON_S
    while not reason and one.hello and time.monotonic() < deadline_s:
        reason = launch.loss(one.hello.task)
        if not reason:
            time.sleep(_POLL_S)  # Spark tells of a loss when it is asked, not otherwise
    return reason


def _overrun_sentence(one: RoleState, host: str, over: Overrun, reason: str) -> str:
    rss = f", {one.role} itself {_gb(one.peak_rss_bytes)}" if one.peak_rss_bytes else ""
    if not over.used_bytes:
        return f"{one.role} was lost with its Spark executor on {host}: {reason}{rss}"
    return (
        f"{one.role} was killed with its container on {host} for exceeding physical memory limits: "
        f"{_gb(over.used_bytes)} of {_gb(over.limit_bytes)} used{rss}"
    )


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f} GB"


def _death_sentence(one: RoleState, launch: Launch) -> str:
    host = one.hello.host if one.hello else ""
    complaint = launch.complaint(one.hello.task) if one.hello else ""
    spark = f"; Spark says: {complaint}" if complaint else ""
    return f"{one.role} was lost: its agent, the Spark task's Python process on {host}, died{spark}"


def _was_told_to_end(end: End) -> bool:
    """Return whether the agent ended the role for a SIGTERM of its own, whose sender knows the reason."""
    return end.result is None and not end.error_kind and "SIGTERM" in end.error


def _precedence(one: RoleState) -> tuple[int, float]:
    """Return a sort key: killed and lost roles come before those that raised an error, which may be about those."""
    if one.end is None:
        return 0, one.hung_up_s or one.contact_s or 0.0
    was_killed = one.end.returncode is not None and one.end.returncode < 0
    return 0 if was_killed else 1, one.end_s or 0.0


def _end_sentence(role: Role, end: End) -> str:
    if end.error:
        return f"{role}: {end.error}"
    if end.returncode is None:
        return f"{role} ended for an unknown reason"
    if end.returncode < 0:
        return f"{role} was killed by signal {report.signal_name(-end.returncode)}"
    if end.result is not None:
        return f"{role} is a service and ended before it was asked to"
    if end.returncode == 0:
        return f"{role} ended with exit code 0 before its program returned a result"
    return f"{role} ended with exit code {end.returncode}"
