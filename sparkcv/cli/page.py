"""The pages of ``--help``: of the whole command, and of what is no job."""

from sparkcv.config import SubmitConfig
from sparkcv.config.flags import help_text
from sparkcv.driver.jobs import JOBS, STYLE

__all__ = ["completion", "main", "style", "submit"]

_GROUPS = {
    "From pictures to predictions": ("convert", "statistics", "train", "evaluate", "export", "score", "serve"),
    "Style transfer": ("styletransfer", "texture", "superresolve", "stylize", "trainstyle"),
    "Captions of pictures": (
        "convertcaptions",
        "traincaptions",
        "evaluatecaptions",
        "caption",
        "scorecaptions",
        "exportcaptions",
    ),
    "Pictures from captions": ("traintext2image", "generate", "evaluatetext2image"),
    "Around a run": ("doctor", "tensorboard", "reproduce", "demo", "captionsdemo", "text2imagedemo"),
}
_SUBMIT = "write the spark-submit command of a job, print it and run it"
_COMPLETION = "print a script by which bash, zsh or fish completes all this"
_WIDTH = 18


def main() -> str:
    """Return the page of ``sparkcv --help``."""
    grouped = {name for names in _GROUPS.values() for name in names}
    groups = {title: [(name, JOBS[name].summary) for name in names if name in JOBS] for title, names in _GROUPS.items()}
    groups["Style transfer"].append(("style", f"the same by two words: sparkcv style {', '.join(STYLE)}"))
    groups["More jobs"] = [(job.name, job.summary) for job in JOBS.values() if job.name not in grouped]
    groups["On a cluster"] = [("submit", _SUBMIT)]
    groups["This command"] = [
        ("completion", _COMPLETION),
        ("--version", "the versions that matter: of sparkcv, Python, TensorFlow, Spark, Hadoop, Java"),
        ("--help", "this page; after a command's name: all its flags, with their defaults"),
    ]
    tables = "\n".join(
        f"{title}:\n{''.join(f'  {name:<{_WIDTH}} {text}{chr(10)}' for name, text in rows)}"
        for title, rows in groups.items()
        if rows
    )
    return f"{_HEAD}\n{tables}\n{_FOOT}"


def style() -> str:
    """Return the page of ``sparkcv style --help``."""
    rows = "".join(f"  {kind:<{_WIDTH}} {JOBS[name].summary}\n" for kind, name in STYLE.items())
    return f"usage: sparkcv style KIND --flag value ...\n\n{rows}\nsparkcv style KIND --help lists the flags.\n"


def submit() -> str:
    """Return the page of ``sparkcv submit --help``."""
    return help_text(SubmitConfig, "sparkcv submit [options] JOB [the job's flags]") + _SUBMIT_FOOT


def completion() -> str:
    """Return the page of ``sparkcv completion --help``."""
    return _COMPLETION_PAGE


_HEAD = """\
sparkcv: TensorFlow vision models, trained and run where the images are, on Spark, next to HDFS.

  sparkcv JOB --flag value ...                       run a job here, on a Spark of its own
  sparkcv submit --master yarn JOB --flag value ...  run it on your cluster
"""
_FOOT = """\
Begin with `sparkcv demo`: it draws pictures, and takes them all the way to a report.html, in some minutes.

Every path may be a URL: /data/flowers, hdfs://cluster/flowers. A job ends with 0 for a verified success, 1 for a
failure, 2 for wrong usage, and 75 where it was stopped and the same command goes on.
"""
_SUBMIT_FOOT = """
For example, one ps and two workers on YARN; the nodes need nothing but YARN:

  sparkcv submit --dry_run --master yarn train --num_ps_tasks 1 --cluster_size 3 \\
      --dataset_dir hdfs:///data/flowers --dataset_name flowers --train_dir hdfs:///runs/flowers

What is printed is a command for any shell. Without --dry_run it is run, and its exit code is the one of this command:
on YARN 0 only for what YARN calls SUCCEEDED. Whoever stops this command in cluster mode does not stop the job, which
`yarn application -kill ID` does.
"""
_COMPLETION_PAGE = """\
sparkcv completion SHELL prints a script; once, for good:

  bash   sparkcv completion bash > ~/.local/share/bash-completion/completions/sparkcv
  zsh    sparkcv completion zsh > ~/.zfunc/_sparkcv    (with fpath+=~/.zfunc before compinit in ~/.zshrc)
  fish   sparkcv completion fish > ~/.config/fish/completions/sparkcv.fish

Or for this shell alone: source <(sparkcv completion bash)
"""
