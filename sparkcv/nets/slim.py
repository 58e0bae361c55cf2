"""The one place that imports TF-Slim, so that the rest of the project need not know what it takes on TF 2.21.

What is wrong without this file, and what it does about it:

* tf_slim 1.1.0 asks TensorFlow for ``tensorflow.python.layers.normalization``, which since TF 2.16 loads
  ``tf_keras.legacy_tf_layers``. tf_keras 2.16+ moved that package to ``tf_keras.src.legacy_tf_layers``, so building
  any net with batch normalisation ends in ``No module named 'tf_keras.legacy_tf_layers'``. The package and its
  submodules are registered in ``sys.modules`` under the old name.
* tf_slim calls TensorFlow's layers in ways that warn of their deprecation at every layer. ``quiet`` silences that.
* tf_keras imports pandas, and with it pyarrow, if they are there, to be able to train from a data frame: a ninth of
  what a role's start takes, for what no role does. It is told that pandas is not there.
* tf_keras makes a set of all variables for each variable that it adds, and TensorFlow's variables find out at each
  hash whether they are in a graph: two fifths of what building Inception v3 takes. ``quick`` lets them know.
* TensorFlow's import makes half a million objects, none of them garbage, that Python's collector looks through again
  and again: a tenth of it. The collector rests meanwhile.
* ``tf.compat.v1`` takes its legacy layers from tf_keras (Keras 2) only when ``TF_USE_LEGACY_KERAS=1`` is set before
  TensorFlow is imported; Keras 3 has none of them. Node processes get it from their launcher; this module sets it for
  everybody who imports a net first.

Variable names and the arithmetic of the layers are TF-Slim's own, so published slim checkpoints fit. When tf_slim or
TensorFlow mends its imports the aliases are harmless: a module that exists under the old name is left alone.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from sparkcv.imports import hidden, uncollected

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

_OLD = "tf_keras.legacy_tf_layers"
_NEW = "tf_keras.src.legacy_tf_layers"
_SUBMODULES = ("base", "convolutional", "core", "normalization", "pooling")


def _alias_legacy_layers() -> None:
    """Register tf_keras' legacy layers under the name by which TensorFlow 2.21 looks for them."""
    with hidden("pandas", "scipy"):
        importlib.import_module("tf_keras")
    if importlib.util.find_spec(_OLD) is not None:
        return
    sys.modules[_OLD] = importlib.import_module(_NEW)
    for name in _SUBMODULES:
        sys.modules[f"{_OLD}.{name}"] = importlib.import_module(f"{_NEW}.{name}")


with uncollected():
    _alias_legacy_layers()

    import tensorflow.compat.v1 as tf  # (the environment above must come first)

    with hidden("sklearn"):  # for clustering losses, which no net has; it would bring scipy and pandas
        import tf_slim as slim
        from tf_slim import nets as slim_nets

__all__ = ["fixed_batch_norm", "model_variables", "quick", "quiet", "slim", "slim_nets", "tf"]


def model_variables() -> list[Any]:
    """Return the variables of the model in the default graph, in creation order.

    Weights, biases, betas, gammas and the moving statistics of batch normalisation; no optimizer slots, no step.
    """
    return list(slim.get_model_variables())


@contextlib.contextmanager
def fixed_batch_norm(is_fixed: Callable[[str], bool]) -> Iterator[None]:
    """Build layers of batch normalisation that keep their statistics, and use them in training too.

    ``is_fixed`` is asked with the name of each layer, such as ``InceptionV3/Conv2d_1a_3x3/BatchNorm``. TF-Slim has a
    switch for all layers of a net together only.
    """
    normal = slim.batch_norm

    def batch_norm(inputs: Any, *args: Any, **options: Any) -> Any:
        layer = "/".join(filter(None, (tf.get_variable_scope().name, options.get("scope") or "BatchNorm")))
        return normal(inputs, *args, **({**options, "is_training": False} if is_fixed(layer) else options))

    batch_norm._key_op = normal._key_op  # type: ignore[attr-defined]  # by which arg_scope knows it
    places = [slim, sys.modules[normal.__module__], importlib.import_module("tf_slim.layers")]
    for place in places:
        place.batch_norm = batch_norm
    try:
        yield
    finally:
        for place in places:
            place.batch_norm = normal


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Have tensors and variables compared and hashed by identity, as they are in a graph, without a look at where."""
    if not tf.Tensor._USE_EQUALITY:
        yield
        return
    tf.disable_tensor_equality()
    try:
        yield
    finally:
        tf.enable_tensor_equality()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what TensorFlow says of the deprecated layer calls in tf_slim, which no user of ours can change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is deprecated and will be removed", category=UserWarning)
        yield
