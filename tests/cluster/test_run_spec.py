"""A run's description refuses what can never run as it is made, and can be printed."""

import json

import pytest

from sparkcv.cluster.run_spec import RunSpec
from sparkcv.errors import UsageError
from sparkcv.roles import Role, roles

PROGRAM = "a.module:main"


@pytest.mark.parametrize(
    ("program", "who", "params", "words"),
    [
        ("no program", roles(0, 1), {}, "package.module:function"),
        (PROGRAM, (), {}, "at least one role"),
        (PROGRAM, (Role("worker", 1),), {}, "expected worker:0"),
        (PROGRAM, roles(0, 1), {"x": object()}, "JSON-able"),
    ],
)
def test_what_can_never_run_is_refused_as_it_is_described(program, who, params, words):
    with pytest.raises(UsageError, match=words):
        RunSpec(program, who, params)


def test_a_run_can_be_printed_without_what_it_hands_to_its_programs():
    shown = str(RunSpec(PROGRAM, roles(1, 1), {"a": 1}, start_timeout_s=7.0, payload=b"canary"))
    for part in (PROGRAM, "Role(job='ps', index=0)", "{'a': 1}", "start_timeout_s=7.0", "max_restarts=0"):
        assert part in shown
    assert "canary" not in shown


def test_parameters_may_differ_by_generation():
    spec = RunSpec(PROGRAM, roles(0, 1), lambda generation: {"token": generation + 7})
    assert [json.loads(spec.params_text(generation)) for generation in (0, 3)] == [{"token": 7}, {"token": 10}]
    spec = RunSpec(PROGRAM, roles(0, 1), lambda generation: {"token": object()})
    with pytest.raises(UsageError, match="JSON-able"):
        spec.params_text(0)
