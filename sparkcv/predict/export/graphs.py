"""The two forms of a model: a frozen graph from pixels, and a SavedModel round it that takes the pictures' bytes."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from sparkcv import nets, preprocess
from sparkcv.config.normalization import OWN
from sparkcv.errors import CheckpointError
from sparkcv.evaluate import restore
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines.tf import INPUT, OUTPUT, session_config
from sparkcv.predict.export.task import ExportTask
from sparkcv.preprocess import EncodedPicture
from sparkcv.preprocess.normalization import Normalization
from sparkcv.records.statistics import Statistics

ENCODED = "encoded"
_THREADS = 2


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A net as one GraphDef of constants, and its end points: by name, the ``operation`` and how many ``features``."""

    graph: Any
    end_points: Mapping[str, Any]


def freeze(task: ExportTask, prefix: str) -> Frozen:
    """Build the evaluation graph, restore the local checkpoint ``prefix``, and return it as one GraphDef of constants.

    With ``moving_average_decay`` the variables are restored under the names of their moving averages, as slim's
    evaluation does. Beside our output it has slim's, by slim's name and equal. Raises CheckpointError if a variable is
    missing, has another shape or is not finite.
    """
    config, num_classes = task.config, len(task.labels)
    channels = 1 if config.use_grayscale else 3
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [config.batch_size, task.image_size, task.image_size, channels], name=INPUT)
        logits, end_points = nets.get(config.model_name).build(images, num_classes, is_training=False)
        tf.nn.softmax(logits, name=OUTPUT)
        slims = slims_output(end_points)
        wanted = restore.wanted_variables(config.moving_average_decay)
        restore.check(
            prefix, task.found.prefix_url, wanted, num_classes=num_classes, dataset=f"labels.txt ({task.labels_url})"
        )
        _check_finite(prefix, task.found.prefix_url, wanted)
        saver = restore.restorer(wanted)
        with tf.Session(config=session_config(_THREADS)) as session:
            saver.restore(session, prefix)
            definition = tf.get_default_graph().as_graph_def()
            frozen = tf.graph_util.convert_variables_to_constants(session, definition, [OUTPUT])
    for node in frozen.node:
        node.device = ""
    if slims and all(node.name != slims for node in frozen.node):
        frozen.node.add(name=slims, op="Identity", input=[OUTPUT]).attr["T"].type = tf.float32.as_datatype_enum
    return Frozen(frozen, features_of(end_points, {node.name for node in frozen.node}))


