"""The registry of jobs: each has its file, its two functions, and starts no Spark that it does not need."""

import inspect
import pathlib
import subprocess
import sys

import pytest

from sparkcv.driver import jobs

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_registry_names_every_job_file_and_no_other():
    assert sorted(job.file for job in jobs.JOBS.values()) == sorted(path.name for path in (ROOT / "jobs").glob("*.py"))


@pytest.mark.parametrize("name", jobs.JOBS)
def test_each_job_is_prepared_from_its_flags_and_run_by_its_plan(name):
    job = jobs.JOBS[name]
    module = job.load()
    assert job.name == name
    prepare, run = (inspect.signature(function) for function in (module.prepare, module.run))
    assert prepare.parameters["config"].annotation is job.config
    assert list(run.parameters) == ["spark", "plan"]
    assert run.parameters["plan"].annotation is prepare.return_annotation
    assert callable(prepare.return_annotation.session)


@pytest.mark.parametrize("name", jobs.JOBS)
def test_a_job_is_called_as_its_file_or_as_one_says(name, capsys):
    for prog, shown in ((None, jobs.JOBS[name].file), (f"sparkcv {name}", f"sparkcv {name}")):
        assert jobs.run_job(name, ["--help"], prog) == 0
        assert capsys.readouterr().out.startswith(f"usage: {shown} ")
        assert jobs.run_job(name, ["--no_such_flag=1"], prog) == 2
        assert capsys.readouterr().err.startswith(f"{shown}: unknown flag --no_such_flag")


def test_help_loads_neither_pyspark_nor_tensorflow():
    probe = (
        "import sys; from sparkcv.driver import jobs;"
        "[jobs.run_job(name, ['--help']) for name in jobs.JOBS];"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'pyspark', 'tf_slim', 'keras'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
