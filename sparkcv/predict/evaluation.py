"""What the evaluation of a model's checkpoint found: ``evaluation.json``, which export keeps in the model's folder."""

import json
from typing import Any

from sparkcv import storage
from sparkcv.errors import ModelError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.manifest import ModelManifest

__all__ = ["FILE_NAME", "accuracy", "read"]

FILE_NAME = "evaluation.json"


def read(model_url: str, manifest: ModelManifest) -> dict[str, Any] | None:
    """Read the file, checked by ``model.json``; None where it names none. Raises ModelError if it has no accuracy."""
    if FILE_NAME not in manifest.files:
        return None
    try:
        value = json.loads(manifests.read_file(model_url, manifest, FILE_NAME))
    except (ValueError, RecursionError) as err:
        raise ModelError(f"{storage.join(model_url, FILE_NAME)!r} is not JSON ({err})") from err
    if accuracy(value) is None:
        raise ModelError(f"{storage.join(model_url, FILE_NAME)!r} has no 'accuracy' from 0 to 1")
    return dict(value)


def accuracy(value: Any) -> float | None:
    """Return the accuracy that a result of an evaluation tells, in [0, 1]; None if it tells none."""
    found = value.get("accuracy") if isinstance(value, dict) else None
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found <= 1:
        return None
    return float(found)
