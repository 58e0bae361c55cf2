import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import psutil
import pyarrow.parquet as pq
import pytest

from jobs import batch_inference
from sparkcv.spark import python_daemon
from tests.predict.models import color_graph, write_folder

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATE = "2026-01-02"
LIMIT_S = 300


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "colors"
    write_folder(folder, color_graph(16), names=("a", "b", "c"))
    return str(folder)


def words(pictures, model, out, **flags):
    fields = {"input": pictures, "model_dir": model, "output_dir": out, "date": DATE, "top_k": 2, "batch_size": 4}
    return [f"--{name}={value}" for name, value in (fields | flags).items()]


def ids_of(pictures):
    return sorted(str(path.relative_to(pictures)) for path in pathlib.Path(pictures).rglob("*") if path.is_file())


def ids_in(out):
    day = out / f"dt={DATE}"
    return sorted(pq.read_table(day)["id"].to_pylist() + pq.read_table(day / "_rejects")["id"].to_pylist())


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_day_is_scored_once_and_the_table_says_so(spark, pictures, model, tmp_path, capsys):
    out = tmp_path / "out"
    assert batch_inference.main(words(pictures, model, out)) == 0
    said = capsys.readouterr().out
    assert ids_in(out) == ids_of(pictures)
    assert f"rows scored  {len(ids_of(pictures))}: " in said
    assert "5 rejects" in said
    assert batch_inference.main(words(pictures, model, out)) == 0
    assert "complete already: run " in capsys.readouterr().out
    assert batch_inference.main(words(pictures, model, out, top_k=1)) == 1
    assert f"dt={DATE}' is there already, scored with top_k 2, this run's is 1" in capsys.readouterr().err
    assert sorted(os.listdir(out)) == ["_schema.json", f"dt={DATE}"]


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        ({"dat": "2026-01-01"}, 2, "did you mean --date"),
        ({"date": "01.02.2026"}, 2, "--date: got '01.02.2026', wanted a day as YYYY-MM-DD"),
        ({"date": "2026-02-30"}, 2, "--date: got '2026-02-30'"),
        ({"date": "20260102"}, 2, "wanted a day as YYYY-MM-DD"),
        ({"date": "../../x"}, 2, "wanted a day as YYYY-MM-DD"),
        ({"top_k": 4}, 2, "--top_k: got 4, wanted 1 to 3"),
        ({"top_k": 0}, 2, "--top_k: got 0, wanted at least 1"),
        ({"batch_size": 0}, 2, "--batch_size: got 0"),
        ({"input": "/no/such/input"}, 1, "--input: nothing at '/no/such/input'"),
        ({"model_dir": "/no/such/model"}, 1, "no exported model at '/no/such/model'"),
    ],
)
def test_bad_flags_are_one_sentence_and_the_right_exit_code(pictures, model, tmp_path, flags, code, said, capsys):
    assert batch_inference.main(words(pictures, model, tmp_path / "out", **flags)) == code
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_help_names_every_flag(capsys):
    assert batch_inference.main(["--help"]) == 0
    said = capsys.readouterr().out
    for flag in ("--input", "--model_dir", "--output_dir", "--date", "--top_k", "--batch_size", "--bad_image_budget"):
        assert flag in said


def start(pictures, model, out, temporary, stdout=subprocess.PIPE, **flags):
    """Start the job as a user does: its own process, its own embedded Spark, its own folder for temporary files."""
    command = [sys.executable, str(ROOT / "jobs" / "batch_inference.py"), *words(pictures, model, out, **flags)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK", "PYSPARK"))}
    return subprocess.Popen(
        command,
        env={**environment, "PYTHONPATH": str(ROOT), "TMPDIR": temporary},
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def temporary(tmp_path):
    (tmp_path / "temporary").mkdir()
    return str(tmp_path / "temporary")


def wait_for(what, process):
    """Look until ``what()`` is true; the process must live, and the wait must end."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := what()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)
    return found


def family(process):
    return [child for child in psutil.Process(process.pid).children(recursive=True) if child.is_running()]


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_killed_driver_leaves_no_day_and_the_next_run_scores_what_is_missing(
    spark, pictures, model, tmp_path, temporary, capsys
):
    out, flags = tmp_path / "out", {"num_partitions": 20}
    process = start(pictures, model, out, temporary, **flags)
    wait_for(lambda: list(out.glob(".staging-*/scored/*.parquet")), process)
    others = family(process)
    process.kill()
    process.communicate(timeout=LIMIT_S)
    _, left = psutil.wait_procs(others, timeout=300)
    for orphan in left:
        orphan.kill()
    assert not left, "processes outlived the driver by 30 s"
    assert os.listdir(temporary) == []
    assert not (out / f"dt={DATE}").exists()
    capsys.readouterr()
    assert batch_inference.main(words(pictures, model, out, **flags)) == 0
    assert re.search(r"earlier +[1-9][0-9]* of them by runs before this one", capsys.readouterr().out)
    assert sorted(os.listdir(out)) == ["_schema.json", f"dt={DATE}"]
    assert ids_in(out) == ids_of(pictures)


def scoring_workers(process):
    """Python processes of tasks that have begun to load their model.

    Spark's daemon forks them, so their parent has the same command line; TensorFlow's threads begin with its session.
    One that is killed before it has its task costs none: Spark asks for another.
    """
    found = []
    for child in family(process):
        try:
            if python_daemon.MODULE in child.cmdline() and python_daemon.MODULE in child.parent().cmdline():
                tasks = pathlib.Path(f"/proc/{child.pid}/task").iterdir()
                if "tf_Compute\n" in [(task / "comm").read_text() for task in tasks]:
                    found.append(child)
        except (psutil.NoSuchProcess, OSError):
            continue
    return found


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_killed_python_worker_costs_no_row(pictures, model, tmp_path, temporary):
    out = tmp_path / "out"
    process = start(pictures, model, out, temporary)
    try:
        wait_for(lambda: list(out.glob(".staging-*/scored")), process)
        wait_for(lambda: scoring_workers(process), process)[0].send_signal(signal.SIGKILL)
        said, _ = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert os.listdir(temporary) == []
    assert sorted(os.listdir(out)) == ["_schema.json", f"dt={DATE}"]
    assert ids_in(out) == ids_of(pictures)
    lost = "the Python process of a task died, killed or out of memory"
    assert f"survived     tasks that failed and were done again: 1, {lost}" in said
    assert f"1 of the tasks failed and are done again: {lost}" in said
    assert lost in json.loads((out / f"dt={DATE}" / "_report.json").read_text())["events"][0]


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_run_that_is_told_to_end_says_so_in_one_sentence_and_publishes_nothing(pictures, model, tmp_path, temporary):
    out = tmp_path / "out"
    process = start(pictures, model, out, temporary)
    try:
        wait_for(lambda: list(out.glob(".staging-*/scored")), process)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    assert process.returncode == 75, said
    assert said.strip().splitlines()[-1] == (
        "batch_inference.py: told to end by SIGTERM and stopped: nothing was published, the same command scores what is"
        " missing"
    )
    assert "Traceback" not in said
    assert not (out / f"dt={DATE}").exists()
