"""The proof that an export works: both forms are loaded from disk again and score one picture alike."""

import os

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage, synthetic
from sparkcv.errors import ImageError, ModelError
from sparkcv.inputs.graph_error import gist
from sparkcv.light_tensorflow import tf1 as tf
from sparkcv.predict import manifest as manifests
from sparkcv.predict import scored_picture
from sparkcv.predict.engines.decoding import TFDecoder
from sparkcv.predict.engines.tf import OUTPUT, TFEngine, session_config
from sparkcv.predict.export.graphs import ENCODED
from sparkcv.predict.manifest import ModelManifest
from sparkcv.predict.predictor import Predictor, Reject

_TOLERANCE = 1e-4
_THREADS = 2


def write_scored_picture(folder: str, manifest: ModelManifest) -> None:
    """Score a drawn picture with the frozen graph of the local ``folder``, and keep both there; see scored_picture.py.

    ``manifest`` says what the graph takes; ``model.json`` is not written yet. Raises ModelError if the graph gives no
    probabilities.
    """
    picture = synthetic.encode(synthetic.draw(0, seed=0, size=max(32, manifest.image_size)), "png")
    scores = _score_frozen(folder, manifest, picture)
    _check_probabilities("frozen graph", scores, manifest)
    scored_picture.write(folder, picture, scores)


def prove(folder: str) -> float:
    """Load the model in the local ``folder`` and score its picture with each form.

    Returns the largest difference between the probabilities of the SavedModel and those kept, of the frozen graph.
    Raises ModelError if a file is not as ``model.json`` says, a form does not load, gives no probabilities, or differs
    from the other.
    """
    manifest = manifests.read_manifest(folder)
    manifests.verify(folder, manifest)
    kept = scored_picture.read(folder, manifest)
    if kept is None:
        raise ModelError(f"{folder!r} has no {scored_picture.PICTURE}")
    saved = score_saved_model(os.path.join(folder, manifests.SAVED_MODEL), kept.picture, manifest.batch_size or 1)
    _check_probabilities("SavedModel", saved, manifest)
    difference = float(np.abs(kept.scores - saved).max())
    if difference > _TOLERANCE:
        raise ModelError(f"frozen graph and SavedModel differ by {difference} on one picture, wanted {_TOLERANCE}")
    with Predictor.open(folder, manifest) as predictor:
        (image,) = predictor.decode([kept.picture])
        if isinstance(image, Reject):
            raise ModelError(f"the Predictor does not take the picture that the frozen graph scored: {image.reason}")
        kept.check(predictor.score(image[None])[0])
    return difference


def _score_frozen(folder: str, manifest: ModelManifest, picture: bytes) -> NDArray[np.float32]:
    """Score one picture with the frozen graph of a model folder: float32 ``[classes]``."""
    graph = storage.read_bytes(os.path.join(folder, manifests.FROZEN_GRAPH))
    engine = TFEngine(graph, manifests.FROZEN_GRAPH, num_threads=_THREADS)
    decoder = TFDecoder(
        manifest.preprocessing,
        manifest.image_size,
        use_grayscale=manifest.use_grayscale,
        jpeg_arithmetic=manifest.jpeg_arithmetic,
        normalization=manifests.normalization(folder, manifest),
    )
    try:
        (image,) = decoder.decode([(picture, 1)])
        if isinstance(image, ImageError):
            raise ModelError(f"the preprocessing {manifest.preprocessing!r} does not take a PNG: {image}")
        return engine.probabilities(image[None])[0]
    finally:
        decoder.close()
        engine.close()


def _check_probabilities(form: str, scores: NDArray[np.float32], manifest: ModelManifest) -> None:
    if scores.shape != (manifest.num_classes,):
        raise ModelError(f"the {form} gives shape {scores.shape}, wanted {manifest.num_classes} classes")
    if not np.isfinite(scores).all() or abs(float(scores.sum()) - 1) > _TOLERANCE:
        raise ModelError(f"the {form} gives no probabilities: they sum to {float(scores.sum())}, wanted 1")


def score_saved_model(folder: str, picture: bytes, batch_size: int = 1) -> NDArray[np.float32]:
    """Score one picture with a SavedModel through its ``serving_default``: float32 ``[classes]``."""
    try:
        with tf.Graph().as_default(), tf.Session(config=session_config(_THREADS)) as session:
            loaded = tf.saved_model.load(session, [tf.saved_model.SERVING], folder)
            signature = loaded.signature_def["serving_default"]
            feed = {signature.inputs[ENCODED].name: np.array([picture] * batch_size, object)}
            scores = session.run(signature.outputs[OUTPUT].name, feed)
    except (tf.errors.OpError, OSError, KeyError, ValueError) as err:
        raise ModelError(f"the SavedModel in {folder!r} does not score: {gist(str(err))}") from err
    return np.asarray(scores[0], np.float32)
