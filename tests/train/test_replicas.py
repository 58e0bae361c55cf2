"""Variables are on their servers and towers on the worker; towers' gradients add up; averages are TensorFlow's own."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.errors import UsageError
from sparkcv.train import replicas
from sparkcv.train.replicas import Topology

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(("num_ps", "num_workers", "task"), [(-1, 1, 0), (1, 2, 2), (1, 1, -1), (1, 0, 0)])
def test_an_impossible_cluster_is_refused(num_ps, num_workers, task):
    with pytest.raises(UsageError, match=rf"worker {task} of {num_workers} with {num_ps} ps is no cluster"):
        Topology(num_ps, num_workers, task)


def test_several_workers_need_a_parameter_server():
    with pytest.raises(UsageError, match="2 workers need at least one parameter server, got --num_ps_tasks 0"):
        Topology(num_ps=0, num_workers=2)


def test_variables_go_to_their_server_and_operations_to_the_worker():
    topology = Topology(num_ps=3, num_workers=2, task=1)
    with tf.Graph().as_default(), tf.device(replicas.device_setter(topology, {"w": 2})):
        variable = tf.get_variable("w", [2], use_resource=True)
        reference = tf.get_variable("unplanned", [2], use_resource=False)
        product = variable * 2.0
        with tf.device("/device:GPU:1"):
            on_tower = tf.constant(1.0) + 1.0
            hidden = tf.get_variable("hidden", [2])
    assert variable.device == "/job:ps/task:2/device:CPU:0"
    assert reference.device == "/job:ps/task:0/device:CPU:0"
    assert product.device == "/job:worker/task:1"
    assert on_tower.device == "/job:worker/task:1/device:GPU:1"
    assert hidden.device == "/job:ps/task:0/device:CPU:0"


def test_a_local_session_has_no_jobs():
    topology = Topology()
    assert topology.is_chief
    with tf.Graph().as_default(), tf.device(replicas.device_setter(topology, {})):
        variable = tf.get_variable("w", [2])
        constant = tf.constant(1.0)
    assert variable.device == "/device:CPU:0"
    assert constant.device == ""


def test_towers_go_to_the_cpu_when_asked_and_a_single_one_anywhere():
    assert replicas.clone_devices(3, clone_on_cpu=True) == ["/device:CPU:0"] * 3
    assert replicas.clone_devices(1, clone_on_cpu=True) == ["/device:CPU:0"]
    assert replicas.clone_devices(1, clone_on_cpu=False) == [""]


def test_more_towers_than_gpus_are_refused():
    num_clones = max(2, len(tf.config.list_physical_devices("GPU")) + 1)
    wanted = rf"--num_clones {num_clones} wants as many GPUs on each worker, this one has .*--clone_on_cpu puts"
    with pytest.raises(UsageError, match=wanted):
        replicas.clone_devices(num_clones, clone_on_cpu=False)


def test_more_gpus_than_there_are_are_refused_even_for_a_single_tower():
    num_gpus = len(tf.config.list_physical_devices("GPU")) + 1
    with pytest.raises(UsageError, match=rf"--num_gpus {num_gpus} wants as many .* TensorFlow finds .* 0 is the CPU"):
        replicas.clone_devices(1, clone_on_cpu=False, num_gpus=num_gpus)


def test_gradients_add_up_and_variables_without_one_are_left_out():
    with tf.Graph().as_default(), tf.Session() as session:
        shared, single, without = (tf.get_variable(name, [2], use_resource=True) for name in "abc")
        towers = [
            [(tf.constant([1.0, 2.0]), shared), (None, single), (None, without)],
            [(tf.constant([10.0, 20.0]), shared), (tf.constant([3.0, 4.0]), single), (None, without)],
        ]
        pairs = replicas.sum_gradients(towers)
        assert [variable.op.name for _, variable in pairs] == ["a", "b"]
        np.testing.assert_allclose(session.run([gradient for gradient, _ in pairs]), [[11, 22], [3, 4]])


@pytest.mark.parametrize("decay", [0.05, 0.9])
def test_moving_averages_have_the_values_and_names_of_tensorflows(decay):
    def averages(make):
        with tf.Graph().as_default(), tf.Session() as session:
            step = tf.train.get_or_create_global_step()
            variable = tf.get_variable("v", initializer=tf.constant([1.0, -2.0]), use_resource=True)
            average = make(decay, step)
            update = average.apply([variable])
            assert average.average_name(variable) == "v/ExponentialMovingAverage"
            change = tf.group(tf.assign_add(variable, [1.0, 1.0]), tf.assign_add(step, 1))
            session.run(tf.global_variables_initializer())
            values = []
            for _ in range(4):
                session.run(change)
                session.run(update)
                values.append(session.run(average.average(variable)))
            return values

    np.testing.assert_allclose(averages(replicas.MovingAverages), averages(tf.train.ExponentialMovingAverage))


def test_moving_averages_are_computed_beside_their_variables():
    topology = Topology(num_ps=2, num_workers=1)
    with tf.Graph().as_default() as graph:
        step = tf.train.get_or_create_global_step()
        with tf.device(replicas.device_setter(topology, {"v": 1})):
            variable = tf.get_variable("v", [4], use_resource=True, caching_device="/job:worker/task:0")
        averages = replicas.MovingAverages(0.9, step)
        with tf.device("/job:worker/task:0/device:CPU:0"):
            update = averages.apply([variable])
        there = "/job:ps/task:1/device:CPU:0"
        assert averages.average(variable).device == there
        assignments = [op for op in update.control_inputs if op.type != "NoOp"] or [
            op for group in update.control_inputs for op in group.control_inputs
        ]
        assert [op.type for op in assignments] == ["AssignSubVariableOp"]
        product = assignments[0].inputs[1].op
        difference = product.inputs[0].op
        assert {op.device for op in (assignments[0], product, difference)} == {there}
        # Not the copy of the variable on the worker.
        assert {tensor.op.device for tensor in difference.inputs} == {there}
        assert graph is variable.graph
