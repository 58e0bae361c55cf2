"""A function that cannot be called or sent is refused before anything starts, in one sentence."""

import threading

import pytest

from sparkcv.compat import TFCluster
from sparkcv.compat.closure import Call, check_call, dump, load
from sparkcv.errors import UsageError


def good(args, ctx):
    return args, ctx


def test_a_call_comes_back_as_it_went_and_hides_its_secret():
    captured = {"a": 1}
    call = load(dump(Call(lambda args, ctx: (captured, args, ctx), ["x"], b"canary")))
    assert call.map_fun("args", "ctx") == (captured, "args", "ctx")
    assert call.tf_args == ["x"]
    assert call.secret == b"canary"
    assert "canary" not in repr(call)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda args: args, r"<lambda>\(args\) does not take them: too many positional arguments"),
        (lambda args, ctx, more: more, "missing a required argument: 'more'"),
        (lambda *, args, ctx: args, "too many positional"),
        ("train", "must be a function of .tf_args, ctx., got a str"),
        (None, "got a NoneType"),
    ],
)
def test_a_function_of_other_arguments_is_refused(function, message):
    with pytest.raises(UsageError, match=message):
        check_call(function)


@pytest.mark.parametrize("function", [good, lambda args, ctx: 0, lambda *args: 0, lambda args, ctx, more=1: 0, print])
def test_a_function_that_can_be_called_is_taken(function):
    check_call(function)


def test_what_cannot_be_pickled_is_named():
    lock = threading.Lock()

    def locked(args, ctx):
        return lock

    with pytest.raises(UsageError, match=r"map_fun .*locked cannot be sent to the executors: .*lock"):
        dump(Call(locked, None, b""))
    with pytest.raises(UsageError, match=r"tf_args cannot be sent to the executors: .*lock"):
        dump(Call(good, {"lock": lock}, b""))


def test_what_cannot_be_loaded_is_told_with_what_to_do():
    with pytest.raises(UsageError, match=r"cannot be loaded on the executors: .*--py-files"):
        load(b"\x80\x04no")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"num_executors": 1, "num_ps": 1}, "leaves no node for a worker or a chief"),
        ({"num_executors": 1, "num_ps": 2}, "num_executors=1 nodes cannot be 2 ps"),
        ({"num_executors": 1, "num_ps": 1, "master_node": "chief"}, "cannot be 1 ps . 1 chief"),
        ({"num_executors": 2, "num_ps": 0, "master_node": "worker"}, "is what the chief is called"),
        ({"num_executors": 2, "num_ps": 1, "input_mode": 1, "driver_ps_nodes": True}, "driver_ps_nodes needs"),
        ({"num_executors": 2, "num_ps": 0, "input_mode": 1, "eval_node": True}, "eval_node needs"),
    ],
)
def test_numbers_and_modes_that_cannot_work_are_refused_before_anything_starts(more, message):
    with pytest.raises(UsageError, match=message):
        TFCluster.run(None, good, None, **more)
