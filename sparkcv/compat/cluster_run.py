"""Follow a cluster of a user's function on a thread of the driver's, while the user's own thread goes on."""

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sparkcv import errors, logs
from sparkcv.cluster import supervisor
from sparkcv.cluster.observer import RunObserver
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.compat.node_program import SERVICES, ProgramOrder
from sparkcv.errors import ClusterError, UsageError
from sparkcv.feeding.coordinator import Coordinator
from sparkcv.launchers import Launcher
from sparkcv.roles import Role
from sparkcv.spark.session import default_fs

if TYPE_CHECKING:
    from pyspark import SparkContext

__all__ = ["ClusterRun", "order_of", "policy_of", "set_up_log"]

PROGRAM = "sparkcv.compat.node_program:main"
_POLL_S = 0.1
_ABORT_TIMEOUT_S = 30.0
_MAX_RESTARTS = 5  # an hour, as of our own trainings
_log = logs.get(__name__)


class ClusterRun(RunObserver):
    """Roles of a user's function, under way; ``coordinator`` serves those who feed them, None without feeding.

    ``failure`` is None or the error that the run ended with; ``nodes`` has what each node said of itself, by role.
    """

    def __init__(
        self,
        launcher: Launcher,
        roles: Sequence[Role],
        order: dict[str, Any],
        payload: bytes,
        *,
        policy: RestartPolicy,
        start_timeout_s: float,
        coordinator: Coordinator | None = None,
    ):
        """Start the roles, and return at once."""
        self._launcher, self._roles, self._order, self._payload = launcher, roles, order, payload
        self._policy, self._start_timeout_s = policy, start_timeout_s
        self.coordinator = coordinator
        self.failure: BaseException | None = None
        self.nodes: dict[Role, dict[str, Any]] = {}
        self._on_failure: list[Callable[[], None]] = []
        self._deadline_s: float | None = None
        self._timeout_s, self._abort = 0.0, ""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="sparkcv-compat", daemon=True)
        self._thread.start()
        self._pid = os.getpid()
        atexit.register(self._end_with_program)

    def wait_until_started(self) -> None:
        """Wait until every node has called the user's function; raise the failure of a run that ends before.

        Who is interrupted here, by Ctrl-C, ends the run.
        """
        with self.ended_by_an_error(), self._changed:
            while len(self.nodes) < len(self._roles) and self._thread.is_alive():
                self._changed.wait(_POLL_S)
        if not self._thread.is_alive() and self.failure is not None:
            if self.coordinator is not None:
                self.coordinator.close()
            self.raise_failure()

    @contextlib.contextmanager
    def ended_by_an_error(self) -> Iterator[None]:
        """End the run if the block is left by an error, such as Ctrl-C in a notebook: nobody else could."""
        try:
            yield
        except BaseException as err:
            if not self.is_over():
                self.abort(f"its program was left by {type(err).__name__}")
            raise

    @contextlib.contextmanager
    def if_it_fails(self, act: Callable[[], None]) -> Iterator[None]:
        """Call ``act`` from another thread if the run fails within the block."""
        with self._changed:
            self._on_failure.append(act)
        try:
            yield
        finally:
            with self._changed:
                self._on_failure.remove(act)

    def is_over(self) -> bool:
        """Return whether every node has ended."""
        return not self._thread.is_alive()

    def wait(self, timeout_s: float) -> None:
        """Wait for the end of the run, and end it after ``timeout_s`` (0: never); raise its failure."""
        if timeout_s > 0:
            self._timeout_s, self._deadline_s = timeout_s, time.monotonic() + timeout_s
        while self._thread.is_alive():
            self._thread.join(_POLL_S)  # in pieces, so that Ctrl-C is heard
        if self.coordinator is not None:
            self.coordinator.close()
        atexit.unregister(self._end_with_program)
        self.raise_failure()

    def abort(self, reason: str) -> None:
        """End every node at once; the run's failure gives the reason."""
        atexit.unregister(self._end_with_program)
        self._abort = reason
        self._thread.join(_ABORT_TIMEOUT_S)
        if self.coordinator is not None:
            self.coordinator.close()

    def failure_within(self, timeout_s: float) -> BaseException | None:
        """Return the run's failure, None if there is none by then."""
        self._thread.join(timeout_s)
        return self.failure

    def raise_failure(self) -> None:
        """Raise the run's failure, if it has one."""
        if self.failure is not None:
            atexit.unregister(self._end_with_program)  # from here on it is the program's to tell
            raise self.failure

    def _end_with_program(self) -> None:
        """End a program that never asked how its cluster ended with exit code 1, if the cluster failed."""
        if os.getpid() != self._pid:  # a child that the program has forked
            return
        if not self.is_over():
            self.abort("the program ended without shutdown()")
        if self.failure is None:
            return
        _log.error("%s", self.failure)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(errors.EXIT_FAILED)  # the one way to another exit code from here

    def _run(self) -> None:
        try:
            spec = RunSpec(
                PROGRAM,
                self._roles,
                self._order,
                services=("ps",),
                optional=tuple(job for job in SERVICES if job != "ps"),
                policy=self._policy,
                start_timeout_s=self._start_timeout_s,
                payload=self._payload,
            )
            supervisor.supervise(self._launcher, spec, self)
        except BaseException as err:  # noqa: BLE001 - it is raised in the user's own thread
            self.failure = err
            if self.coordinator is not None:
                self.coordinator.fail(str(err))
        with self._changed:
            acts = list(self._on_failure) if self.failure is not None else []
            self._changed.notify_all()
        for act in acts:
            act()

    def on_status(self, role: Role, status: dict[str, Any]) -> None:
        """Note that a node has called the user's function."""
        with self._changed:
            self.nodes[role] = status
            self._changed.notify_all()

    def on_look(self) -> None:
        """End the run, by raising, where the program or the feeding asked for that."""
        if self._abort:
            raise ClusterError(f"the cluster was ended: {self._abort}")
        if self.coordinator is not None and self.coordinator.given_up:
            raise ClusterError(self.coordinator.given_up)
        if self._deadline_s is not None and time.monotonic() > self._deadline_s:
            raise ClusterError(f"the nodes did not end within {self._timeout_s:g} s of shutdown(), its timeout")


def policy_of(sc: "SparkContext", *, together: bool = False, has_generations: bool = True) -> RestartPolicy:
    """Return the budget of restarts: ``spark.sparkcv.maxRestarts``, 5 an hour if that is not set.

    Raise UsageError if it is no number.
    """
    text = sc.getConf().get("spark.sparkcv.maxRestarts", str(_MAX_RESTARTS)) or ""
    if not text.isdecimal():
        raise UsageError(f"spark.sparkcv.maxRestarts counts restarts an hour from 0, not {text!r}")
    return RestartPolicy(max_restarts=int(text), max_generations=int(text) if has_generations else 0, together=together)


def set_up_log() -> None:
    """Show the user the nodes' log lines, unless the program has set up its log itself."""
    if not logging.getLogger("sparkcv").handlers and not logging.getLogger().handlers:
        logs.setup("driver")


def order_of(jobs: Sequence[tuple[str, int]], sc: "SparkContext", **more: Any) -> dict[str, Any]:
    """Return the order to every node, as JSON-able parameters."""
    order = ProgramOrder([list(job) for job in jobs], default_fs(sc), os.getcwd(), **more)
    return dict(vars(order))
