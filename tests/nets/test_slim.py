"""The compatibility file: what TensorFlow looks for under the old names is there."""

import functools
import importlib
import json
import os
import subprocess
import sys
import warnings

import pytest

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("name", ["base", "convolutional", "core", "normalization", "pooling"])
def test_the_legacy_layers_are_found_under_the_name_that_tensorflow_asks_for(name):
    importlib.import_module("sparkcv.nets.slim")
    assert sys.modules[f"tf_keras.legacy_tf_layers.{name}"].__name__ == f"tf_keras.src.legacy_tf_layers.{name}"
    assert os.environ["TF_USE_LEGACY_KERAS"] == "1"


PROGRAMS = "sparkcv.programs.worker, sparkcv.programs.evaluator, sparkcv.programs.evaluate, sparkcv.programs.export"


UNUSED = ("pandas", "scipy", "sklearn")
IMPORT = f"""
import gc, importlib, json, sys
gc.WAY()
was = gc.isenabled()
import {PROGRAMS}
report = {{"collects": [was, gc.isenabled()], "held": [name for name in {UNUSED} if name in sys.modules]}}
report["had"] = [importlib.import_module(name).__name__ for name in {UNUSED}]
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def imported():
    """What a process says that has imported what roles do: with garbage collection it was ``enable``d or not."""

    @functools.cache
    def start(way):
        command = [sys.executable, "-c", IMPORT.replace("WAY", way)]
        return json.loads(subprocess.run(command, check=True, timeout=300, stdout=subprocess.PIPE).stdout)

    return start


@pytest.mark.parametrize("name", UNUSED)
def test_no_role_pays_for_what_no_net_uses_and_who_wants_it_has_it(imported, name):
    report = imported("enable")
    assert name not in report["held"]
    assert name in report["had"]


@pytest.mark.parametrize(("before", "collects"), [("enable", True), ("disable", False)])
def test_the_garbage_collector_is_as_it_was_after_the_import(imported, before, collects):
    assert imported(before)["collects"] == [collects, collects]


def test_batch_normalisation_builds_and_its_moving_statistics_are_model_variables():
    from sparkcv.nets.slim import model_variables, quiet, slim, tf

    with tf.Graph().as_default(), quiet():
        slim.batch_norm(tf.zeros([2, 4, 4, 3]), is_training=True, scope="norm")
        names = [variable.op.name for variable in model_variables()]
        assert names == ["norm/beta", "norm/moving_mean", "norm/moving_variance"]
        assert model_variables() is not model_variables()


@pytest.mark.parametrize("was", [True, False])
def test_tensors_are_compared_by_identity_only_while_a_net_is_built(was):
    from sparkcv import nets
    from sparkcv.nets.slim import quick, tf

    usual = tf.enable_tensor_equality if was else tf.disable_tensor_equality
    usual()
    try:
        with quick():
            assert hash(tf.Variable(1))  # which TensorFlow refuses otherwise, outside of a graph
        with tf.Graph().as_default():
            nets.get("lenet").build(tf.zeros([1, 12, 12, 3]), 3, is_training=True)
        assert tf.Tensor._USE_EQUALITY is was
    finally:
        tf.enable_tensor_equality()


def test_only_the_deprecation_of_layers_is_silenced():
    from sparkcv.nets.slim import quiet

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _warn_twice(quiet())
    assert [str(warning.message) for warning in caught] == ["something else"]


def _warn_twice(silence):
    with silence:
        warnings.warn("`layer.apply` is deprecated and will be removed in a future version.", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
