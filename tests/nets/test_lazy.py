"""What of TensorFlow waits until it is asked for, and that whoever asks gets it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.tensorflow

FIRST = ["sparkcv.nets.slim", "sparkcv.predict.engines.tf"]


def _run(*lines):
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("first", FIRST)
def test_what_no_role_uses_is_there_once_it_is_asked_for(first):
    _run(
        f"import sys, {first}",
        "import tensorflow as tf",
        "names = ('tensorflow.lite.', 'tensorflow.python.debug', 'tf_keras.src.applications', 'h5py.h5', 'pandas')",
        "assert not [name for name in sys.modules if name.startswith(names)]",
        "assert tf.lite.Interpreter and 'tensorflow.lite.python.lite' in sys.modules",
        "assert tf.compat.v1.lite.Interpreter and 'constant' in dir(tf) and 'Interpreter' in dir(tf.lite)",
        "assert tf.distribute.MirroredStrategy and tf.saved_model.load",
        "assert tf.data.experimental.cardinality and tf.compat.v1.train.Saver",
        "import h5py, requests",
        "assert h5py.File and requests.get",
        "try: tf.lite.no_such_name",
        "except AttributeError as err: assert 'no_such_name' in str(err)",
        "else: raise AssertionError",
    )


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("legacy", ["0", "1"])
def test_keras_trains_and_saves_behind_it(first, legacy, tmp_path):
    _run(
        f"import os; os.environ['TF_USE_LEGACY_KERAS'] = '{legacy}'",
        f"import {first}",
        "import numpy as np, tensorflow as tf",
        "model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(2,))])",
        "model.compile(optimizer='sgd', loss='mse')",
        "model.fit(np.zeros([4, 2]), np.zeros([4, 1]), verbose=0)",
        f"model.save({str(tmp_path / 'model.h5')!r})",
        f"again = tf.keras.models.load_model({str(tmp_path / 'model.h5')!r}, compile=False)",
        "assert again.count_params() == 3",
        "import tf_keras",
        "assert tf_keras.Model and tf_keras.applications.MobileNet and tf_keras.__version__",
    )


def test_a_net_is_built_in_a_process_that_had_an_engine_first():
    _run(
        "import sparkcv.predict.engines.tf, sparkcv.nets.slim",
        "from sparkcv import nets",
        "from sparkcv.nets.slim import tf",
        "with tf.Graph().as_default(): nets.get('lenet').build(tf.zeros([1, 12, 12, 3]), 3, is_training=True)",
    )
