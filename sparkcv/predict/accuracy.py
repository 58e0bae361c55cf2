"""Whether a net of less precision may score: it is run beside float32 on pictures of the user's own.

Of int8 the net is made here: calibrated by nncf on half of the pictures, and measured on the others.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sparkcv import storage
from sparkcv.errors import ModelError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines import NetSpec
from sparkcv.predict.engines.agreement import NET, WANTED, Agreement
from sparkcv.predict.engines.choice import EngineChoice, check_quantizer, choose_engine
from sparkcv.predict.engines.loading import LocalModel, load_net
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.frozen_graph import read_graph
from sparkcv.predict.predictor import Picture, Predictor, Reject

__all__ = ["measure"]

_BATCH = 32


def measure(
    model_dir: str,
    folder: str,
    net: NetSpec,
    pictures: Sequence[Picture],
    *,
    cache_dir: str | None = None,
    num_threads: int = 1,
) -> Agreement:
    """Measure how often ``net`` has the best class of float32, and store that in ``folder``, of int8 the net as well.

    A Predictor of ``net`` with ``proof_url=folder`` loads only if it was often enough; here nothing is refused.

    Args:
        model_dir: URL of the exported model.
        folder: URL of the folder to write.
        net: what is to be loaded later, its ``proof_url`` still empty.
        pictures: as :meth:`Predictor.predict` takes them; of int8 every other one calibrates, the rest is measured.
        cache_dir: local folder that keeps the model; None: a temporary one.
        num_threads: threads of one operation, and pictures decoded at once.

    Raises:
        ModelError: none of the pictures can be used, or the net cannot be made.
        UsageError: a precision that is none, or whose package is not installed.
    """
    choice = choose_engine(net.engine, net.precision)
    if choice.precision not in WANTED:
        raise UsageError(f"precision: got {choice.precision}, wanted one to be measured: {', '.join(WANTED)}")
    if choice.precision == "int8":
        check_quantizer()
        from sparkcv.predict.engines.quantizing import quantize

        choice = dataclasses.replace(choice, name="openvino")
    fp32 = dataclasses.replace(net, engine=choice.name, precision="fp32", proof_url=None)
    with tempfile.TemporaryDirectory(prefix="sparkcv-measure-") as local:
        cache = cache_dir or f"{local}/model"
        url = storage.resolve(model_dir)
        manifest, kept = fetch_model(url, cache)
        with Predictor(url, fp32, cache_dir=cache, num_threads=num_threads) as reference:
            path, measured = None, pictures
            if choice.precision == "int8":
                path, measured = f"{local}/{NET}", pictures[1::2] or pictures
                operation = None if net.features is None else manifest.end_point(net.features)
                batches = _batches(reference, pictures[::2], manifest)
                quantize(read_graph(kept, manifest)[1], operation, batches, path)
            model = LocalModel(manifest, kept, is_shared=False)
            num, agreeing = _compare(reference, model, choice, measured, net.features, num_threads, path)
        storage.make_dirs(folder)
        files = {}
        for name in (NET, NET.removesuffix(".xml") + ".bin") if path else ():
            files[name] = manifests.describe_file(f"{local}/{name}")
            storage.publish(f"{local}/{name}", storage.join(folder, name))
    found = Agreement(manifest.digest, choice.name, choice.precision, net.features, num, agreeing, files)
    found.write(folder)
    return found


def _compare(
    reference: Predictor,
    model: LocalModel,
    choice: EngineChoice,
    pictures: Sequence[Picture],
    features: str | None,
    num_threads: int,
    path: str | None,
) -> tuple[int, int]:
    engine = load_net(model, choice, features, num_threads, path=path)
    num = agreeing = 0
    try:
        for images in _decoded(reference, pictures):
            best = reference.score(images).argmax(axis=1)
            num, agreeing = num + len(best), agreeing + int((engine.probabilities(images).argmax(axis=1) == best).sum())
    finally:
        engine.close()
    if not num:
        raise ModelError(f"none of {len(pictures)} pictures to measure {choice.precision} on can be used")
    return num, agreeing


def _decoded(predictor: Predictor, pictures: Sequence[Picture]) -> Iterator[NDArray[np.float32]]:
    for at in range(0, len(pictures), _BATCH):
        images = [image for image in predictor.decode(pictures[at : at + _BATCH]) if not isinstance(image, Reject)]
        if images:
            yield np.stack(images)


def _batches(
    predictor: Predictor, pictures: Sequence[Picture], manifest: manifests.ModelManifest
) -> list[NDArray[np.float32]]:
    """Return batches as the net takes them: single pictures, or of the graph's fixed size, the last one repeated."""
    size = manifest.batch_size or 1
    images = list(itertools.chain.from_iterable(_decoded(predictor, pictures)))
    if not images:
        raise ModelError(f"none of {len(pictures)} pictures to calibrate int8 on can be used")
    images += [images[-1]] * (-len(images) % size)
    return [np.stack(images[at : at + size]) for at in range(0, len(images), size)]
