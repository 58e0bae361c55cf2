"""Rows of a table that several ps hold in parts are those of the whole table, however it is cut."""

import numpy as np
import pytest

from sparkcv.nets import parts
from sparkcv.nets.slim import tf
from sparkcv.train import placement

pytestmark = pytest.mark.tensorflow

IDS = [6, 0, 3, 3]


@pytest.mark.parametrize(("shape", "axis"), [((7, 3), 0), ((7, 11), 1)])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_rows_are_those_of_the_whole_table_and_so_are_their_gradients(shape, axis, count):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    getter = placement.custom_getter(placement.PsPlan({}, {"table": count} if count > 1 else {}, ()))
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("", use_resource=True, custom_getter=getter):
            table = tf.get_variable("table", shape, initializer=tf.zeros_initializer())
        found = parts.rows(table, tf.constant(IDS))
        gradients = tf.gradients(found, tf.trainable_variables())
        pieces = np.array_split(values, count, axis)  # the first ones are the larger ones, as TensorFlow cuts
        for piece, value in zip(tf.trainable_variables(), pieces, strict=True):
            piece.load(value, session)
        np.testing.assert_array_equal(session.run(parts.whole(table)), values)
        np.testing.assert_array_equal(session.run(found), values[IDS])
        got = session.run([tf.convert_to_tensor(each) for each in gradients])
    assert all(isinstance(each, tf.IndexedSlices) for each in gradients)
    counts = np.array([IDS.count(row) for row in range(7)], np.float32)
    np.testing.assert_array_equal(np.concatenate(got, axis), np.repeat(counts[:, None], shape[1], 1))
