"""The words of a ``sparkcv submit`` command line, parted: options of our own, the job's name, the job's flags."""

import dataclasses
from collections.abc import Sequence

from sparkcv import config as configs
from sparkcv.config import SubmitConfig
from sparkcv.driver.jobs import JOBS, Job, one_word
from sparkcv.errors import UsageError, nearest

__all__ = ["PROG", "SUBMITTED", "is_help", "part"]

PROG = "sparkcv submit"
# One is looked at in a browser here, demos have their pictures on this machine, and the others start no Spark: a driver
# in a cluster that starts none counts as failed.
_HERE = (
    *("tensorboard", "demo", "captionsdemo", "text2imagedemo", "texture", "superresolve", "caption"),
    *("evaluatecaptions", "exportcaptions", "generate", "evaluatetext2image", "serve"),
)
SUBMITTED = tuple(name for name in JOBS if name not in _HERE)
_OWN = tuple(field.name for field in dataclasses.fields(SubmitConfig))
_HELP = ("-h", "--help")


def is_help(argv: Sequence[str]) -> bool:
    """Tell whether ``argv`` asks for the help of submit itself, which it does before a job's name only."""
    for word in argv:
        if word in _HELP:
            return True
        if word in JOBS or word == "style":
            return False
    return False


def part(argv: Sequence[str]) -> tuple[SubmitConfig, Job, list[str]]:
    """Return the options, the job and the words behind its name.

    Options are taken with a hyphen, too, as spark-submit spells them. Raises UsageError, whose one sentence says what
    was got and what was wanted.
    """
    words = list(argv)
    given: dict[str, list[str]] = {}
    while words and words[0].startswith("-"):
        name, value = _option(words)
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        if len(values) > 1 and name != "conf":
            raise UsageError(f"got --{name} {len(values)} times, {' and '.join(values)}, wanted it once")
    own = ["--{}={}".format(name, "\n".join(values)) for name, values in given.items()]
    config = configs.parse(SubmitConfig, own, PROG)
    words = one_word(words)
    job = _job(words)
    for word in words[1:]:
        name = _name(word)
        if word.startswith("--") and name in _OWN and name not in _flags(job):
            raise UsageError(
                f"--{name} stands behind {job.name}, whose flag it is not; wanted it before:"
                f" {PROG} --{name} ... {job.name}"
            )
    return config, job, words[1:]


def _option(words: list[str]) -> tuple[str, str]:
    """Take one option off the front of ``words``."""
    word = words.pop(0)
    name, equals, value = word.lstrip("-").partition("=")
    name = name.replace("-", "_")
    if name == "dry_run":
        return name, value if equals else "true"
    if name not in (*_OWN, "recipe"):
        raise UsageError(_unknown(name))
    if not equals:
        if not words or words[0].startswith("--"):
            raise UsageError(f"--{name}: a value is missing (see {PROG} --help)")
        value = words.pop(0)
    return name, value


def _unknown(name: str) -> str:
    for job in JOBS.values():
        if job.name in SUBMITTED and {name, name.removeprefix("no")} & _flags(job):
            return f"--{name} stands before the job's name, and is a flag of the job; wanted {PROG} ... JOB --{name}"
    otherwise = f" (see {PROG} --help); any property of Spark goes by --conf"
    return f"unknown option --{name}{nearest(name, _OWN, otherwise, shown='--{}')}"


def _job(words: Sequence[str]) -> Job:
    if not words:
        raise UsageError(f"the job is missing: wanted {PROG} ... JOB, one of {', '.join(SUBMITTED)}")
    name = words[0]
    if name in _HERE:
        raise UsageError(f"{name} runs on this machine: wanted sparkcv {name}, without submit")
    if name not in SUBMITTED:
        raise UsageError(f"unknown job {name!r}{nearest(name, SUBMITTED)} (one of {', '.join(SUBMITTED)})")
    return JOBS[name]


def _flags(job: Job) -> set[str]:
    return {field.name for field in dataclasses.fields(job.config)} | {"recipe"}


def _name(word: str) -> str:
    return word.lstrip("-").partition("=")[0].replace("-", "_")
