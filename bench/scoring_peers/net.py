"""The frozen graph as the peers of R19 run it: bytes of pictures in, the best class and its score out."""

import io

import numpy as np
from PIL import Image


class Net:
    """A frozen graph in one process, by TensorFlow or OpenVINO, in float32."""

    def __init__(self, graph: str, size: int, engine: str, num_threads: int) -> None:
        self._size = size
        self._run = (_openvino if engine == "openvino" else _tensorflow)(graph, num_threads)

    def best(self, pictures: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return the number and the score of each picture's best class."""
        scores = self._run(np.stack([self._pixels(data) for data in pictures]))
        labels = scores.argmax(axis=1)
        return labels.astype(np.int32), scores[np.arange(len(labels)), labels].astype(np.float32)

    def _pixels(self, data: bytes) -> np.ndarray:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        if picture.size != (self._size, self._size):
            picture = picture.resize((self._size, self._size), Image.Resampling.BILINEAR)
        return np.asarray(picture, np.float32) / 127.5 - 1.0


def _openvino(graph: str, num_threads: int):
    import openvino

    settings = {"INFERENCE_NUM_THREADS": num_threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(graph, "CPU", settings)
    request = compiled.create_infer_request()
    return lambda images: request.infer({0: images})[compiled.outputs[0]]


def _tensorflow(graph: str, num_threads: int):
    import tensorflow.compat.v1 as tf

    definition = tf.GraphDef()
    with open(graph, "rb") as source:
        definition.ParseFromString(source.read())
    with tf.Graph().as_default() as made:
        tf.import_graph_def(definition, name="")
    config = tf.ConfigProto(intra_op_parallelism_threads=num_threads, inter_op_parallelism_threads=1)
    return tf.Session(graph=made, config=config).make_callable("probabilities:0", feed_list=["input:0"])
