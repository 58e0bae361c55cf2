"""Placement is even, cuts no more variables than it must, and is the same whoever computes it."""

import math

import pytest
import tensorflow.compat.v1 as tf

from sparkcv.train import placement
from sparkcv.train.placement import TOLERANCE, Size, imbalance, place, plan

pytestmark = pytest.mark.tensorflow

KB256 = 256 << 10
# VGG-16's weights: three quarters of its bytes are one variable.
VGG = [
    (3, 3, 3, 64), (3, 3, 64, 64), (3, 3, 64, 128), (3, 3, 128, 128), (3, 3, 128, 256), (3, 3, 256, 256),
    (3, 3, 256, 512), (3, 3, 512, 512), (3, 3, 512, 511), (3, 3, 512, 510), (7, 7, 512, 4096), (1, 1, 4096, 4096),
    (1, 1, 4096, 1000),
]  # fmt: skip


def size(shape, slots=0):
    num_bytes = 4 * math.prod(shape)
    return Size(shape, num_bytes, slots * num_bytes)


def test_the_largest_goes_first_to_the_least_laden():
    assert place({"a": 5, "b": 9, "c": 4, "d": 1}, 2) == {"b": 0, "a": 1, "c": 1, "d": 0}


def test_places_do_not_depend_on_the_order_of_the_variables():
    sizes = {f"v{index}": (index * 37) % 11 for index in range(40)}
    backwards = dict(reversed(sizes.items()))
    assert place(sizes, 3) == place(backwards, 3)


def test_one_server_or_no_variable_is_no_special_case():
    assert place({"a": 3, "b": 4}, 1) == {"a": 0, "b": 0}
    assert place({}, 4) == {}
    assert plan({}, 4).loads == (0, 0, 0, 0)
    assert imbalance([0, 0]) == 1.0


def test_nothing_is_cut_where_whole_variables_are_even():
    placed = plan({f"v{index}": size((1000, 256)) for index in range(8)}, 8)
    assert placed.parts == {}
    assert sorted(placed.places.values()) == list(range(8))
    assert imbalance(placed.loads) == 1.0


@pytest.mark.parametrize("num_ps", [2, 3, 5, 7, 8, 16, 50])
def test_a_variable_larger_than_a_servers_share_is_cut_and_its_slots_with_it(num_ps):
    sizes = {f"v{index}": size(shape, slots=2) for index, shape in enumerate(VGG)}
    placed = plan(sizes, num_ps)
    assert "v10" in placed.parts
    assert imbalance(placed.loads) <= TOLERANCE
    assert sum(placed.loads) == sum(each.num_bytes + each.slot_bytes for each in sizes.values())
    for name, count in placed.parts.items():
        assert name not in placed.places
        assert {f"{name}/part_{index}" for index in range(count)} <= set(placed.places)
    assert plan(dict(reversed(sizes.items())), num_ps) == placed


def test_the_smallest_variables_are_not_cut_however_uneven_they_are():
    placed = plan({"large": size((256, 256)), "small": size((10,))}, 2)
    assert placed.parts == {}
    assert sorted(placed.places.values()) == [0, 1]


def test_parts_are_those_of_tensorflow_and_none_is_small():
    one = size((3, 7, 5), slots=1)
    assert one.axis == 1
    assert [part.shape for part in one.parts(3)] == [(3, 3, 5), (3, 2, 5), (3, 2, 5)]
    assert sum(part.num_bytes for part in one.parts(3)) == one.num_bytes == one.slot_bytes
    assert one.most_parts(8) == 1
    assert size((KB256, 3)).most_parts(8) == 8
    assert size((KB256, 3)).most_parts(50) == 12
    assert Size((), 4).most_parts(8) == 1


def test_a_variable_that_is_no_part_is_known_by_its_own_name():
    with tf.Graph().as_default():
        whole = tf.get_variable("whole", [4, 3])
        parts = list(tf.get_variable("cut", [4, 3], partitioner=tf.fixed_size_partitioner(2)))
    assert (placement.whole_name(whole), placement.whole_shape(whole)) == ("whole", [4, 3])
    assert [(placement.whole_name(part), placement.whole_shape(part)) for part in parts] == [("cut", [4, 3])] * 2
