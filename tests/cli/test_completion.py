"""The scripts of ``sparkcv completion``: what a shell that has read one offers behind a line."""

import shutil
import subprocess

import pytest

from sparkcv import nets
from sparkcv.cli import completion, main
from sparkcv.config import TrainConfig
from sparkcv.driver.jobs import JOBS

CASES = [
    ("sparkcv tr", ["train", "traincaptions", "trainstyle", "traintext2image"]),
    ("sparkcv train --dataset_n", ["--dataset_name"]),
    ("sparkcv train --optimizer ad", ["adadelta", "adagrad", "adam"]),
    ("sparkcv train --model_name incep", [name for name in nets.names() if name.startswith("incep")]),
    ("sparkcv te", ["tensorboard", "text2imagedemo", "texture"]),
    ("sparkcv su", ["submit", "superresolve"]),
    ("sparkcv texture --start ", ["patch", "sample"]),
    ("sparkcv styletransfer --method ", ["gatys", "mrf"]),
    ("sparkcv styletransfer --mrf_s", ["--mrf_scales"]),
    ("sparkcv evaluate --eval_d", ["--eval_dir"]),
    ("sparkcv submit --que", ["--queue"]),
    ("sparkcv submit --deploy_mode cl", ["client", "cluster"]),
    ("sparkcv submit --master loc", ["local-cluster[3,1,1024]", "local[2]"]),
    ("sparkcv submit --master yarn ex", ["export"]),
    ("sparkcv submit --master yarn train --launcher b", ["barrier"]),
    ("sparkcv submit --master yarn train --train_d", ["--train_dir"]),
    ("sparkcv completion f", ["fish"]),
    ("sparkcv style tr", ["train", "transfer"]),
    ("sparkcv style transfer --mrf_s", ["--mrf_scales"]),
    ("sparkcv style train --style_im", ["--style_image"]),
]
_BASH = """
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_sparkcv
printf '%s\\n' "${COMPREPLY[@]}"
"""
_FISH = 'source $argv[1]; complete -C "$argv[2]"'


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for shell in completion.SHELLS:
        (folder / shell).write_text(completion.script(shell))
    return folder


def offered(scripts, shell, line):
    if shell == "bash":
        command = ["bash", "--norc", "-c", _BASH, "bash", scripts / "bash", *line.split(" ")]
    else:
        command = ["fish", "--no-config", "-c", _FISH, scripts / "fish", line]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert done.stderr == ""
    return sorted(word.partition("\t")[0] for word in done.stdout.splitlines() if word)


# bash is everywhere; fish is asked where it is installed.
@pytest.mark.parametrize("shell", [name for name in ("bash", "fish") if shutil.which(name)])
def test_a_shell_completes_commands_flags_and_choices(scripts, shell):
    for line, wanted in CASES:
        assert offered(scripts, shell, line) == wanted, line


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_command_and_flag_stands_in_each_script(shell, capsys):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for name, job in JOBS.items():
        assert name in text
        for flag in job.config.__dataclass_fields__:
            assert f"--{flag}" in text or f"-l {flag} " in text


def test_a_switch_that_is_on_has_an_opposite_and_takes_no_value():
    found = {flag.name: flag for flag in completion.flags(JOBS["doctor"].config)}
    assert not found["load_tensorflow"].takes_value
    assert "noload_tensorflow" in found
    assert "nosync_replicas" not in {flag.name for flag in completion.flags(TrainConfig)}


@pytest.mark.parametrize("shell", [name for name in completion.SHELLS if shutil.which(name)])
def test_each_script_is_one_that_its_shell_reads(scripts, shell):
    done = subprocess.run([shell, "-n", scripts / shell], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_of_completion_says_where_the_script_goes(capsys):
    assert main(["completion", "--help"]) == 0
    assert "~/.config/fish/completions/sparkcv.fish" in capsys.readouterr().out
