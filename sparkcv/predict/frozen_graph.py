"""The frozen graph of a model folder: as it was exported, or made of the SavedModel of another program.

Such a SavedModel is frozen by a process of its own (``engines/saved_model.py``), once for each local copy of the model:
loading one takes TensorFlow's memory several times over, and an engine may need no TensorFlow at all.
"""

import os
import subprocess
import tempfile

from sparkcv.errors import ModelError, StorageError
from sparkcv.launchers.python_module import start_module
from sparkcv.predict import manifest as manifests
from sparkcv.predict.manifest import ModelManifest

__all__ = ["read_graph"]

_PROGRAM = "sparkcv.predict.engines.saved_model"
_FROZEN = ".frozen_saved_model.pb"
_TIMEOUT_S = 900.0


def read_graph(folder: str, manifest: ModelManifest) -> tuple[bytes, str]:
    """Return a serialized GraphDef from ``input`` to ``probabilities``, every byte checked, and its local file.

    ``folder`` is a local copy of the model. Raises ModelError for a file that is not as ``model.json`` says, and for a
    SavedModel that is not as its contract says.
    """
    if manifests.FROZEN_GRAPH in manifest.files:
        return manifests.read_file(folder, manifest, manifests.FROZEN_GRAPH), f"{folder}/{manifests.FROZEN_GRAPH}"
    path = os.path.join(folder, _FROZEN)
    if not os.path.exists(path):
        manifests.verify(folder, manifest)
        _freeze(folder, path)
    with open(path, "rb") as source:
        return source.read(), path


def _freeze(folder: str, path: str) -> None:
    try:
        handle, aside = tempfile.mkstemp(prefix=".freeze-", dir=folder)
        os.close(handle)
    except OSError as err:
        raise StorageError(f"cannot keep a frozen graph in {folder!r}: {err.strerror}") from err
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    try:
        with start_module(_PROGRAM, [folder, aside], env, **streams) as process:
            try:
                said, noise = process.communicate(timeout=_TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            lines = said.strip().splitlines() or noise.strip().splitlines() or [f"exit code {process.returncode}"]
            raise ModelError(lines[-1])
        os.replace(aside, path)
    except subprocess.TimeoutExpired as err:
        raise ModelError(f"the SavedModel was not loaded within {_TIMEOUT_S:.0f} s") from err
    finally:
        if os.path.exists(aside):
            os.unlink(aside)
