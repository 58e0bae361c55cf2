"""The number of parameter servers follows from the net's size where it is not given."""

import pytest

from sparkcv.config import TrainConfig
from sparkcv.doctor import num_ps
from sparkcv.errors import UsageError


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"cluster_size": 3}, (1, 2)),  # 88 MB of Inception v3
        ({"cluster_size": 2}, (1, 1)),
        ({"cluster_size": 1}, (0, 1)),
        ({"cluster_size": 2, "num_evaluators": 1}, (0, 1)),
        ({"cluster_size": 12, "model_name": "vgg_16"}, (5, 7)),  # 537 MB
        ({"cluster_size": 4, "model_name": "vgg_16"}, (2, 2)),
        ({"cluster_size": 5, "model_name": "vgg_16", "num_evaluators": 1}, (2, 2)),
        ({"worker_replicas": 3, "model_name": "vgg_16"}, (3, 3)),
        ({"worker_replicas": 3}, (1, 3)),
        ({"cluster_size": 4, "num_ps_tasks": 2}, (2, 2)),
        ({"cluster_size": 1, "num_ps_tasks": 0, "model_name": "vgg_16"}, (0, 1)),
    ],
)
def test_a_number_that_is_not_given_is_settled_once_the_roles_are_known(flags, wanted):
    config = num_ps.settled(TrainConfig(**flags))
    assert (config.num_ps_tasks, config.num_workers) == wanted
    assert num_ps.settled(config) == config


def test_without_a_number_of_roles_it_stays_open_and_one_worker_is_alone():
    config = TrainConfig()
    assert num_ps.settled(config) == config
    assert (config.num_ps_tasks, config.num_ps, config.num_workers, config.num_roles) == (None, 0, 1, 1)


def test_what_was_settled_is_checked_as_if_it_had_been_given():
    with pytest.raises(UsageError, match="--worker_replicas 5 is not --cluster_size 4 less --num_ps_tasks 1"):
        num_ps.settled(TrainConfig(cluster_size=4, worker_replicas=5))


def test_the_sentence_says_how_many_and_why():
    said = num_ps.why(num_ps.settled(TrainConfig(cluster_size=12, model_name="vgg_16")))
    assert said.startswith(
        "--num_ps_tasks is not given: 5 ps beside 7 workers, as vgg_16 has 537 MB of weights, one ps"
    )
