"""The examination on real executors: each is reached once, whatever is wrong is a finding, nothing is left behind."""

import dataclasses
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sparkcv import doctor, storage
from sparkcv.config import ConvertConfig, DoctorConfig
from sparkcv.doctor import application, survey
from sparkcv.doctor.finding import APPLICATION, FAIL, OK, WARNING
from sparkcv.driver import convert
from sparkcv.errors import ClusterError, StorageError
from sparkcv.records import shards
from tests.hadoop import wait_until

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300


@pytest.fixture(scope="module")
def data(spark, pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    convert.run(
        spark,
        convert.prepare(
            ConvertConfig(images_dir=str(pictures), dataset_dir=str(folder), dataset_name="shapes", num_shards=2)
        ),
    )
    return shards.open_dataset(str(folder), "shapes", "train")


@pytest.fixture
def config(data, tmp_path):
    return DoctorConfig(
        dataset_dir=data.dir,
        dataset_name="shapes",
        train_dir=str(tmp_path / "run"),
        model_name="cifarnet",
        batch_size=8,
        num_ps_tasks=1,
        cluster_size=3,
        load_tensorflow=False,
    )


def data_of(config):
    return shards.open_dataset(config.dataset_dir, config.dataset_name, "train")


def rows(report, check):
    return [finding for finding in report.findings if finding.check == check]


@pytest.mark.spark
def test_every_executor_is_reached_and_nothing_is_left(spark, config, data, tmp_path):
    report = doctor.examine(spark, config, data)
    assert report.is_ok, doctor.sentence(report)
    names = set(survey.executors(spark))
    assert len(names) == 3
    for check in ("versions", "train_dir", "dataset_dir", "ports", "clock", "disk", "memory"):
        assert {one.place.name for one in rows(report, check) if one.place.is_executor} == names, check
    assert not (tmp_path / "run").exists()
    assert {one.status for one in rows(report, "ports")} == {OK}
    assert {one.status for one in rows(report, "security")} == {OK, WARNING}


@pytest.mark.spark
def test_too_few_slots_are_one_finding_and_the_executors_are_examined_all_the_same(spark, config, data):
    report = doctor.examine(spark, dataclasses.replace(config, cluster_size=5), data)
    (finding,) = report.failures
    assert (finding.check, finding.place) == ("slots", APPLICATION)
    assert "5 roles need 5 task slots at once, but the Spark application asked for 3" in finding.found
    assert "--num-executors 5" in finding.advice
    assert len([one for one in rows(report, "clock") if one.status == OK]) == 3


@pytest.mark.spark
def test_a_train_dir_and_a_shard_that_cannot_be_used_are_told_of_everybody(spark, config, data, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "gone").mkdir()
    missing = dataclasses.replace(
        data, shards=tuple(dataclasses.replace(one, url=f"{one.url}x") for one in data.shards)
    )
    report = doctor.examine(spark, dataclasses.replace(config, train_dir=str(tmp_path / "file" / "run")), missing)
    assert {one.place.name for one in rows(report, "train_dir") if one.status == FAIL} == {"driver"}
    assert len([one for one in rows(report, "dataset_dir") if one.status == FAIL]) == 4


@pytest.mark.spark
def test_a_run_that_can_start_is_let_through_and_one_that_cannot_is_refused_with_the_advice(
    spark, config, data, tmp_path
):
    doctor.check_start(spark, config, data)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ClusterError, match=r"asked for 3; submit with --num-executors 9"):
        doctor.check_start(spark, dataclasses.replace(config, cluster_size=9), data)
    missing = dataclasses.replace(
        data, shards=tuple(dataclasses.replace(one, url=f"{one.url}x") for one in data.shards)
    )
    with pytest.raises(StorageError, match=r"executor \d on .*no such file.*every host sees"):
        doctor.check_start(spark, config, missing)


@pytest.mark.spark
def test_what_is_not_there_is_not_waited_for_without_end(spark):
    assert application.await_slots(spark, 99, 0.3) == 3
    assert application.slots_most(spark) == 3


