"""Score a folder by Daft: ``python daft_peer.py PICTURES GRAPH SIZE ENGINE THREADS OUT``.

As Daft's documentation says of batch inference: ``download`` reads, a ``@daft.cls`` holds the model for its worker,
and its batch method gets batches of a fixed size.
"""

import sys

import daft
from daft import DataType, col
from net import Net

_SCORED = DataType.struct({"label_id": DataType.int32(), "score": DataType.float32()})


@daft.cls(max_concurrency=1, use_process=False)
class Scorer:
    """The net, loaded once."""

    def __init__(self, graph: str, size: int, engine: str, num_threads: int) -> None:
        self._net = Net(graph, size, engine, num_threads)

    @daft.method.batch(return_dtype=_SCORED, batch_size=32)
    def score(self, pictures: daft.Series) -> list:
        """Score one batch."""
        labels, scores = self._net.best(pictures.to_pylist())
        return [{"label_id": a, "score": b} for a, b in zip(labels.tolist(), scores.tolist(), strict=True)]


if __name__ == "__main__":
    pictures, graph, size, engine, threads, out = sys.argv[1:]
    scorer = Scorer(graph, int(size), engine, int(threads))
    frame = daft.from_glob_path(f"{pictures}/*.jpg").select("path")
    frame = frame.with_column("scored", scorer.score(col("path").download()))
    frame.select(col("path").alias("id"), col("scored")["label_id"], col("scored")["score"]).write_parquet(out)
