#!/usr/bin/env bash
# A step of TensorFlow's FTRL at a learning rate of 0 does not leave a variable alone: it becomes NaN, and 0 with the next.
#
# Behaviour: the update divides by the rate, and what comes of it is no number. A second step compares that with the L1
#   strength, finds it not larger, and sets 0: there is no error, and no NaN any more that would tell of it.
# Seen: tensorflow-cpu 2.21.0, Python 3.11, tf.compat.v1.train.FtrlOptimizer; the other six leave the variable as it is.
# Output: ftrl: [1.0, 2.0] -> [nan, nan] -> [0.0, 0.0]  others changed: none
# Why it matters: a warm-up from 0 has this rate at its first step, and a polynomial or cosine decay to 0 at its last ones:
#   TF-Slim's --optimizer=ftrl --warmup_epochs=1 trains on from nothing, and a schedule to 0 throws the trained net away.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0
TF_CPP_MIN_LOG_LEVEL=3 "$dir/venv/bin/python" - <<'PY' 2>"$dir/log" || { code=$?; tail -5 "$dir/log"; exit $code; }
import sys

import tensorflow.compat.v1 as tf

MAKERS = {
    "ftrl": lambda: tf.train.FtrlOptimizer(0.0),
    "sgd": lambda: tf.train.GradientDescentOptimizer(0.0),
    "momentum": lambda: tf.train.MomentumOptimizer(0.0, 0.9),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.0),
    "adadelta": lambda: tf.train.AdadeltaOptimizer(0.0),
    "rmsprop": lambda: tf.train.RMSPropOptimizer(0.0),
    "adam": lambda: tf.train.AdamOptimizer(0.0),
}
found = {}
for name, make in MAKERS.items():
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable("v", initializer=tf.constant([1.0, 2.0]), use_resource=True)
        step = make().minimize(tf.reduce_sum(variable * variable))
        session.run(tf.global_variables_initializer())
        values = []
        for _ in range(2):
            session.run(step)
            values.append(str(session.run(variable).tolist()))
        found[name] = values
ftrl = found.pop("ftrl")
changed = [name for name, values in found.items() if set(values) != {"[1.0, 2.0]"}]
print(f"ftrl: [1.0, 2.0] -> {' -> '.join(ftrl)}  others changed: {', '.join(changed) or 'none'}")
sys.exit(not (ftrl == ["[nan, nan]", "[0.0, 0.0]"] and not changed))
PY
