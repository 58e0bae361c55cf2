"""What scores and what transfers style imports TensorFlow alone; who wants Keras afterwards has it."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.tensorflow

UNUSED = ("keras", "pandas", "scipy", "sklearn", "tf_keras")
IMPORT = f"""
import json, sys
import sparkcv.predict.engines.tf, sparkcv.style.transfer
from sparkcv.light_tensorflow import tf
report = {{"held": [name for name in {UNUSED} if name in sys.modules]}}
import pandas
report["keras"] = tf.keras.layers.Dense(2)(tf.zeros([1, 3])).shape.as_list()
print(json.dumps(report))
"""


@pytest.mark.parametrize("legacy", ["", "1"])
def test_keras_and_what_it_imports_come_for_who_asks_only(legacy):
    env = {**os.environ, "TF_USE_LEGACY_KERAS": legacy}
    done = subprocess.run([sys.executable, "-c", IMPORT], check=True, timeout=300, stdout=subprocess.PIPE, env=env)
    assert json.loads(done.stdout) == {"held": [], "keras": [1, 2]}
