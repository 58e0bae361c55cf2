"""The command ``sparkcv``: its pages, its versions, and what it says to a word that it does not know."""

import os
import re
import subprocess
import sys

import pytest

import sparkcv
from sparkcv.cli import main
from sparkcv.cli.command import COMMANDS
from sparkcv.driver.jobs import JOBS, STYLE


@pytest.mark.parametrize(("argv", "exit_code"), [([], 2), (["--help"], 0), (["-h"], 0), (["help"], 0)])
def test_the_page_names_every_command(capsys, argv, exit_code):
    assert main(argv) == exit_code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("sparkcv: TensorFlow vision models")
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name} ") for line in lines) >= 1
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", JOBS)
def test_each_job_has_the_flags_of_its_file(capsys, name):
    assert main([name, "--help"]) == 0
    by_command = capsys.readouterr().out
    assert by_command.startswith(f"usage: sparkcv {name}")
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == by_command
    for flag in JOBS[name].config.__dataclass_fields__:
        assert f"--{flag}" in by_command


def test_jobs_of_style_transfer_are_had_by_two_words(capsys):
    assert main(["style"]) == 2
    said = capsys.readouterr().out
    assert main(["style", "--help"]) == 0
    assert capsys.readouterr().out == said
    for kind, name in STYLE.items():
        assert f"  {kind} " in said
        assert main(["style", kind, "--help"]) == 0
        by_two = capsys.readouterr().out
        assert by_two.startswith(f"usage: sparkcv style {kind}")
        assert main(["help", "style", kind]) == 0
        assert capsys.readouterr().out == by_two
        assert main([name, "--help"]) == 0
        assert by_two.partition("\n\n")[2] == capsys.readouterr().out.partition("\n\n")[2]
    assert main(["style", "transfer", "--iterations", "0"]) == 2
    assert capsys.readouterr().err.startswith("sparkcv style transfer: ")


def test_a_job_ends_as_its_file_would_under_its_own_name(capsys):
    assert main(["convert", "--images_dirr", "x"]) == 2
    assert capsys.readouterr().err == "sparkcv convert: unknown flag --images_dirr, did you mean --images_dir?\n"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["tarin"], "unknown command 'tarin', did you mean train?"),
        (["sumbit"], "unknown command 'sumbit', did you mean submit?"),
        (["xyzzy"], "unknown command 'xyzzy'; wanted one of convert, statistics, train"),
        (["--vresion"], "unknown option '--vresion'"),
        (["style", "tranfser"], "style: got 'tranfser', did you mean transfer?"),
        (
            ["style", "--content"],
            "style: got '--content', wanted one of transfer, train, stylize, texture, superresolve",
        ),
        (["completion"], "completion: got nothing, wanted one of bash, zsh, fish"),
        (["completion", "tcsh"], "completion: got tcsh, wanted one of bash, zsh, fish"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(capsys, argv, sentence):
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"sparkcv: {sentence}")
    assert said.err.count("\n") == 1


def test_the_versions_that_matter_are_told_by_name(capsys):
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line[:18].strip(): line[18:].split()[0] for line in lines}
    assert found["sparkcv"] == sparkcv.__version__
    assert found["Python"] == sys.version.split()[0]
    for name in ("TensorFlow", "pyspark", "Spark", "Hadoop client", "Java", "tensorflowonspark"):
        assert re.match(r"\d+(\.\d+)+", found[name]), name


def test_no_page_loads_what_takes_seconds():
    probe = (
        "import sys; from sparkcv.cli import main;"
        "[main(argv) for argv in (['--help'], ['--version'], ['submit', '--help'], ['train', '--help'],"
        " ['completion', 'bash'], ['completion', 'zsh'], ['completion', 'fish'])];"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'tensorflow', 'pyspark', 'tf_slim', 'pandas'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize(("more", "exit_code"), [(["--dry_run"], 0), ([], 1)])
def test_a_submission_whose_reader_has_gone_is_no_success(tmp_path, more, exit_code):
    """``sparkcv submit ... | head -1``: nothing was submitted."""
    home = tmp_path / "spark"
    (home / "bin").mkdir(parents=True)
    script = home / "bin" / "spark-submit"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sparkcv.cli", "submit", *more, "--master", "local[2]", "doctor"],
            stdout=write,
            env={**os.environ, "SPARK_HOME": str(home)},
            timeout=300,
            check=False,
        )
    finally:
        os.close(write)
    assert done.returncode == exit_code
    assert not (tmp_path / "ran").exists()
