"""The long forms of faults at links: cut for a while and for ever, and held open by strangers."""

import contextlib
import socket
import time

from sparkcv.channel.client import Client
from sparkcv.channel.control import Server, new_secret
from sparkcv.channel.messages import Hello, Reply
from tests.faults import oracles
from tests.faults.running import check_preempted
from tests.faults.soak_bench import Bench, Fault

_JOB = "tests.faults.job_with_links"
_STALL_TIMEOUT_S = 40
_CUT_S = 20
_NUM_STRANGERS, _HALF_OPEN_S, _ANSWER_S = 200, 60, 1.0
_HELLO = Hello(role="worker:0", generation=0, agent="ab", host="h", task="1.1", pid=1)


def cut_links(bench: Bench) -> None:
    """T11: ps and worker:1, then all and the driver, cut for 20 s: no restart; for ever: all begin at new addresses."""
    while not bench.is_over:
        _cut_for_a_while_then_from_the_driver(bench)
        _cut_from_the_ps_for_ever(bench)


def _cut_for_a_while_then_from_the_driver(bench):
    orders = _orders(bench)
    with bench.run(_JOB, env={"LINKS": str(orders)}, stall_timeout_s=_STALL_TIMEOUT_S) as run:
        run.wait_for(r"\d+ \+ \d+ images/s")
        for links in ("data", "control"):
            orders.write_text(links)
            time.sleep(_CUT_S)  # the fault itself
            mended_s = time.monotonic()
            orders.write_text("")
            run.wait_for_save(above=run.highest_step())
            bench.add(Fault(recovery_s=time.monotonic() - mended_s))
        time.sleep(_STALL_TIMEOUT_S + 5)  # one who had not come back would be told by then
        assert "is stalled" not in run.said
        assert run.status()["restarts"] == 0

        run.wait_for_save(above=run.highest_step())
        highest, num_chiefs = run.highest_step(), []

        def recovered(since):
            def look():
                num_chiefs.append(run.num_lives("worker:0"))
                return True if "worker:0 info first step of this process" in run.said[since:] else None

            run.wait_until(look, "the new chief's first step")

        since = len(run.said)
        fault = bench.strike(run, lambda: orders.write_text("control"), "starting all roles anew", recovered)
        fault.lost_steps = oracles.lost_steps(run, highest, since)
        assert max(num_chiefs) == 1, "there were two chiefs"
        check_preempted(run)
    oracles.check_never_back(run)
    with bench.again(f"train-{bench.num_runs}", max_number_of_steps=run.highest_step() + 100) as run:
        ended = run.end()
    assert ended.code == 0, ended.said
    oracles.check_end(run, ended, num_workers=2)


def _cut_from_the_ps_for_ever(bench):
    """A restart in place would not mend that; a new generation, whose links are others, does."""
    orders = _orders(bench)
    flags = {"stall_timeout_s": _STALL_TIMEOUT_S, "start_timeout_s": 30, "max_generations": 1}
    with bench.run(_JOB, env={"LINKS": str(orders)}, **flags) as run:
        run.wait_for(r"\d+ \+ \d+ images/s")
        start_s = time.monotonic()
        orders.write_text("data")
        run.wait_for("worker:1 is stalled: it took no step")
        noticed_s = time.monotonic() - start_s
        run.wait_for("starting all roles anew")
        highest, since = run.highest_step(), len(run.said)
        run.wait_for_first_step("worker:1", since)
        recovery_s = time.monotonic() - start_s
        bench.add(Fault(noticed_s, recovery_s, oracles.lost_steps(run, highest, since)))
        check_preempted(run)
    oracles.check_never_back(run)
    oracles.check_nothing_left(run)


def _orders(bench):
    orders = bench.folder / f"links-{bench.num_runs}"
    orders.write_text("")
    return orders


def half_open(bench: Bench) -> None:
    """S3: 200 connections half open for 60 s; a good client is answered within 1 s (noticed: the slowest answer)."""
    secret = new_secret()
    with Server("127.0.0.1", secret, lambda peer, message: Reply(), lambda peer: None) as server:
        while not bench.is_over:
            bench.num_runs += 1
            slowest_s = 0.0
            end_s = time.monotonic() + _HALF_OPEN_S
            with contextlib.ExitStack() as stack:
                strangers = []
                while time.monotonic() < end_s:
                    strangers += [_stranger(stack, server, at) for at in range(_NUM_STRANGERS - _num_open(strangers))]
                    start_s = time.monotonic()
                    with Client((server.host, server.port), secret) as client:
                        assert client.request(_HELLO) == Reply()
                    slowest_s = max(slowest_s, time.monotonic() - start_s)
                    time.sleep(0.2)
                server.check()
            bench.add(Fault(noticed_s=slowest_s))
            assert slowest_s <= _ANSWER_S, f"an answer took {slowest_s:.1f} s"


def _stranger(stack, server, at):
    sock = stack.enter_context(socket.create_connection((server.host, server.port)))
    if at % 2:
        sock.sendall(b"\x00\x00")
    sock.setblocking(False)
    return sock


def _num_open(strangers):
    """How many have not been hung up on; those that have are forgotten."""
    for sock in list(strangers):
        with contextlib.suppress(BlockingIOError):
            try:
                while sock.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            strangers.remove(sock)
    return len(strangers)


CASES = {"T11": cut_links, "S3": half_open}