def features_of(end_points: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Say of each end point where the frozen graph with the operations ``names`` has it, and how many features it has.

    Of a pool over the whole area the operation is the one before it, so that who takes the features can take the mean
    in float32 whatever the net runs in. End points that are not on the way to the output are left out.
    """
    found, kept = {}, set(names)
    for name, tensor in end_points.items():
        source = _before_pool(tensor)
        shape = source.shape.as_list() if source.shape.rank in (2, 4) else [None]
        if source.op.name in kept and source.name.endswith(":0") and shape[-1] and source.dtype == tf.float32:
            found[name] = {"operation": source.op.name, "features": shape[-1]}
    return found


def _before_pool(tensor: Any) -> Any:
    """Return the maps ``[batch, height, width, channels]`` whose mean a tensor is, else the tensor itself."""
    operation = tensor.op
    while operation.type in ("Identity", "Squeeze"):
        operation = operation.inputs[0].op
    if operation.type not in ("AvgPool", "Mean") or operation.inputs[0].shape.rank != 4:
        return tensor
    maps, pool = operation.inputs[0], operation.outputs[0].shape.as_list()
    if operation.type == "Mean":
        axes = tf.get_static_value(operation.inputs[1])
        is_whole = axes is not None and sorted(axes.ravel().tolist()) == [1, 2]
    else:
        is_whole = operation.get_attr("ksize")[1:3] == maps.shape.as_list()[1:3] and pool[1:3] == [1, 1]
    return maps if is_whole else tensor


def slims_output(end_points: Mapping[str, Any]) -> str | None:
    """Return the name of the node of probabilities in slim's own graph of a net, which tools of users ask for.

    None for the nets whose graph has none there: slim's VGG, AlexNet and OverFeat end at their logits.
    """
    for name in ("predictions", "Predictions"):
        operation = end_points[name].op if name in end_points else None
        while operation is not None and operation.type == "Squeeze":  # ours, of a ResNet's maps of one pixel
            operation = operation.inputs[0].op
        if operation is not None and "/" in operation.name:
            return str(operation.name)
    return None


def write_saved_model(task: ExportTask, frozen: Any, folder: str) -> None:
    """Write a SavedModel whose ``serving_default`` maps ``encoded``, string ``[batch]``, to ``probabilities``.

    ``folder`` must not exist. It decodes, preprocesses and scores inside the graph; a picture that cannot be decoded
    fails its whole batch, which is TensorFlow's way: whoever serves it sends such pictures one by one.
    """
    with tf.Graph().as_default():
        encoded = tf.placeholder(tf.string, [task.config.batch_size], name=ENCODED)
        preprocessing = preprocess.get(task.preprocessing).normalized(normalization_of(task))
        arithmetic = task.config.jpeg_arithmetic or "accurate"
        images = tf.map_fn(
            lambda picture: preprocessing.for_eval(
                EncodedPicture(picture, 1, arithmetic), task.image_size, use_grayscale=task.config.use_grayscale
            ),
            encoded,
            fn_output_signature=tf.float32,
        )
        (scores,) = tf.import_graph_def(
            frozen, input_map={f"{INPUT}:0": images}, return_elements=[f"{OUTPUT}:0"], name="net"
        )
        scores = tf.identity(scores, name=OUTPUT)
        signature = tf.saved_model.predict_signature_def({ENCODED: encoded}, {OUTPUT: scores})
        with tf.Session(config=session_config(_THREADS)) as session:
            builder = tf.saved_model.Builder(folder)
            builder.add_meta_graph_and_variables(
                session, [tf.saved_model.SERVING], signature_def_map={"serving_default": signature}
            )
            builder.save()


def normalization_of(task: ExportTask) -> Normalization:
    """Return how the model's pictures are normalized."""
    url = task.config.statistics
    return Normalization(task.config.normalization or OWN, Statistics.read(url) if url else None)


def describe_inputs(task: ExportTask) -> dict[str, Any]:
    """Say for model.json what each form takes."""
    normalization = normalization_of(task)
    shape = [task.config.batch_size, task.image_size, task.image_size, 1 if task.config.use_grayscale else 3]
    said = {} if normalization.is_own else {"normalization": normalization.kind}
    if normalization.statistics is not None:
        said["statistics"] = normalization.statistics.digest
    return {
        "frozen_graph": {
            "tensor": f"{INPUT}:0",
            "dtype": "float32",
            "shape": shape,
            "values": preprocess.get(task.preprocessing).normalized(normalization).value_range,
        },
        "saved_model": {
            "signature": "serving_default",
            "name": ENCODED,
            "dtype": "string",
            "shape": [task.config.batch_size],
            "values": "the bytes of JPEG, PNG, WebP, GIF or 24-bit BMP files that stand upright and are not"
            " transparent; decoded and preprocessed inside",
        },
        manifests.PICTURES: {
            "jpeg_arithmetic": task.config.jpeg_arithmetic or "accurate",
            **said,
            "orientation": "turned as EXIF or XMP says, by sparkcv score; not by the SavedModel",
            "transparency": "put on a background, by sparkcv score; not by the SavedModel",
        },
    }


def describe_outputs(task: ExportTask, frozen: Frozen) -> dict[str, Any]:
    """Say for model.json what each form gives."""
    said = {
        "dtype": "float32",
        "shape": [task.config.batch_size, len(task.labels)],
        "values": "probabilities; column i is line i of labels.txt",
    }
    return {
        "frozen_graph": {"tensor": f"{OUTPUT}:0", **said},
        "saved_model": {"signature": "serving_default", "name": OUTPUT, **said},
        manifests.END_POINTS: dict(frozen.end_points),
    }


def _check_finite(prefix: str, where: str, wanted: Iterable[str]) -> None:
    reader = tf.train.load_checkpoint(prefix)
    for name in sorted(wanted):
        if not np.isfinite(reader.get_tensor(name)).all():
            raise CheckpointError(f"the checkpoint {where!r} holds a value of {name} that is not a number")
