"""Serve a SavedModel by BentoML: ``bentoml serve bentoml_peer:Net``, told by the environment what and how."""

import os

import bentoml
import numpy as np
import tensorflow as tf


@bentoml.service(workers=1, traffic={"timeout": 60})
class Net:
    """Takes pictures' bytes, batched adaptively, and gives probabilities."""

    def __init__(self) -> None:
        self.net = tf.saved_model.load(os.environ["PEER_MODEL"]).signatures["serving_default"]
        with open(os.environ["PEER_PICTURE"], "rb") as source:
            self.net(encoded=tf.constant([source.read()]))

    @bentoml.api(
        batchable=True,
        max_batch_size=int(os.environ["PEER_BATCH"]),
        max_latency_ms=60_000,
    )
    def predict(self, encoded: list[str]) -> np.ndarray:
        """Score pictures, as base64, which its JSON has for bytes."""
        return self.net(encoded=tf.io.decode_base64(tf.constant(encoded)))["probabilities"].numpy()
