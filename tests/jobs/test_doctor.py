"""The doctor as users run it: the training command with another job's name."""

import pytest

from jobs import doctor as job
from sparkcv.config import DoctorConfig
from sparkcv.driver import doctor
from tests.hadoop import settings


@pytest.fixture
def flags(dataset, tmp_path):
    return {
        "dataset_dir": dataset,
        "dataset_name": "shapes",
        "train_dir": tmp_path / "run",
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "train_image_size": 32,
        "batch_size": 8,
        "max_number_of_steps": 10,
        "num_ps_tasks": 1,
        "cluster_size": 3,
    }


def run(flags, *words, **changes):
    values = {**flags, **changes}
    return job.main([*(f"--{name}={value}" for name, value in values.items() if value is not None), *words])


@pytest.mark.spark
def test_where_training_can_start_the_table_says_so_and_nothing_was_written(flags, tmp_path, capsys):
    assert run(flags) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("training can start, with ")
    assert "FAIL" not in said
    assert "a role's process loads TensorFlow and computes" in said
    assert "shapes train: 96 records of 8 classes, 2 shards" in said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 100
    assert not (tmp_path / "run").exists()


@pytest.mark.spark
def test_where_it_would_fail_the_table_comes_first_and_the_sentence_with_the_knob_last(flags, capsys):
    assert run(flags, "--noload_tensorflow", cluster_size=7) == 1
    said = capsys.readouterr()
    assert "slots       application         FAIL" in said.out
    (last,) = [line for line in said.err.splitlines() if line.startswith("doctor.py: ")]
    assert last.startswith("doctor.py: training would fail (slots, application): 7 roles need 7 task slots")
    assert "--num-executors 7" in last


@pytest.mark.spark
def test_a_dataset_that_training_would_refuse_is_a_row_beside_the_others(flags, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(flags, "--noload_tensorflow", dataset_dir=tmp_path / "empty") == 1
    said = capsys.readouterr()
    assert f"no shards shapes_train-*.tfrecord in '{tmp_path / 'empty'}'" in said.err.replace("\n", "")
    assert "list, write, rename, read, delete" in said.out


@pytest.mark.spark
def test_without_a_dataset_the_rest_is_examined(flags, capsys):
    assert run(flags, "--noload_tensorflow", dataset_dir=None) == 0
    assert "dataset_dir" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_name": "inception_v33"}, "inception_v3"),
        ({"train_image_size": 1}, "image size 1"),
        ({"load_timeout_s": 0}, "load_timeout_s"),
        ({"cluster_siz": 3}, "did you mean --cluster_size?"),
    ],
)
def test_wrong_usage_is_refused_as_training_refuses_it(changes, sentence, tmp_path, capsys):
    assert run({"train_dir": tmp_path / "run"}, **changes) == 2
    assert sentence in capsys.readouterr().err


def test_a_storage_that_does_not_answer_is_waited_for_once(tmp_path, monkeypatch):
    nobody = next(settings.free_ports())
    conf = {"core-site.xml": {}, "hdfs-site.xml": settings.hdfs(1, {"nn1": nobody})}
    settings.write(tmp_path / "conf", conf)
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path / "conf"))
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "1")
    url = f"hdfs://{settings.NAMESERVICE}/data"
    plan = doctor.prepare(DoctorConfig(dataset_dir=url, train_dir=url, num_ps_tasks=1, cluster_size=3))
    assert not plan.is_answered
    assert url in plan.complaints[0]
    assert plan.dataset is None
