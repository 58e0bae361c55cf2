"""The weights of a model in place of a checkpoint, looked at before Spark starts: by a process that has TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping

from sparkcv import logs, nets, storage
from sparkcv.driver.checkpoint_checks import TrainedClasses, num_classes_of
from sparkcv.errors import CheckpointError
from sparkcv.launchers.python_module import start_module
from sparkcv.predict import manifest as manifests
from sparkcv.records import labels
from sparkcv.rundir import checkpoint_model
from sparkcv.rundir.checkpoint import Found
from sparkcv.rundir.checkpoint_index import CheckpointIndex, SavedTensor
from sparkcv.train.warmstart_plan import some

__all__ = ["AskedNet", "Weights", "look"]

_PROGRAM = "sparkcv.programs.look_at_weights"
_DEADLINE_S = 300.0
_FLOAT = 1  # DT_FLOAT
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class AskedNet:
    """The net that the weights are for; ``image_size`` None is its own."""

    model_name: str
    num_classes: int
    image_size: int | None = None
    use_grayscale: bool = False
    is_training: bool = False


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a model holds, as the index of a checkpoint, and the variables' shapes that the net wants, by name."""

    index: CheckpointIndex
    wanted: Mapping[str, tuple[int, ...]]
    trained: TrainedClasses

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the variables that the model holds."""
        return {name: tensor.shape for name, tensor in self.index.tensors.items()}

    def check_whole(self) -> None:
        """Raise CheckpointError where a variable of the net is not among them: to infer it takes all."""
        missing = [name for name in self.wanted if name not in self.index.tensors]
        if missing:
            raise CheckpointError(
                f"{self.index.prefix_url!r} lacks {len(missing)} of {len(self.wanted)} variables:"
                f" {some(missing)}; wanted a whole net (the parts of one in TensorFlow Lite are named one behind the"
                " other, between commas)"
            )


def look(found: Found, net: AskedNet) -> Weights:
    """Fetch the model ``found`` and have its weights looked at.

    Raises:
        CheckpointError: it is damaged, of another net, of a kind of numbers or operations that is not read.
        ModelError, MissingFileError: an export whose files are not as its ``model.json`` says.
    """
    names = _exported_labels(found, net.model_name)
    _log.info("looking at the weights of the %s %s", found.kind, found.prefix_url)
    with tempfile.TemporaryDirectory(prefix="sparkcv-weights-") as scratch:
        local = checkpoint_model.fetch(found, scratch)
        answer = _ask(found, net, local)
    if "error" in answer:
        raise CheckpointError(answer["error"])
    held = {name: SavedTensor(tuple(shape), _FLOAT, 0, 0, 0, 0) for name, shape in answer["variables"].items()}
    index = CheckpointIndex(found.prefix_url, 1, held)
    where = storage.join(checkpoint_model.folder_of(found), labels.FILE_NAME) if names else found.prefix_url
    trained = TrainedClasses(len(names) or num_classes_of(index), names, where)
    return Weights(index, {name: tuple(shape) for name, shape in answer["net"].items()}, trained)


def _exported_labels(found: Found, model_name: str) -> tuple[str, ...]:
    """Return the classes of a model that an export of ours wrote, every byte of which is as it was; () of others."""
    folder = checkpoint_model.folder_of(found)
    if not storage.exists(storage.join(folder, manifests.FILE_NAME)):
        return ()
    manifest = manifests.read_manifest(folder)
    manifests.verify(folder, manifest)
    if manifest.model_name != model_name:
        raise CheckpointError(
            f"{found.prefix_url!r} is of {manifest.model_name!r}, --model_name is {model_name!r}; wanted the same net"
        )
    return labels.read_labels(folder)


def _ask(found: Found, net: AskedNet, local: list[str]) -> dict[str, dict[str, list[int]]]:
    asked = {
        "url": found.prefix_url,
        "kind": found.kind,
        "local": local,
        "model_name": net.model_name,
        "num_classes": net.num_classes,
        "image_size": net.image_size or nets.get(net.model_name).default_image_size,
        "channels": 1 if net.use_grayscale else 3,
        "is_training": net.is_training,
    }
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    with start_module(_PROGRAM, [], env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            answer, said = process.communicate(json.dumps(asked), _DEADLINE_S)
        except BaseException as err:
            process.kill()
            if isinstance(err, subprocess.TimeoutExpired):
                raise CheckpointError(f"{found.prefix_url!r} was not read within {_DEADLINE_S:.0f} s") from err
            raise
    if process.returncode != 0:
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        raise CheckpointError(
            f"{found.prefix_url!r} cannot be read: the process that looked at it ended with {process.returncode}:"
            f" {logs.clean(last[0])[:300]}"
        )
    told: dict[str, dict[str, list[int]]] = json.loads(answer.strip().splitlines()[-1])
    return told
