"""Every registered net is the one that published slim checkpoints were made with: names, shapes, counts."""

import json

import pytest

from sparkcv import nets
from tests.nets import goldens

pytestmark = pytest.mark.tensorflow
GOLDENS = json.loads(goldens.PATH.read_text(encoding="utf-8"))

# Spelled out, as they stand in the checkpoints published with research/slim.
PUBLISHED = {
    "inception_v3": (
        "InceptionV3/Conv2d_1a_3x3/weights",
        "InceptionV3/Conv2d_1a_3x3/BatchNorm/beta",
        "InceptionV3/Conv2d_1a_3x3/BatchNorm/moving_mean",
        "InceptionV3/Conv2d_1a_3x3/BatchNorm/moving_variance",
        "InceptionV3/Mixed_5b/Branch_1/Conv2d_0b_5x5/weights",
        "InceptionV3/Mixed_5c/Branch_1/Conv_1_0c_5x5/weights",
        "InceptionV3/Mixed_7c/Branch_2/Conv2d_0d_3x1/BatchNorm/moving_variance",
        "InceptionV3/AuxLogits/Conv2d_1b_1x1/weights",
        "InceptionV3/AuxLogits/Conv2d_2b_1x1/biases",
        "InceptionV3/Logits/Conv2d_1c_1x1/weights",
        "InceptionV3/Logits/Conv2d_1c_1x1/biases",
    ),
    "inception_v1": ("InceptionV1/Conv2d_1a_7x7/weights", "InceptionV1/Logits/Conv2d_0c_1x1/biases"),
    "inception_v2": ("InceptionV2/Conv2d_1a_7x7/depthwise_weights", "InceptionV2/Logits/Conv2d_1c_1x1/weights"),
    "resnet_v1_50": (
        "resnet_v1_50/conv1/weights",
        "resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/BatchNorm/gamma",
        "resnet_v1_50/logits/biases",
    ),
    "resnet_v2_50": ("resnet_v2_50/block4/unit_3/bottleneck_v2/conv3/biases", "resnet_v2_50/postnorm/moving_mean"),
    "vgg_16": ("vgg_16/conv1/conv1_1/weights", "vgg_16/fc6/weights", "vgg_16/fc8/biases"),
    "alexnet_v2": ("alexnet_v2/conv1/weights", "alexnet_v2/fc8/biases"),
    "overfeat": ("overfeat/conv1/weights", "overfeat/fc6/weights"),
    "cifarnet": ("CifarNet/conv1/weights", "CifarNet/fc3/weights", "CifarNet/logits/biases"),
    "lenet": ("LeNet/conv1/weights", "LeNet/fc3/biases", "LeNet/fc4/weights"),
}


def test_every_registered_net_has_a_golden():
    assert sorted(GOLDENS) == list(nets.names())


@pytest.mark.parametrize("name", nets.names())
def test_the_graph_is_the_golden_one(name):
    assert goldens.describe(name) == GOLDENS[name]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_variables_have_the_published_names(name):
    assert set(PUBLISHED[name]) <= {line.split()[0] for line in goldens.variables(name)}


def test_inception_v3_has_the_known_number_of_parameters():
    assert GOLDENS["inception_v3"]["trainable_values"] == 21_994_036
    assert GOLDENS["inception_v3"]["update_ops"] == 192
