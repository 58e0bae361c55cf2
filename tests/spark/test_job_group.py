"""A job group ends with its block."""

import pytest

from sparkcv.spark.job_group import job_group

NAMED = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")


@pytest.mark.spark
def test_a_job_group_ends_with_its_block(spark):
    context = spark.sparkContext

    def named():
        return [context.getLocalProperty(name) for name in NAMED]

    with job_group(spark, "x"):
        assert named()[0]
        assert named()[1:] == ["x", "true"]
    assert named() == [None, None, None]
    try:
        context.setJobGroup("theirs", "what they do")
        with job_group(spark, "x"):
            assert named()[1] == "x"
        assert named() == ["theirs", "what they do", "false"]
    finally:
        for name in NAMED:
            context.setLocalProperty(name, None)
