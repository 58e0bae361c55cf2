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
    "alexnet_flowers": (
        "AlexnetFlowers/conv1/BatchNorm/gamma",
        "AlexnetFlowers/fc6/weights",
        "AlexnetFlowers/fc8/biases",
    ),
    "alexnet_v2": ("alexnet_v2/conv1/weights", "alexnet_v2/fc8/biases"),
    "overfeat": ("overfeat/conv1/weights", "overfeat/fc6/weights"),
    "charnet": ("CharNet/conv1/weights", "CharNet/conv3/biases", "CharNet/fc1/weights", "CharNet/fc2/biases"),
    "cifarnet": ("CifarNet/conv1/weights", "CifarNet/fc3/weights", "CifarNet/logits/biases"),
    "scenenet": ("SceneNet/conv1/BatchNorm/gamma", "SceneNet/fc6/BatchNorm/beta", "SceneNet/logits/biases"),
    "lenet": ("LeNet/conv1/weights", "LeNet/fc3/biases", "LeNet/fc4/weights"),
    "inception_v4": (
        "InceptionV4/Conv2d_1a_3x3/weights",
        "InceptionV4/Mixed_5b/Branch_3/Conv2d_0b_1x1/BatchNorm/moving_mean",
        "InceptionV4/Mixed_7d/Branch_2/Conv2d_0e_3x1/weights",
        "InceptionV4/AuxLogits/Conv2d_2a/weights",
        "InceptionV4/AuxLogits/Aux_logits/biases",
        "InceptionV4/Logits/Logits/weights",
    ),
    "inception_resnet_v2": (
        "InceptionResnetV2/Repeat/block35_1/Branch_2/Conv2d_0c_3x3/weights",
        "InceptionResnetV2/Repeat_1/block17_20/Conv2d_1x1/biases",
        "InceptionResnetV2/Block8/Branch_1/Conv2d_0b_1x3/weights",
        "InceptionResnetV2/Conv2d_7b_1x1/BatchNorm/beta",
        "InceptionResnetV2/AuxLogits/Conv2d_2a_5x5/weights",
    ),
    "mobilenet_v1": (
        "MobilenetV1/Conv2d_0/BatchNorm/gamma",
        "MobilenetV1/Conv2d_13_depthwise/depthwise_weights",
        "MobilenetV1/Conv2d_13_pointwise/weights",
        "MobilenetV1/Logits/Conv2d_1c_1x1/biases",
    ),
    "mobilenet_v2": (
        "MobilenetV2/expanded_conv/depthwise/depthwise_weights",
        "MobilenetV2/expanded_conv_16/project/BatchNorm/moving_variance",
        "MobilenetV2/Conv_1/weights",
    ),
    "mobilenet_v3_large": (
        "MobilenetV3/expanded_conv_3/squeeze_excite/Conv/weights",
        "MobilenetV3/expanded_conv_14/squeeze_excite/Conv_1/biases",
        "MobilenetV3/Conv_2/biases",
    ),
    "nasnet_mobile": (
        "conv0/weights",
        "cell_stem_0/comb_iter_0/right/separable_7x7_1/depthwise_weights",
        "cell_stem_1/final_path_bn/gamma",
        "reduction_cell_1/prev_bn/moving_mean",
        "cell_11/comb_iter_4/left/bn_sep_3x3_2/beta",
        "aux_7/aux_logits/FC/weights",
        "final_layer/FC/biases",
    ),
    "pnasnet_large": ("cell_11/comb_iter_1/left/separable_7x7_2/pointwise_weights", "aux_7/aux_logits/proj/weights"),
}
NOT_SLIMS = ("alexnet_flowers", "charnet", "gan_cls", "scenenet")
# The ends that slim gives its nets, in its order.
ENDS = {
    "alexnet_v2": ("alexnet_v2/fc7", "alexnet_v2/fc8"),
    "inception_v1": ("Mixed_5c", "AvgPool_0a_7x7", "Logits", "Predictions"),
    "inception_v2": ("Mixed_5c", "AvgPool_1a", "PreLogits", "Logits", "Predictions"),
    "inception_v3": ("Mixed_7c", "AuxLogits", "AvgPool_1a", "PreLogits", "Logits", "Predictions"),
    "inception_v4": ("Mixed_7d", "AuxLogits", "global_pool", "PreLogitsFlatten", "Logits", "Predictions"),
    "mobilenet_v1": ("Conv2d_13_pointwise", "AvgPool_1a", "Logits", "Predictions"),
    "mobilenet_v2": ("layer_19", "layer_2/depthwise_output", "layer_18/output", "global_pool", "Logits"),
    "nasnet_mobile": ("Stem", "Reduction_Cell_1", "Cell_11", "global_pool", "Logits", "Predictions"),
    "resnet_v1_50": ("global_pool", "resnet_v1_50/logits", "resnet_v1_50/spatial_squeeze", "predictions"),
    "resnet_v2_101": ("global_pool", "resnet_v2_101/logits", "resnet_v2_101/spatial_squeeze", "predictions"),
    "vgg_16": ("vgg_16/fc6", "vgg_16/fc7", "vgg_16/fc8"),
}


def test_every_registered_net_has_a_golden():
    assert sorted(GOLDENS) == list(nets.names())


@pytest.mark.parametrize("name", nets.names())
def test_the_graph_is_the_golden_one(name):
    assert goldens.describe(name) == GOLDENS[name]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_variables_have_the_published_names(name):
    assert set(PUBLISHED[name]) <= {line.split()[0] for line in goldens.variables(name)}


@pytest.mark.parametrize("name", sorted(ENDS))
def test_end_points_end_as_slims(name):
    points = goldens.end_points(name)
    assert [key for key in points if key in ENDS[name]] == list(ENDS[name])
    for last in ("Logits", "Predictions", "predictions", ENDS[name][-1]):
        assert points.get(last, [2, goldens.NUM_CLASSES]) == [2, goldens.NUM_CLASSES]


def test_slims_own_numbers_are_known_of_every_net():
    assert sorted([*goldens.PUBLISHED, *NOT_SLIMS]) == list(nets.names())


@pytest.mark.parametrize("name", sorted(goldens.PUBLISHED))
def test_the_graph_counts_as_slims_own_does(name):
    published, facts = goldens.PUBLISHED[name], goldens.facts(name)
    if name == "inception_v3":
        facts = {**facts, "parameters": facts["parameters"] + 24 * 128 * 768}  # its auxiliary 5x5 is 1x1 at 75 pixels
    assert facts == {key: published.get(key, fact) for key, fact in facts.items()}
    variables = {line.rpartition(" ")[0] for line in goldens.variables(name)}
    last = {published[key].replace("1001]", f"{goldens.NUM_CLASSES}]") for key in ("last", "aux") if key in published}
    assert last <= variables


def test_inception_v3_has_the_known_number_of_parameters():
    assert GOLDENS["inception_v3"]["trainable_values"] == 21_994_036
    assert GOLDENS["inception_v3"]["update_ops"] == 192
