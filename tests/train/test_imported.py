"""A model's weights in place of a checkpoint: what is taken, that inference is equal, and what is refused."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import nets
from sparkcv.errors import CheckpointError
from sparkcv.nets.slim import model_variables
from sparkcv.rundir import checkpoint
from sparkcv.train import imported

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated"),
]
NET, CLASSES, SIZE = "mobilenet_v1_025", 5, 32


def lite(*args, **options):
    from tests.train import tflite_files  # imports what only TensorFlow's wheel has

    return tflite_files.mobilenet(*args, **options)


def take(url, tmp_path, model_name=NET):
    """The values that the model at ``url`` gives, by name."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    prefix = imported.fetch(checkpoint.locate(str(url)), str(scratch), model_name)
    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def refused(url, tmp_path, said, model_name=NET):
    with pytest.raises(CheckpointError, match=said) as caught:
        take(url, tmp_path, model_name)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a graph of random weights and statistics, frozen and as a SavedModel of each kind; its values."""
    folder = tmp_path_factory.mktemp("trained")
    with tf.Graph().as_default() as graph, tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, SIZE, SIZE, 3], name="input")
        logits, _ = nets.get(NET).build(images, CLASSES, is_training=False)
        variables = model_variables()
        session.run(tf.global_variables_initializer())
        rng = np.random.default_rng(5)
        for variable in variables:
            variable.load(rng.uniform(0.1, 0.9, variable.shape.as_list()).astype(np.float32), session)
        values = {variable.op.name: session.run(variable) for variable in variables}
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [logits.op.name])
        (folder / "frozen.pb").write_bytes(frozen.SerializeToString())
        tf.saved_model.simple_save(session, str(folder / "tf1"), {"images": images}, {"logits": logits})
    module = tf.compat.v2.Module()
    module.held = [tf.compat.v2.Variable(value, name=name) for name, value in values.items()]
    tf.compat.v2.saved_model.save(module, str(folder / "tf2"))
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, SIZE, SIZE, 3])
        (scores,) = tf.import_graph_def(frozen, {"input:0": images}, [f"{logits.op.name}:0"], name="net")
        tf.saved_model.simple_save(session, str(folder / "constants"), {"images": images}, {"scores": scores})
    return folder, values


@pytest.mark.parametrize("name", ["frozen.pb", "tf1", "tf1/saved_model.pb", "tf2", "constants"])
def test_graphs_and_saved_models_give_all_variables_of_the_net(trained, tmp_path, name):
    folder, values = trained
    got = take(folder / name, tmp_path)
    assert got.keys() == values.keys()
    for key, value in values.items():
        np.testing.assert_array_equal(got[key], value)


def test_a_tflite_classifier_gives_weights_and_a_batch_normalisation_that_only_adds_the_bias(tmp_path):
    path, numbers = lite(tmp_path / "net.tflite")
    got = take(path, tmp_path)
    assert len(numbers) == 28
    weights, bias = numbers["MobilenetV1/Conv2d_0"]
    np.testing.assert_allclose(got["MobilenetV1/Conv2d_0/weights"], weights.transpose(1, 2, 3, 0), rtol=1e-6)
    np.testing.assert_allclose(got["MobilenetV1/Conv2d_0/BatchNorm/beta"], bias, rtol=1e-6)
    weights, _ = numbers["MobilenetV1/Conv2d_1_depthwise"]
    assert got["MobilenetV1/Conv2d_1_depthwise/depthwise_weights"].shape == (3, 3, 8, 1)
    np.testing.assert_allclose(
        got["MobilenetV1/Conv2d_1_depthwise/depthwise_weights"], weights.transpose(1, 2, 3, 0), rtol=1e-6
    )
    weights, bias = numbers["MobilenetV1/Logits/Conv2d_1c_1x1"]
    np.testing.assert_allclose(
        got["MobilenetV1/Logits/Conv2d_1c_1x1/weights"], weights.transpose(1, 2, 3, 0), rtol=1e-6
    )
    np.testing.assert_allclose(got["MobilenetV1/Logits/Conv2d_1c_1x1/biases"], bias, rtol=1e-6)


def test_inference_is_that_of_the_folded_layers(tmp_path):
    """Convolve, add the bias, cut to 0 to 6: with nothing between, as the file says."""
    path, numbers = lite(tmp_path / "net.tflite", num_layers=3)
    got = take(path, tmp_path)
    picture = np.random.default_rng(1).uniform(-1, 1, [2, SIZE, SIZE, 3]).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        _, points = nets.get(NET).build(tf.constant(picture), CLASSES, is_training=False)
        session.run(tf.global_variables_initializer())
        for variable in model_variables():
            if variable.op.name in got:
                variable.load(got[variable.op.name], session)
        net = tf.constant(picture)
        for number, (weights, bias) in enumerate(numbers.values()):
            kernel = weights.transpose(1, 2, 3, 0).astype(np.float32)
            stride = [1, 2, 2, 1] if number == 0 else [1, 1, 1, 1]
            convolve = tf.nn.depthwise_conv2d if number == 1 else tf.nn.conv2d
            net = tf.nn.relu6(convolve(net, kernel, stride, "SAME") + bias.astype(np.float32))
        ours, wanted = session.run([points["Conv2d_1_pointwise"], net])
    np.testing.assert_allclose(ours, wanted, atol=1e-4)


def test_the_parts_of_a_net_are_one_behind_the_other(tmp_path):
    whole, _ = lite(tmp_path / "whole.tflite")
    trunk, _ = lite(tmp_path / "trunk.tflite", num_layers=27)
    got = take(trunk, tmp_path)
    assert len(got) == 27 * 5
    assert not [name for name in got if "/Logits/" in name]
    both = take(f"{whole}", tmp_path)
    assert {name for name in both if name not in got} == {
        f"MobilenetV1/Logits/Conv2d_1c_1x1/{name}" for name in ("weights", "biases")
    }
    refused(f"{trunk},{whole}", tmp_path, "is of another net: it has 55 layers with weights, mobilenet_v1_025 has 28")


def test_a_tflite_file_of_another_net_names_the_first_layer_that_differs_with_both_shapes(tmp_path):
    path, _ = lite(tmp_path / "net.tflite")
    said = (
        r"its layer 1 is a Conv2D of stride 2 and shape \[3, 3, 3, 8\], wanted .* shape \[3, 3, 3, 32\] \(MobilenetV2/"
    )
    refused(path, tmp_path, said, "mobilenet_v2")


def test_a_tflite_file_that_cannot_be_taken_is_told_in_one_sentence(tmp_path):
    from tensorflow.lite.python import schema_py_generated as schema

    from tests.train import tflite_files

    floats, _ = lite(
        tmp_path / "floats.tflite",
        num_layers=1,
        change=lambda _, weights, bias: (weights.astype(np.float32), bias.astype(np.float32)),
        weights_type=schema.TensorType.FLOAT32,
        bias_type=schema.TensorType.FLOAT32,
    )
    refused(floats, tmp_path, "floats.tflite' is not quantized as uint8: w is float32, wanted uint8")
    whole = pathlib.Path(lite(tmp_path / "net.tflite")[0]).read_bytes()
    for name, data in {
        "half": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"no model at all, but long enough",
    }.items():
        (tmp_path / f"{name}.tflite").write_bytes(data)
        refused(tmp_path / f"{name}.tflite", tmp_path, f"{name}.tflite' is no TensorFlow Lite model, or damaged")
    file = tflite_files.File(32)
    file.operator(schema.BuiltinOperator.CONCATENATION, [])
    refused(file.write(tmp_path / "cat.tflite"), tmp_path, "has the operation CONCATENATION, which is not read here")
    short, _ = lite(tmp_path / "short.tflite", num_layers=1, change=lambda _, weights, bias: (weights, bias[:3]))
    refused(short, tmp_path, r"has weights of shape \[8, 3, 3, 3\] and \[3\] biases")


def test_a_graph_that_cannot_be_taken_is_told_in_one_sentence(trained, tmp_path):
    folder, _ = trained
    data = (folder / "frozen.pb").read_bytes()
    (tmp_path / "half.pb").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "half.pb", tmp_path, "half.pb' is no frozen graph, or damaged")
    (tmp_path / "empty.pb").write_bytes(b"")
    refused(tmp_path / "empty.pb", tmp_path, "is no frozen graph: it has no nodes")
    refused(
        folder / "frozen.pb",
        tmp_path,
        r"is of another net: its weights lie in MobilenetV1, wanted variables of lenet such as LeNet/conv1/biases",
        "lenet",
    )
    graph = tf.GraphDef.FromString(data)
    node = next(node for node in graph.node if node.name == "MobilenetV1/Conv2d_0/weights")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.zeros([3, 3, 3, 8], np.uint8)))
    (tmp_path / "quantized.pb").write_bytes(graph.SerializeToString())
    refused(tmp_path / "quantized.pb", tmp_path, "Conv2d_0/weights as uint8, wanted floating-point numbers")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.full([3, 3, 3, 8], np.nan, np.float32)))
    (tmp_path / "nan.pb").write_bytes(graph.SerializeToString())
    refused(tmp_path / "nan.pb", tmp_path, "holds a value of MobilenetV1/Conv2d_0/weights that is not a number")


def copy(source, target):
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize("kind", ["tf1", "tf2"])
def test_a_saved_model_that_is_half_deleted_or_damaged_is_told(trained, tmp_path, kind):
    for name, said in {
        "saved_model.pb": "half deleted: saved_model.pb is missing",
        "variables/variables.index": "half deleted: variables.index is missing",
        "variables/variables.data-00000-of-00001": "lacks its file variables.data-00000-of-00001",
    }.items():
        folder = copy(trained[0] / kind, tmp_path / pathlib.Path(name).name)
        (folder / name).unlink()
        refused(folder, tmp_path, said)
    folder = copy(trained[0] / kind, tmp_path / "flipped")
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(bytes(len(data.read_bytes())))
    refused(folder, tmp_path, "its variables are damaged")
    folder = copy(trained[0] / kind, tmp_path / "cut")
    (folder / "saved_model.pb").write_bytes(b"\x0a\xff\xff")
    refused(folder, tmp_path, re.escape("its saved_model.pb is damaged, or none"))


def test_a_saved_model_without_its_variables_is_told(trained, tmp_path):
    folder = copy(trained[0] / "tf1", tmp_path / "bare")
    for path in (folder / "variables").iterdir():
        path.unlink()
    refused(folder, tmp_path, r"is half deleted: its variables/variables.index is missing")
