#!/usr/bin/env bash
# "import tensorflow" loads scikit-learn, SciPy's statistics and pandas wherever they are installed, for programs of no Keras too.
#
# Behaviour: tensorflow/__init__.py ends with an import of Keras' optimizers, "an eager load for Keras' code". With Keras 3 that is all
#   of Keras, whose wrappers for scikit-learn import scikit-learn if they can, which imports scipy.stats; its data adapters import pandas.
# Seen: tensorflow 2.21.0, keras 3.15.1, scikit-learn 1.9.1, pandas 2.3.3, Python 3.11.
# Output: keras: loaded  sklearn: loaded  scipy.stats: loaded  pandas: loaded
#         without them: keras: absent  sklearn: absent  scipy.stats: absent  pandas: absent
# Why it matters: that is 1,700 of 4,000 modules, and a third of the time of the import, in each worker of a cluster; a package that
#   only something else wants, such as a quantizer's scikit-learn, slows all of them down, and nothing tells. A name that is None in
#   sys.modules during the import keeps it out, and tf.keras is loaded by who asks for it.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
    tensorflow==2.21.0 keras==3.15.1 scikit-learn==1.9.1 pandas==2.3.3
unset TF_USE_LEGACY_KERAS
export TF_CPP_MIN_LOG_LEVEL=3
cat > "$dir/look.py" <<'PY'
import sys

NAMES = ("keras", "sklearn", "scipy.stats", "pandas")
if "--without" in sys.argv:
    hidden = [name.partition(".")[0] for name in NAMES]
    sys.modules.update(dict.fromkeys(hidden))  # Python's own way to say that there is none
    import tensorflow as tf

    for name in hidden:
        del sys.modules[name]
else:
    import tensorflow as tf
print("  ".join(f"{name}: {'loaded' if name in sys.modules else 'absent'}" for name in NAMES))
assert tf.keras.layers.Dense(2)(tf.zeros([1, 3])).shape == (1, 2)  # Keras is there for who asks
PY
seen=$("$dir/venv/bin/python" "$dir/look.py" 2>/dev/null)
without=$("$dir/venv/bin/python" "$dir/look.py" --without 2>/dev/null)
echo "$seen"
echo "without them: $without"
[ "$seen" = "keras: loaded  sklearn: loaded  scipy.stats: loaded  pandas: loaded" ] &&
    [ "$without" = "keras: absent  sklearn: absent  scipy.stats: absent  pandas: absent" ]
