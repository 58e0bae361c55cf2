"""The demo's chain on the session's daemons: all five jobs in YARN's cluster mode, with the archive's own Python."""

import dataclasses

import pytest

from tests.yarn import demo


@pytest.mark.hadoop
@pytest.mark.spark
def test_every_job_succeeds_on_yarn_with_the_archive_and_every_picture_is_scored_once(
    hadoop_cluster, dist_python_zip, tmp_path, monkeypatch, capsys
):
    for key, value in hadoop_cluster.env.items():
        monkeypatch.setenv(key, value)
    archive = demo.upload_archive(hadoop_cluster, dist_python_zip)
    ended, text = demo.run(hadoop_cluster, archive, tmp_path, dataclasses.replace(demo.SMALL, num_steps=2))
    assert [(one.job, one.final_status) for one in ended] == [
        ("convert_images.py", "SUCCEEDED"),
        ("train_image_classifier.py", "SUCCEEDED"),
        ("eval_image_classifier.py", "SUCCEEDED"),
        ("export_inference_graph.py", "SUCCEEDED"),
        ("batch_inference.py", "SUCCEEDED"),
    ], capsys.readouterr().out
    assert "8 predictions and 4 rejects" in text
