"""One role's process, started as an agent starts it and given nothing to do but load TensorFlow."""

import os
import time
from typing import Any

from sparkcv.cluster.child import Child, Placement
from sparkcv.cluster.role_log import RoleLog
from sparkcv.diagnosis.report import Failure, probable_cause, signal_name
from sparkcv.roles import Role
from sparkcv.spark.scratch import scratch_dir

__all__ = ["run_trial"]

_ROLE = Role("doctor", 0)
_PROGRAM = "sparkcv.doctor.program:load"
_POLL_S = 0.05
_LOG_TIMEOUT_S = 2.0
_MAX_WORDS_CHARS = 300


def run_trial(scratch_root: str, timeout_s: float) -> dict[str, Any]:
    """Return ``role_error``, ``role_seconds`` and ``role_memory`` of a role's process; never raises an OSError."""
    start_s = time.monotonic()
    try:
        error, memory = _run(scratch_root, start_s + timeout_s)
    except OSError as err:
        error, memory = f"its process cannot be started: {err}", 0
    return {"role_error": error, "role_seconds": time.monotonic() - start_s, "role_memory": memory}


def _run(scratch_root: str, deadline_s: float) -> tuple[str, int]:
    with scratch_dir(scratch_root) as folder:
        work, temporary = os.path.join(folder, "work"), os.path.join(folder, "tmp")
        os.mkdir(work)
        os.mkdir(temporary)
        with Child(_ROLE, Placement(_PROGRAM, {}, {}), work, temporary) as child:
            log = RoleLog(child.take_log_fd(), None)
            outcome: dict[str, Any] = {}
            while child.is_running and time.monotonic() < deadline_s:
                for message in child.messages():
                    outcome.update(message)
                time.sleep(_POLL_S)  # watching a process and its socket in turn
            is_late = child.is_running
            for message in child.messages():
                outcome.update(message)
            child.kill()
            log.close(_LOG_TIMEOUT_S)
            if is_late:
                return "it did not load TensorFlow in time", child.peak_rss_bytes
            if isinstance(outcome.get("result"), dict) and child.returncode == 0:
                return "", child.peak_rss_bytes
            return _reason(child, outcome, log.tail()), child.peak_rss_bytes


def _reason(child: Child, outcome: dict[str, Any], tail: list[str]) -> str:
    """Return what ended the process, in a sentence: its own error, or else the signal, with the likely cause."""
    code = child.returncode or 0
    words = str(outcome.get("error") or "") or (
        f"killed by signal {signal_name(-code)}" if code < 0 else f"exit {code}"
    )
    if not outcome.get("error") and tail:
        words += f", its last words: {tail[-1]}"
    kind = str(outcome.get("error_kind", ""))
    cause = probable_cause(Failure(_ROLE, words, kind=kind, returncode=child.returncode, tail=tail))
    return words[:_MAX_WORDS_CHARS] + (f" ({cause.why})" if cause is not None else "")
