"""The node runs what it is told to, and whatever the program does ends in one outcome."""

import contextlib
import json
import os
import socket

import numpy as np
import pytest

from sparkcv.channel import messages
from sparkcv.cluster.node import run_program
from sparkcv.cluster.program import load_program, split_program
from sparkcv.cluster.uplink import Uplink
from sparkcv.errors import ClusterError, UsageError
from sparkcv.roles import Role

PROGRAM = "cluster_programs:victim"


@pytest.fixture
def ends():
    """The node's uplink, and the agent's end of its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.settimeout(10)
        yield Uplink(ours), theirs


@pytest.fixture
def run(ends, tmp_path):
    def run_deed(deed, program=PROGRAM):
        task = {
            "program": program,
            "cluster": {"worker": ["a:1", "b:2"]},
            "params": {"role": "worker:1", "deed": deed},
            "scratch_dir": str(tmp_path),
            "generation": 2,
            "attempt": 1,
        }
        return run_program(Role("worker", 1), task, ends[0], lambda: True)

    return run_deed


def drain(agent):
    said = []
    agent.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            said.append(json.loads(agent.recv(9999)))
    return said


def test_a_program_gets_its_context_and_its_result_comes_back(run, ends, tmp_path):
    outcome = run("", program="cluster_programs:echo")
    assert outcome == {
        "result": {
            "role": "worker:1",
            "cluster": {"worker": ["a:1", "b:2"]},
            "params": {"role": "worker:1", "deed": ""},
            "scratch": True,
        }
    }
    assert json.loads(ends[1].recv(9999)) == {"ready": True}
    assert json.loads(ends[1].recv(9999))["status"]["scratch"] == str(tmp_path)


def test_a_known_error_is_its_sentence(run):
    assert run("known_error") == {
        "error": "12 of 100 records are bad, over the budget of 1",
        "error_kind": "BudgetError",
    }


def test_an_unknown_error_is_a_sentence_and_a_traceback_in_the_log(run, capsys):
    outcome = run("unknown_error")
    assert outcome == {"error": f"{PROGRAM} raised KeyError: 'no such key'", "error_kind": "KeyError"}
    assert "_unknown_error" in capsys.readouterr().err


@pytest.mark.parametrize(("deed", "code"), [("exit_0", 0), ("exit_3", 3)])
def test_sys_exit_is_no_result(run, deed, code):
    outcome = run(deed)
    assert outcome == {
        "error": f"{PROGRAM} called sys.exit({code}) instead of returning its result",
        "error_kind": "SystemExit",
    }


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("not_json", "JSON-able"),
        ("not_a_dict", "must return a dict or None, got a list"),
        ("too_large", f"over the {messages.MAX_RESULT_BYTES}"),
    ],
)
def test_a_result_that_cannot_travel_is_refused(run, deed, words):
    outcome = run(deed)
    assert words in outcome["error"]
    assert outcome["error_kind"] == "ClusterError"


def test_a_result_of_47_kb_travels(run, ends):
    outcome = run("large")
    ends[0].send_last(outcome)
    while "result" not in (said := json.loads(ends[1].recv(2**17))):
        pass
    assert len(said["result"]["x"]) == 47_000


def test_a_missing_module_is_named_with_the_host():
    with pytest.raises(ClusterError, match=f"no_such_module:main cannot be imported on {socket.gethostname()}"):
        load_program("no_such_module:main")


def test_a_module_that_says_in_its_own_words_what_is_missing_is_quoted(tmp_path, monkeypatch):
    (tmp_path / "wants_more.py").write_text("raise ModuleNotFoundError('this program needs rasterio')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ClusterError, match=r"wants_more:main cannot be imported on .*: this program needs rasterio$"):
        load_program("wants_more:main")


def test_a_missing_function_is_named():
    with pytest.raises(UsageError, match="cluster_programs has no function 'nothing'"):
        load_program("cluster_programs:nothing")


@pytest.mark.parametrize("name", ["", "main", "a:", ":main", "a b:main", "a.:main", "a:main()", "a:b:c", "../a:main"])
def test_another_form_of_a_programs_name_is_refused(name):
    with pytest.raises(UsageError, match=r"package\.module:function"):
        split_program(name)


def test_reporting_never_blocks_and_the_newest_arrives(ends):
    uplink, agent = ends
    for step in range(5000):
        uplink.report({"step": step, "pad": "x" * 500})
    said = drain(agent)
    assert len(said) < 5000
    uplink.send_last({"result": {}})
    said = drain(agent)
    assert said[-1] == {"result": {}}
    assert said[-2]["status"]["step"] == 4999


def test_numpys_numbers_are_numbers(ends):
    ends[0].report({"loss": np.float32(1.5), "queue": np.array([1, 2])})
    assert json.loads(ends[1].recv(999)) == {"status": {"loss": 1.5, "queue": [1, 2]}}


@pytest.mark.parametrize("status", [{"x": "y" * 9000}, {"x": os}, {"x": {1, 2}}])
def test_a_status_that_cannot_travel_is_refused(ends, status):
    with pytest.raises(UsageError, match="a status"):
        ends[0].report(status)


def test_a_report_to_an_agent_that_is_gone_is_no_error(ends):
    ends[1].close()
    ends[0].report({"step": 1})
    with pytest.raises(ClusterError, match="does not take the role's result"):
        ends[0].send_last({"result": {}})