@pytest.mark.spark
def test_executors_whose_python_does_not_start_are_named_with_sparks_reason(spark, config, monkeypatch):
    monkeypatch.setattr(spark.sparkContext, "pythonExec", "/no/such/python3")
    names = set(survey.executors(spark))  # not always 0, 1 and 2: a test before this one may have cost one
    report = doctor.examine(spark, config, None)
    failures = [one for one in report.failures if one.check == "slots"]
    assert failures
    assert {one.place.name for one in failures} <= names
    assert "/no/such/python3" in failures[0].found
    assert "spark.pyspark.python=Python/bin/python3" in failures[0].advice


@pytest.mark.spark
def test_an_examination_that_cannot_take_place_is_given_up_in_time_and_says_of_whom(spark, config, tmp_path):
    started, done = tmp_path / "started", tmp_path / "done"
    hold = threading.Thread(target=_hold_a_slot, args=(spark, str(started), str(done)))
    hold.start()
    try:
        wait_until(started.exists, "the slot to be held", PATIENCE_S)
        report = doctor.examine(spark, dataclasses.replace(config, examination_timeout_s=2.0), None)
    finally:
        done.touch()
        hold.join(PATIENCE_S)
    (late, *others) = [one for one in rows(report, "slots") if one.status != OK]
    assert late.status == FAIL
    assert "did not end within 2 s" in late.found
    executors = set(survey.executors(spark))  # not always 0, 1 and 2: a test before this one may have cost one
    assert len(executors) == 3
    assert {one.place.name for one in others} == executors


def _hold_a_slot(spark, started, done):
    def hold(_):
        Path(started).touch()
        while not Path(done).exists():
            time.sleep(0.05)

    spark.sparkContext.parallelize([0], 1).foreach(hold)


@pytest.mark.spark
@pytest.mark.hadoop
def test_executors_that_do_not_know_the_drivers_hdfs_are_told_which_variable_is_missing(spark, config, hdfs):
    report = doctor.examine(spark, dataclasses.replace(config, dataset_dir=None, train_dir=f"{hdfs}/run"), None)
    by_place = {one.place.name: one for one in rows(report, "train_dir")}
    assert by_place.keys() == {"driver", "0", "1", "2"}
    assert by_place["driver"].status == OK
    for name in "012":
        assert by_place[name].status == FAIL
        assert "HADOOP_CONF_DIR" in by_place[name].found + by_place[name].advice
    with pytest.raises(StorageError, match="HADOOP_CONF_DIR"):
        doctor.check_start(spark, dataclasses.replace(config, train_dir=f"{hdfs}/run"), data_of(config))
    assert not storage.exists(hdfs)


CODE = """
import json, sys
from sparkcv import doctor
from sparkcv.spark.session import spark_session
from sparkcv.config import DoctorConfig

flags = {"model_name": "cifarnet", "num_ps_tasks": 1, "cluster_size": 2, "load_tensorflow": False}
flags["start_timeout_s"] = 40.0
config = DoctorConfig(train_dir=sys.argv[1], **flags)
with spark_session("doctor", num_executors=2, memory_mb=512, conf=json.loads(sys.argv[2])) as spark:
    report = doctor.examine(spark, config, None)
print(doctor.table(report))
print(doctor.sentence(report))
"""


def examined(tmp_path, conf) -> str:
    command = [sys.executable, "-c", CODE, str(tmp_path / "run"), json.dumps(conf)]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.spark
def test_executors_without_sparkcv_can_still_say_so(tmp_path):
    package = tmp_path / "hollow" / "sparkcv"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'sparkcv'\")\n")
    # As on a cluster, where the daemon that forks the Python workers is pyspark's: ours needs sparkcv itself.
    conf = {"spark.executorEnv.PYTHONPATH": str(package.parent), "spark.python.daemon.module": "pyspark.daemon"}
    said = examined(tmp_path, conf)
    assert "sparkcv cannot be imported: No module named 'sparkcv'" in said
    assert "--py-files dist/sparkcv.zip" in said
    assert "executors 0-1" in said
    assert said.splitlines()[-1].startswith("training would fail (versions, executors 0-1)")


@pytest.mark.spark
def test_dynamic_allocation_is_a_finding_and_the_executors_are_examined_without_a_barrier(tmp_path):
    said = examined(tmp_path, {"spark.dynamicAllocation.enabled": "true"})
    assert "--conf spark.dynamicAllocation.enabled=false --num-executors 2" in said
    assert "reaches the driver" in said
    assert said.splitlines()[-1].startswith("training would fail (settings, application)")
