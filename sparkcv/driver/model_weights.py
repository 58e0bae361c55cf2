"""The weights of a model in place of a checkpoint, looked at before Spark starts: by a process that has TensorFlow."""

from __future__ import annotations

import dataclasses
import tempfile

from sparkcv import logs, storage
from sparkcv.driver import net_variables
from sparkcv.driver.checkpoint_checks import TrainedClasses, num_classes_of
from sparkcv.driver.net_variables import AskedNet, NetVariables, NoAnswerError
from sparkcv.errors import CheckpointError
from sparkcv.predict import manifest as manifests
from sparkcv.records import labels
from sparkcv.rundir import checkpoint_model
from sparkcv.rundir.checkpoint import Found
from sparkcv.rundir.checkpoint_index import CheckpointIndex, SavedTensor
from sparkcv.rundir.description import RunDescription
from sparkcv.train.warmstart_plan import some

__all__ = ["Weights", "look", "told_of"]

_FLOAT = 1  # DT_FLOAT
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a model holds, as the index of a checkpoint, its classes, and the variables that the net wants."""

    index: CheckpointIndex
    known: NetVariables
    trained: TrainedClasses

    def check_whole(self) -> None:
        """Raise CheckpointError where a variable of the net is not among them: to infer it takes all."""
        missing = [name for name in self.known.model if name not in self.index.tensors]
        if missing:
            raise CheckpointError(
                f"{self.index.prefix_url!r} lacks {len(missing)} of {len(self.known.model)} variables:"
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
        try:
            known = net_variables.ask(net, found, local)
        except NoAnswerError as err:
            ended = f"cannot be read: the process that looked at it ended with {err.code}: {err.last}"
            why = f"was not read within {err.deadline_s:.0f} s" if err.code is None else ended
            raise CheckpointError(f"{found.prefix_url!r} {why}") from err
    held = {name: SavedTensor(tuple(shape), _FLOAT, 0, 0, 0, 0) for name, shape in known.held.items()}
    index = CheckpointIndex(found.prefix_url, 1, held)
    where = storage.join(checkpoint_model.folder_of(found), labels.FILE_NAME) if names else found.prefix_url
    trained = TrainedClasses(len(names) or num_classes_of(index), names, where)
    return Weights(index, known, trained)


def told_of(found: Found, *, pass_over_foreign: bool = False) -> RunDescription:
    """Return what the ``run.json`` beside a checkpoint tells, or the ``model.json`` of a model that an export wrote.

    The latter says how the model's pictures are prepared and its labels counted. Nothing where there is neither.

    Raises what :meth:`RunDescription.read` does, and ModelError for a ``model.json`` that was changed.
    """
    folder = checkpoint_model.folder_of(found)
    told = RunDescription.read(folder, pass_over_foreign=pass_over_foreign)
    if told is None and found.kind and storage.exists(storage.join(folder, manifests.FILE_NAME)):
        model = manifests.read_manifest(folder)
        config = {
            "train_image_size": model.image_size,
            "preprocessing_name": model.preprocessing,
            "normalization": model.normalization,
            "jpeg_arithmetic": model.jpeg_arithmetic,
            "labels_offset": model.labels_offset,
            "use_grayscale": model.use_grayscale,
        }
        told = RunDescription(config=config)
    return told or RunDescription()


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
