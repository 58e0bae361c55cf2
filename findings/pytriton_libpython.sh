#!/usr/bin/env bash
# pytriton's Triton loads the system's libpython, not that of the Python that it is installed in, and serves nothing.
#
# Behaviour: in an environment of a Python that is not the system's (pyenv, a built one), no function can be bound: its
#   model is not loaded, and the log blames multiprocessing. Triton's Python stub takes libpython3.11.so.1.0 from the
#   loader's path, here 3.11.2 of Debian 12, with the standard library of the environment, here 3.11.7's. With
#   LD_LIBRARY_PATH at the environment's own libpython it serves.
# Seen: nvidia-pytriton 0.7.0 in CPython 3.11.7 of pyenv, libpython3.11 3.11.2 of Debian 12.
# Output: without LD_LIBRARY_PATH: '_thread.RLock' object has no attribute '_recursion_count'
#   with it: serves
# Why it matters: where both are of one release it works, so a bench or an image works on one machine and not on another.
# Wants: PYTHON, built with --enable-shared, of another release of its minor version than the system's libpython.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/env" && cd "$dir"
env/bin/pip install -q --disable-pip-version-check nvidia-pytriton==0.7.0 "numpy<2"
cat >serve.py <<'PY'
import socket, sys

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]

@batch
def twice(x):
    return {"y": 2 * x}

config = TritonConfig(http_port=port, allow_grpc=False, allow_metrics=False)
with Triton(config=config) as triton:
    triton.bind(model_name="twice", infer_func=twice, inputs=[Tensor(name="x", dtype=np.float32, shape=(1,))],
                outputs=[Tensor(name="y", dtype=np.float32, shape=(1,))], config=ModelConfig(batching=True))
    triton.run()
    print("serves")
PY
wrong="'_thread.RLock' object has no attribute '_recursion_count'"
say() { if grep -qx serves "$1"; then echo serves; else grep -o "$wrong" "$1" | head -n 1; fi; }
env/bin/python serve.py >without.log 2>&1 || true
LD_LIBRARY_PATH=$(env/bin/python -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))') \
    env/bin/python serve.py >with.log 2>&1 || true
without=$(say without.log) with=$(say with.log)
echo "without LD_LIBRARY_PATH: $without"
echo "with it: $with"
[ "$without" != serves ] && [ -n "$without" ] && [ "$with" = serves ]
