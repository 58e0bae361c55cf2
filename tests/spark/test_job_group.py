"""A job group ends with its block."""

import pytest

from sparkcv.spark.job_group import job_group


@pytest.mark.spark
def test_a_job_group_ends_with_its_block(spark):
    with job_group(spark, "x"):
        assert spark.sparkContext.getLocalProperty("spark.jobGroup.id")
    assert spark.sparkContext.getLocalProperty("spark.jobGroup.id") is None
