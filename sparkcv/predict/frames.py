"""Scores as one more column of a Spark frame, for one's own program."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sparkcv import storage
from sparkcv.errors import UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines.choice import choose_engine
from sparkcv.predict.predictor import Prediction, Predictor, Reject, check_top_k
from sparkcv.spark.local_dirs import application_dir

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["transform"]

_ANSWER = pa.struct(
    [
        pa.field("label", pa.string()),
        pa.field("label_id", pa.int32()),
        pa.field("score", pa.float32()),
        pa.field("top_k", pa.list_(pa.struct([("label", pa.string()), ("score", pa.float32())]))),
        pa.field("reason", pa.string()),
    ]
)
_DDL = "label string, label_id int, score float, top_k array<struct<label: string, score: float>>, reason string"
_NO_PICTURE = Reject("missing: the column is null")
_BATCH_SIZE = 32

# Spark keeps a Python worker for the next task: it finds its model here.
_loaded: dict[tuple[str, str], Predictor] = {}


def transform(
    df: DataFrame,
    model_dir: str,
    *,
    input_col: str = "path",
    output_col: str = "prediction",
    engine: str = "auto",
    top_k: int = 5,
) -> DataFrame:
    """Return ``df`` with the model's answer to each row's picture in ``output_col``; all other columns stay.

    The answer is a struct of ``label``, ``label_id``, ``score`` and ``top_k``, which are null where ``reason`` says
    why the picture was not scored. Only ``input_col`` travels to Python. It works in a batch frame, a stream, and
    inside ``foreachBatch``; the executors' Python must have sparkcv.

    Args:
        df: the frame.
        model_dir: URL of the exported model's folder, which the executors read too; its digest is pinned here.
        input_col: column of the pictures' bytes or of their paths or URLs; a field of one as ``image.bytes``.
        output_col: the new column.
        engine: ``auto``, ``tf`` or ``openvino``.
        top_k: classes an answer.

    Raises:
        MissingFileError, ModelError: no model, or one that is not as exported.
        UsageError: a column that there is not or that holds no pictures, an engine that is not installed.
    """
    from pyspark.sql.functions import arrow_udf, col

    kinds = {kind.lower(): of for kind, of in df.dtypes}
    if "." not in input_col and kinds.get(input_col.lower()) not in ("binary", "string"):
        got = kinds.get(input_col.lower(), "no such column")
        raise UsageError(f"input_col: {input_col!r} is {got}, wanted a column of bytes or paths: {', '.join(kinds)}")
    url = storage.resolve(model_dir)
    manifest = manifests.read_manifest(url)
    check_top_k(top_k, manifest)
    digest, name = manifest.digest, choose_engine(engine).name

    def score(columns: Iterator[pa.Array]) -> Iterator[pa.Array]:
        predictor = _predictor(url, digest, name)
        for column in columns:
            answers: list[dict[str, Any]] = []
            for pictures in _chunks(iter(column), _BATCH_SIZE):
                answers += map(_as_dict, _score(predictor, pictures, top_k))
            yield pa.array(answers, _ANSWER)

    # Spark reads the hints to know that batches come one after another, and pyarrow's have no runtime name here.
    score.__annotations__ = {"columns": Iterator[pa.Array], "return": Iterator[pa.Array]}
    return df.withColumn(output_col, arrow_udf(score, _DDL)(col(input_col)))


def _chunks(values: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := [value.as_py() for value in itertools.islice(values, size)]:
        yield chunk


def _score(predictor: Predictor, pictures: list[Any], top_k: int) -> list[Prediction | Reject]:
    answers = iter(predictor.predict([picture for picture in pictures if picture is not None], top_k))
    return [_NO_PICTURE if picture is None else next(answers) for picture in pictures]


def _as_dict(answer: Prediction | Reject) -> dict[str, Any]:
    if isinstance(answer, Reject):
        return {"reason": answer.reason}
    top_k = [{"label": label, "score": score} for label, score in answer.top_k]
    return {"label": answer.label, "label_id": answer.label_id, "score": answer.score, "top_k": top_k}


def _predictor(url: str, digest: str, engine: str) -> Predictor:
    if (digest, engine) not in _loaded:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        while _loaded:  # another model's memory goes first
            _loaded.popitem()[1].close()
        cache = os.path.join(application_dir(), f"sparkcv-models-{os.geteuid()}")
        _loaded[digest, engine] = Predictor.load(url, cache, digest=digest, engine=engine)
    return _loaded[digest, engine]
