"""A picture that an export has scored, kept in the model's folder, so that who loads the model can compare.

``scored_picture.png`` is the picture, ``scored_picture.json`` has its ``scores``, a probability a class. ``model.json``
names both, as every other file. A model of an earlier export, or of another program, has none.
"""

import dataclasses
import json

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import ModelError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.manifest import ModelManifest

__all__ = ["PICTURE", "SCORES", "ScoredPicture", "read", "write"]

PICTURE = "scored_picture.png"
SCORES = "scored_picture.json"

# Engines that compute in float32 differ by less than a thousandth of a score, and by rounding near zero.
_RELATIVE, _ABSOLUTE = 1e-2, 1e-5


@dataclasses.dataclass(frozen=True)
class ScoredPicture:
    """A picture's file and its probabilities, float32 ``[classes]``."""

    picture: bytes
    scores: NDArray[np.float32]

    def check(self, got: NDArray[np.float32]) -> None:
        """Raise ModelError, with what was got and wanted, unless ``got`` are the scores at the export."""
        if got.shape != self.scores.shape:
            raise ModelError(
                f"it gives {got.shape[0]} scores of the picture that its export has scored, wanted {len(self.scores)}"
            )
        beyond = np.abs(got - self.scores) - (_ABSOLUTE + _RELATIVE * self.scores)
        worst = int(np.argmax(np.where(np.isfinite(beyond), beyond, np.inf)))
        if not beyond[worst] <= 0:
            raise ModelError(
                f"it computes something else than at its export: of the picture in {PICTURE}, class {worst} has the"
                f" score {float(got[worst]):.6f}, wanted {float(self.scores[worst]):.6f}"
            )


def write(folder: str, picture: bytes, scores: NDArray[np.float32]) -> None:
    """Write both files into a local model folder that has no ``model.json`` yet."""
    storage.write_bytes(storage.join(folder, PICTURE), picture)
    storage.write_json(storage.join(folder, SCORES), {"scores": [float(score) for score in scores]})


def read(model_url: str, manifest: ModelManifest) -> ScoredPicture | None:
    """Read both files, checked by ``model.json``; None where it names none. Raises ModelError for others than ours."""
    if PICTURE not in manifest.files or SCORES not in manifest.files:
        return None
    data = manifests.read_file(model_url, manifest, SCORES)
    try:
        scores = np.asarray(json.loads(data)["scores"], np.float32)
    except (ValueError, TypeError, KeyError, RecursionError) as err:
        raise ModelError(f"{storage.join(model_url, SCORES)!r} has no scores of a picture: {err}") from err
    if scores.shape != (manifest.num_classes,) or not np.isfinite(scores).all():
        raise ModelError(
            f"{storage.join(model_url, SCORES)!r} has scores of shape {list(scores.shape)}, wanted a finite number for"
            f" each of {manifest.num_classes} classes"
        )
    return ScoredPicture(manifests.read_file(model_url, manifest, PICTURE), scores)
