"""What a stage asks of an embedded Spark: two tasks beside its driver, or as many executors as it was told."""

import pytest

from sparkcv.config import ScoreConfig
from sparkcv.driver.stage_session import stage_session


@pytest.mark.parametrize(("cluster_size", "wanted"), [(None, (0, 2)), (1, (1, 1)), (3, (3, 1))])
def test_executors_and_the_tasks_of_each(cluster_size, wanted):
    config = ScoreConfig(input="/in", model_dir="/model", output_dir="/out", cluster_size=cluster_size)
    spec = stage_session("score", config, 1e9)
    assert (spec.num_executors, spec.cores_per_executor) == wanted
    assert (spec.role_bytes, spec.memory_mb) == (1e9, 1024)
