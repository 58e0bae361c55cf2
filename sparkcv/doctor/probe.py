"""The executor's side of an examination: one Spark task, which gathers facts and judges nothing."""

import contextlib
import dataclasses
import json
from typing import Any

from sparkcv.config.port_range import PortRange
from sparkcv.doctor import files, machine, trial_role
from sparkcv.doctor.clock_server import ClockServer, ask
from sparkcv.launchers.barrier import gpus_of, own_host
from sparkcv.spark.local_dirs import scratch_root

__all__ = ["ProbeOrder", "examine"]

_CONNECT_TIMEOUT_S = 5.0


@dataclasses.dataclass(frozen=True)
class ProbeOrder:
    """What the tasks of an examination are to look at.

    Attributes:
        word: what clock servers answer.
        driver: host and port of the driver's clock server; None: the network is not looked at.
        port_range: of which the task's own clock server takes one; None: any.
        folder: the driver's probe folder in train_dir; "" for none.
        shards: URLs of which each task reads one.
        role_timeout_s: how long a role's process may take to load TensorFlow; 0: it is not tried.
        is_shared_once: whether the first task alone looks at the storage.
    """

    word: str = ""
    driver: tuple[str, int] | None = None
    port_range: str | None = None
    folder: str = ""
    shards: tuple[str, ...] = ()
    role_timeout_s: float = 0.0
    is_shared_once: bool = False


def examine(context: Any, order: ProbeOrder, is_barrier: bool) -> dict[str, Any]:
    """Return the values of a ``facts.Machine`` as JSON; {} on a second task of the same executor.

    In a barrier stage it takes part in exactly one allGather and one barrier, whatever goes wrong.
    """
    index = context.partitionId()
    addresses = [info.address for info in context.getTaskInfos()] if is_barrier else []
    is_first = not is_barrier or addresses.index(addresses[index]) == index
    found: dict[str, Any] = _network(context, order, addresses, is_first) if is_barrier else {}
    if not is_first:
        return {}
    if order.driver is not None:
        found |= _clock(*order.driver, order.word)
    found |= machine.describe() | machine.scratch(scratch_root()) | {"gpus": list(gpus_of(context))}
    if order.folder and (index == 0 or not order.is_shared_once):
        found["files"] = _plain(files.exercise(order.folder, f"executor-{index}"))
    if order.shards and (index == 0 or not order.is_shared_once):
        found["dataset"] = _plain(files.read_some(order.shards[index % len(order.shards)]))
    if order.role_timeout_s:
        found |= trial_role.run_trial(found["scratch"], order.role_timeout_s)
    return found


def _network(context: Any, order: ProbeOrder, addresses: list[str], is_first: bool) -> dict[str, Any]:
    """Listen on the address that others reach this executor by, and connect to the next one that does."""
    found: dict[str, Any] = {}
    index = context.partitionId()
    with contextlib.ExitStack() as stack:
        port, own = 0, own_host(addresses[index]).strip("[]")
        if is_first and order.driver is not None:
            try:
                port = stack.enter_context(ClockServer(own, order.word, PortRange.parse(order.port_range))).port
            except OSError as err:
                found["bind_error"] = f"{own}: {err}"
        places = [(host, int(number)) for host, number in map(str.split, context.allGather(f"{own} {port}"))]
        if port:
            next_one = next(at for at in [*range(index + 1, len(places)), *range(index + 1)] if places[at][1])
            found["peer"] = addresses[next_one]
            try:
                host, number = places[next_one]
                ask(host, number, order.word, _CONNECT_TIMEOUT_S)
            except OSError as err:
                found["peer_error"] = str(err)
        context.barrier()  # nobody stops listening before everybody has asked
    return found


def _clock(host: str, port: int, word: str) -> dict[str, Any]:
    try:
        clock_s, error_s = ask(host, port, word, _CONNECT_TIMEOUT_S)
    except OSError as err:
        return {"driver_error": f"{host}:{port}: {err}"}
    return {"clock_s": clock_s, "clock_error_s": error_s}


def _plain(steps: Any) -> list[dict[str, Any]]:
    """Return steps as JSON has them."""
    return json.loads(json.dumps([dataclasses.asdict(step) for step in steps]))
