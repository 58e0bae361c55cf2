"""Score a folder by Ray Data: ``python ray_peer.py PICTURES GRAPH SIZE ENGINE THREADS OUT``.

As Ray's documentation says of offline inference: ``read_binary_files``, a class for ``map_batches`` whose actor loads
the model once, and ``write_parquet``.
"""

import sys

import ray
from net import Net


class Scorer:
    """The net, loaded once an actor."""

    def __init__(self, graph: str, size: int, engine: str, num_threads: int) -> None:
        self._net = Net(graph, size, engine, num_threads)

    def __call__(self, batch: dict) -> dict:
        """Score one batch."""
        labels, scores = self._net.best(list(batch["bytes"]))
        return {"id": batch["path"], "label_id": labels, "score": scores}


if __name__ == "__main__":
    pictures, graph, size, engine, threads, out = sys.argv[1:]
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    frame = ray.data.read_binary_files(pictures, include_paths=True)
    frame = frame.map_batches(
        Scorer,
        fn_constructor_args=(graph, int(size), engine, int(threads)),
        batch_size=32,
        compute=ray.data.ActorPoolStrategy(size=1),
        num_cpus=1,
    )
    frame.write_parquet(out)
