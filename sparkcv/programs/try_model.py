"""Prove that a published model works: fetch it by digest in a process of its own and score a few pictures."""

import math
import os
from typing import Any

from sparkcv import logs, synthetic
from sparkcv.errors import ModelError
from sparkcv.predict.predictor import Prediction, Predictor
from sparkcv.roles import NodeContext

__all__ = ["check_scores", "main"]

_NUM_PICTURES = 2
_TOLERANCE = 1e-4
_log = logs.get(__name__)


def main(ctx: NodeContext) -> dict[str, Any]:
    """Score with the model at ``model_url`` of ``digest``, both in ``ctx.params``; return ``num_pictures``.

    Raise MissingFileError and ModelError for a model that is not that one, does not load or gives no probabilities.
    """
    url, digest = ctx.params["model_url"], ctx.params["digest"]
    ctx.report({"doing": "scoring with the published model"})
    with Predictor.load(url, os.path.join(ctx.scratch_dir, "published"), digest=digest) as predictor:
        size = max(32, predictor.manifest.image_size)
        pictures = [synthetic.encode(synthetic.draw(i, seed=i, size=size), "png") for i in range(_NUM_PICTURES)]
        check_scores(predictor, pictures, url)
    _log.info("the published model %s scores", url)
    return {"num_pictures": len(pictures)}


def check_scores(predictor: Predictor, pictures: list[bytes], where: str) -> None:
    """Raise ModelError unless each picture gets probabilities: finite, one a class, that sum to 1."""
    for answer in predictor.predict(pictures, top_k=predictor.manifest.num_classes):
        if not isinstance(answer, Prediction):
            raise ModelError(f"the model {where!r} does not score: {answer.reason}")
        total = math.fsum(score for _, score in answer.top_k)
        if not abs(total - 1) <= _TOLERANCE or min(score for _, score in answer.top_k) < 0:
            raise ModelError(f"the model {where!r} gives no probabilities: they sum to {total}, wanted 1")
