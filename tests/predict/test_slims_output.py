"""Slim's name of the output of every net, as tools of users have it in their command lines."""

import pytest

from sparkcv import nets

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning"),  # the layers that TF-Slim uses
]

# Read off the nets of tensorflow/models, research/slim; those that are not here end at their logits there.
SLIMS = {
    "cifarnet": "CifarNet/Predictions/Reshape_1",
    "inception_v1": "InceptionV1/Logits/Predictions/Reshape_1",
    "inception_v2": "InceptionV2/Predictions/Reshape_1",
    "inception_v3": "InceptionV3/Predictions/Reshape_1",
    "inception_v4": "InceptionV4/Logits/Predictions",
    "inception_resnet_v2": "InceptionResnetV2/Logits/Predictions",
    "mobilenet_v1": "MobilenetV1/Predictions/Reshape_1",
    "mobilenet_v2": "MobilenetV2/Predictions/Reshape_1",
    "nasnet_mobile": "final_layer/predictions",
    "lenet": "Predictions/Reshape_1",
    "resnet_v1_50": "resnet_v1_50/predictions/Reshape_1",
    "resnet_v2_50": "resnet_v2_50/predictions/Reshape_1",
    "alexnet_v2": None,
    "vgg_a": None,
}


@pytest.mark.parametrize("name", SLIMS)
def test_slims_output_is_known(name):
    from sparkcv.nets.slim import tf
    from sparkcv.predict.export.graphs import slims_output

    net = nets.get(name)
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [None, net.default_image_size, net.default_image_size, 3])
        _, end_points = net.build(images, 7, is_training=False)
        assert slims_output(end_points) == SLIMS[name]
