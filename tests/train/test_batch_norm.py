"""Batch normalisation's arithmetic through slim's layer, with numbers that can be worked out on paper.

One feature, a batch of three scalars 0, 1, 2; gamma 1, beta 0, epsilon 0.001, moving mean 0 and variance 1, decay 0.9.
"""

import numpy as np
import pytest

from sparkcv.nets.slim import slim, tf

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("fused", "inferred"),
    [
        (False, [-0.1017, 0.9149, 1.9315]),  # moves by the batch's variance of 2/3
        (None, [-0.1000, 0.8996, 1.8991]),  # what the nets use: by 3/2 of it, the unbiased variance
    ],
)
def test_the_first_output_is_of_the_batch_and_inference_is_of_the_moved_averages(fused, inferred):
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf.constant(np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1))

        def layer(is_training):
            return slim.batch_norm(
                batch,
                decay=0.9,
                epsilon=0.001,
                scale=True,
                is_training=is_training,
                fused=fused,
                scope="bn",
                reuse=not is_training,
            )

        training, inference = layer(True), layer(False)
        updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
        assert len(updates) == 2
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(training).ravel(), [-1.2238, 0, 1.2238], atol=5e-5)
        session.run(updates)
        assert session.run(slim.get_model_variables("bn/moving_mean"))[0] == pytest.approx(0.1)
        np.testing.assert_allclose(session.run(inference).ravel(), inferred, atol=5e-5)
