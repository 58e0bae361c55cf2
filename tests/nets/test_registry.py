"""The registry of networks: names, sizes, and what it refuses."""

import pathlib
import subprocess
import sys

import pytest

from sparkcv import nets, preprocess
from sparkcv.errors import UsageError
from tests.nets import goldens

BOUNDED = ("alexnet_v2", "overfeat", "vgg_a")


def test_listing_and_checking_names_loads_no_tensorflow():
    code = (
        "import sys; from sparkcv import nets, preprocess; nets.names(); preprocess.names();"
        "nets.get('inception_v3').check_image_size(299); preprocess.get('vgg').check_image_size(224);"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode == 0


def test_names_are_slims_and_sorted():
    assert list(nets.names()) == sorted(nets.names())
    assert {"alexnet_v2", "cifarnet", "inception_v1", "inception_v2", "inception_v3", "lenet", "overfeat"} < set(
        nets.names()
    )
    assert {"resnet_v1_50", "resnet_v1_152", "resnet_v2_101", "vgg_16", "vgg_19", "vgg_a"} < set(nets.names())


def test_the_documentation_has_every_net():
    text = (pathlib.Path(__file__).parents[2] / "docs" / "data-and-pictures.md").read_text(encoding="utf-8")
    assert [name for name in nets.names() if f"`{name}`" not in text] == []


def test_an_unknown_net_names_the_nearest():
    with pytest.raises(UsageError, match=r"unknown network 'inception_v33', did you mean 'inception_v3'\?.*alexnet_v2"):
        nets.get("inception_v33")
    with pytest.raises(UsageError, match="unknown network 'mobilenetv1_025', did you mean 'mobilenet_v1_025'"):
        nets.get("mobilenetv1_025")


def test_a_name_like_no_other_still_lists_what_there_is():
    with pytest.raises(UsageError, match=r"unknown network '\?\?' \(there are: alexnet_flowers, alexnet_v2"):
        nets.get("??")


@pytest.mark.parametrize("name", nets.names())
def test_each_net_has_a_preprocessing_that_makes_pictures_of_its_default_size(name):
    net = nets.get(name)
    assert net.check_image_size(net.default_image_size) == net.default_image_size
    preprocessing = preprocess.get(net.preprocessing)
    assert preprocess.get(name) == preprocessing
    assert preprocessing.check_image_size(net.default_image_size)


@pytest.mark.parametrize("name", sorted(goldens.PUBLISHED))
def test_size_preprocessing_and_auxiliary_head_are_slims(name):
    net, published = nets.get(name), goldens.PUBLISHED[name]
    assert net.default_image_size == published["default_image_size"]
    assert net.preprocessing == published.get("preprocessing", net.preprocessing)
    assert net.has_aux == ("aux" in published)


@pytest.mark.parametrize(
    ("name", "weight_decay", "norm"),
    [
        ("inception_v4", 0.00004, (0.9997, 0.001)),
        ("lenet", 0.0, None),
        ("mobilenet_v1_025", 0.00004, (0.9997, 0.001)),
        ("mobilenet_v3_small", 0.00004, (0.997, 0.001)),
        ("nasnet_cifar", 0.0005, (0.9, 0.00001)),
        ("nasnet_large", 0.00005, (0.9997, 0.001)),
        ("resnet_v2_200", 0.0001, (0.997, 0.00001)),
        ("vgg_a", 0.0005, None),
    ],
)
def test_weight_decay_and_batch_normalisation_are_those_of_slims_arg_scopes(name, weight_decay, norm):
    net = nets.get(name)
    assert net.weight_decay == weight_decay
    assert net.batch_norm == (norm and nets.BatchNorm(*norm))


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("inception_v4", 74, "image size 74 does not fit inception_v4: it works at 75 pixels or more .its default"),
        ("mobilenet_v1_050", 257, "image size 257 does not fit mobilenet_v1_050: .* at most 256"),
        ("nasnet_mobile", 18, "nasnet_mobile: it works at 19 pixels or more .its default is 224"),
        ("inception_v3", 74, "image size 74 does not fit inception_v3: it works at 75 pixels or more and at most 346"),
        ("inception_v3", 347, "image size 347 does not fit"),
        ("vgg_16", 256, "at 224 pixels or more and at most 255 .its default is 224"),
        ("cifarnet", 3, "cifarnet: it works at 4 pixels or more .its default is 32"),
        ("resnet_v1_50", 0, "image size 0 does not fit"),
    ],
)
def test_a_size_that_cannot_be_built_is_refused(name, size, message):
    with pytest.raises(UsageError, match=message):
        nets.get(name).check_image_size(size)


@pytest.mark.parametrize("value", [0, 100])
def test_quantization_is_refused_with_the_reason(value):
    with pytest.raises(UsageError, match=rf"--quantize_delay={value} .*tf.contrib.quantize.* left TensorFlow"):
        nets.refuse_quantization("quantize_delay", value)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", BOUNDED)
def test_the_registered_sizes_are_the_true_bounds(name):
    from sparkcv.nets.slim import tf

    net = nets.get(name)
    for size in (net.min_image_size, net.max_image_size):
        with tf.Graph().as_default():
            logits, _ = net.build(tf.zeros([1, size, size, 3]), 5, is_training=True)
            assert logits.shape.as_list() == [1, 5]
    for size in (net.min_image_size - 1, net.max_image_size + 1):
        unchecked = type(net)(name, net.family, size, 1, None, net.preprocessing)
        with tf.Graph().as_default():
            images = tf.zeros([1, size, size, 3])
            with pytest.raises(ValueError):
                unchecked.build(images, 5, is_training=True)


@pytest.mark.tensorflow
def test_bad_pictures_and_class_counts_are_refused():
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default():
        with pytest.raises(UsageError, match="asked for 1 classes"):
            nets.get("lenet").build(tf.zeros([1, 28, 28, 3]), 1, is_training=True)
        with pytest.raises(UsageError, match="square pictures of a fixed size, got 28 x 32"):
            nets.get("lenet").build(tf.zeros([1, 28, 32, 3]), 2, is_training=True)
        with pytest.raises(UsageError, match="got None x None"):
            nets.get("lenet").build(tf.placeholder(tf.float32, [1, None, None, 3]), 2, is_training=True)
        with pytest.raises(UsageError, match="image size 2 does not fit lenet"):
            nets.get("lenet").build(tf.zeros([1, 2, 2, 3]), 2, is_training=True)


@pytest.mark.tensorflow
def test_batch_norm_decay_of_a_net_without_it_is_unused_and_said(caplog):
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default(), caplog.at_level("INFO", logger="sparkcv"):
        nets.get("lenet").build(tf.zeros([1, 28, 28, 3]), 2, is_training=True, batch_norm_decay=0.9)
    assert "lenet has no batch normalisation: batch_norm_decay 0.9 is unused" in caplog.text
