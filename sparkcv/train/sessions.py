"""TensorFlow's servers and sessions of a run, with an end to every wait and no silent second try.

TF's own MonitoredTrainingSession cannot restore a file that was fetched, waits two hours for a chief, and after a lost
connection makes a new session that restores the first checkpoint over the live variables of everybody.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow.compat.v1 as tf

from sparkcv.errors import ClusterError, LaunchTimeoutError
from sparkcv.inputs.graph_error import gist
from sparkcv.train.server import STEP_TIMEOUT_S, config_of, server, session_config

__all__ = ["Awaiting", "Chief", "Once", "await_ps", "config_of", "open_session", "server", "session_config"]

_POLL_S = 0.2
_CHIEF_POLL_S = 0.5
_CONNECT_S = 2.0
_STOP_GRACE_S = 3  # TF's own is 120, which a chief with --sync_replicas waits out to the last second


def await_ps(addresses: Sequence[str], timeout_s: float) -> None:
    """Wait until every ps accepts connections; raise LaunchTimeoutError that names the first that does not."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    for index, address in enumerate(addresses):
        host, _, port = address.rpartition(":")
        while True:
            try:
                with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S):
                    break
            except OSError as err:
                if time.monotonic() > deadline:
                    raise LaunchTimeoutError(
                        f"ps:{index} at {address} did not answer in {timeout_s:g} s: {err}"
                    ) from err
                pause.wait(_POLL_S)


class Awaiting(tf.train.SessionCreator):
    """Waits for the chief to initialize the variables; TF's WorkerSessionCreator looks only every 30 seconds."""

    def __init__(self, scaffold: tf.train.Scaffold, master: str, config: tf.ConfigProto, timeout_s: float) -> None:
        self._scaffold, self._master, self._config, self._timeout_s = scaffold, master, config, timeout_s

    def create_session(self) -> tf.Session:
        """Return a session with initialized variables; raise tf.errors.DeadlineExceededError."""
        self._scaffold.finalize()
        manager = tf.train.SessionManager(
            local_init_op=self._scaffold.local_init_op,
            ready_op=self._scaffold.ready_op,
            ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
            graph=tf.get_default_graph(),
            recovery_wait_secs=_CHIEF_POLL_S,
        )
        return manager.wait_for_session(self._master, config=self._config, max_wait_secs=self._timeout_s)


class Chief(tf.train.SessionCreator):
    """Initializes or restores the variables; a chief that ``comes_back`` joins those who went on without it.

    TF's ChiefSessionCreator restores the checkpoint over the live variables, and rolls every worker back to it.
    """

    def __init__(
        self,
        scaffold: tf.train.Scaffold,
        master: str,
        config: tf.ConfigProto,
        prefix: str | None,
        *,
        comes_back: bool,
    ) -> None:
        self._scaffold, self._master, self._config = scaffold, master, config
        self._prefix, self._comes_back = prefix, comes_back

    def create_session(self) -> tf.Session:
        """Return a session with initialized variables; raise tf.errors.DeadlineExceededError."""
        self._scaffold.finalize()
        if self._comes_back and (session := self._join()) is not None:
            return session
        return tf.train.ChiefSessionCreator(
            self._scaffold, self._master, self._config, checkpoint_filename_with_path=self._prefix
        ).create_session()

    def _join(self) -> tf.Session | None:
        """Return a session if every variable has a value and a step was made; before that, nothing can be lost."""
        session = tf.Session(self._master, config=self._config)
        try:
            if not len(session.run(self._scaffold.ready_op)) and session.run(tf.train.get_global_step()) > 0:
                session.run(self._scaffold.local_init_op)
                return session
        except tf.errors.FailedPreconditionError:
            pass
        except BaseException:
            session.close()
            raise
        session.close()
        return None


class Once(tf.train.SessionCreator):
    """Makes a session once: a second one would restore the first checkpoint over what was trained since."""

    def __init__(
        self, creator: tf.train.SessionCreator, timeout_s: float, then: Callable[[], None] = lambda: None
    ) -> None:
        self._creator, self._timeout_s, self._then = creator, timeout_s, then
        self._deadline: float | None = None
        self._made = False

    def create_session(self) -> tf.Session:
        """Make the session and call ``then``; raise ClusterError, or LaunchTimeoutError if the chief is late."""
        if self._made:
            raise ClusterError("the connection to a ps was lost in the middle of training; see that role's own report")
        self._deadline = self._deadline or time.monotonic() + self._timeout_s
        if time.monotonic() > self._deadline:  # TF tries again for ever while a ps refuses
            raise LaunchTimeoutError(f"no session with the ps within {self._timeout_s:g} s")
        try:
            session = self._creator.create_session()
        except tf.errors.DeadlineExceededError as err:
            raise LaunchTimeoutError(
                f"the chief, worker:0, did not initialize the variables within {self._timeout_s:g} s"
            ) from err
        self._made = True
        self._then()
        return session


@contextmanager
def open_session(creator: Once, every_hook: Sequence[tf.train.SessionRunHook]) -> Iterator[Any]:
    """Open a MonitoredSession whose lost connections become ClusterErrors."""
    try:
        with tf.train.MonitoredSession(creator, every_hook, stop_grace_period_secs=_STOP_GRACE_S) as session:
            yield session
    except tf.errors.DeadlineExceededError as err:
        raise ClusterError(f"a step did not end within {STEP_TIMEOUT_S} s: a ps or the chief does not answer") from err
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as err:
        raise ClusterError(f"the connection to a ps was lost: {gist(err.message)}") from err
