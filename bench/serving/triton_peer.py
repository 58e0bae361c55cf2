"""Serve a SavedModel by nvidia-pytriton: ``python triton_peer.py SAVED_MODEL PORT MAX_BATCH DELAY_MS``."""

import sys

import numpy as np
import tensorflow as tf
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

folder, port, max_batch, delay_ms = sys.argv[1], *map(int, sys.argv[2:5])
net = tf.saved_model.load(folder).signatures["serving_default"]


def score(pictures: np.ndarray) -> np.ndarray:
    """Score pictures' bytes."""
    return net(encoded=tf.constant(pictures))["probabilities"].numpy()


@batch
def infer(encoded: np.ndarray) -> dict[str, np.ndarray]:
    """Score a batch of requests, ``[batch, 1]``."""
    return {"probabilities": score(encoded[:, 0])}


with open(sys.argv[5], "rb") as source:
    score(np.array([source.read()], object))  # the first run of a graph takes longest
with Triton(config=TritonConfig(http_port=port, allow_grpc=False, allow_metrics=False)) as triton:
    triton.bind(
        model_name="net",
        infer_func=infer,
        inputs=[Tensor(name="encoded", dtype=bytes, shape=(1,))],
        outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(-1,))],
        config=ModelConfig(
            max_batch_size=max_batch, batcher=DynamicBatcher(max_queue_delay_microseconds=1000 * delay_ms)
        ),
    )
    triton.serve()
