"""All of a submission before anything is done: every flag is checked, every word of the command is there."""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkcv import config as configs
from sparkcv.config import ReproduceConfig, SubmitConfig
from sparkcv.driver import reproduce
from sparkcv.driver.jobs import Job
from sparkcv.errors import UsageError
from sparkcv.storage.hadoop import conf_dir
from sparkcv.submit import on_kubernetes, package, properties, python_archive, sizing, spark_home
from sparkcv.submit.package import PackageFiles
from sparkcv.submit.python_archive import PythonArchive
from sparkcv.submit.words import part

__all__ = ["SubmitPlan", "prepare"]

_CONFS = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
_SAYS = {"--archives": "spark.archives", "--py-files": "spark.submit.pyFiles"}
"""Properties of Spark's that say what these options do."""


@dataclasses.dataclass(frozen=True)
class SubmitPlan:
    """One submission.

    Attributes:
        options: what stood before the job's name.
        job: which job.
        lines: the command, a list of words for each of its lines.
        environment: variables that spark-submit needs beside those of this process.
        sizes: what the executors are asked for, and why.
        files: the package's zip and the job's file.
        archive: the nodes' Python; None: they have the packages.
        properties: Spark's, of the command and of the executors' sizes.
    """

    options: SubmitConfig
    job: Job
    lines: tuple[tuple[str, ...], ...]
    environment: Mapping[str, str]
    sizes: sizing.Sizes
    files: PackageFiles
    archive: PythonArchive | None
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """All words, the program first."""
        return [word for line in self.lines for word in line]


def prepare(argv: Sequence[str]) -> SubmitPlan:
    """Read the command line and lay the submission out; nothing is written, and no server is asked.

    Only of a run that is to be started again the run.json is read, wherever it lies. Raises UsageError for whatever
    cannot work.
    """
    options, job, words = part(argv)
    words = _without_recipe(job, words) if options.is_cluster_mode else words
    config: Any = configs.parse(job.config, words, f"sparkcv {job.name}")
    if isinstance(config, ReproduceConfig):  # its roles are those of the run
        config = reproduce.train_config(config)
    config = sizing.with_executors(config, options)
    home = spark_home.find()
    environment = {"SPARK_HOME": str(home)}
    if options.is_yarn:
        environment |= _hadoop_conf()
        _check_keytab(options)
    given, root = properties.given(options), package.checkout()
    archive = python_archive.find(options, root / "dist" if root else None) if options.is_yarn else None
    settled = _pythons(options) | properties.ours(options, has_archive=archive is not None) | given
    defaults = properties.defaults(home)
    if options.is_kubernetes:
        settled = on_kubernetes.settled(options, job, settled, defaults)
    sizes = sizing.sizes(config, options, settled, defaults)
    files = package.locate(job)
    is_in_image = options.is_kubernetes and options.is_cluster_mode
    # In the cluster mode of Kubernetes nothing of this machine reaches a pod: the image has the package.
    sent = {} if is_in_image else {"--py-files": str(files.zip)}
    if archive is not None:
        sent = {"--archives": f"{archive.url}#Python"} | sent
    for option in sent:  # spark-submit takes the option alone where a property says more of the same
        more = settled.pop(_SAYS[option], None) or defaults.get(_SAYS[option])
        sent[option] += f",{more}" if more else ""
    lines = (
        (str(home / "bin" / "spark-submit"),),
        *_options(options, sizes, settled, sent),
        *(("--conf", f"{name}={value}") for name, value in settled.items()),
        (on_kubernetes.job_file(job) if is_in_image else str(files.job),),
        *_by_flag(words),
    )
    return SubmitPlan(options, job, lines, environment, sizes, files, archive, _sized(settled, sizes))


def _sized(settled: Mapping[str, str], sizes: sizing.Sizes) -> dict[str, str]:
    """Return the properties with what spark-submit is told of sizes by options."""
    told = {
        "spark.executor.memory": sizes.heap,
        "spark.executor.memoryOverhead": sizes.overhead,
        "spark.executor.instances": None if sizes.executors is None else str(sizes.executors),
    }
    return {name: value for name, value in told.items() if value is not None} | dict(settled)


def _options(
    options: SubmitConfig, sizes: sizing.Sizes, settled: Mapping[str, str], sent: Mapping[str, str]
) -> list[tuple[str, ...]]:
    """Spark-submit's own options, those that are not set left out."""
    heap = None if "spark.executor.memory" in settled else sizes.heap
    number = None if sizes.executors is None or "spark.executor.instances" in settled else str(sizes.executors)
    found = {
        "--master": options.master,
        "--deploy-mode": ("cluster" if options.is_cluster_mode else "client") if options.has_pythons else None,
        "--queue": options.queue,
        "--principal": options.principal,
        "--keytab": options.keytab,
        "--num-executors": number if options.has_pythons else None,
        **_cores(options, sizes, settled),
        "--executor-memory": heap,
        "--driver-memory": options.driver_memory,
        **sent,
    }
    lines: list[tuple[str, ...]] = [(name, value) for name, value in found.items() if value is not None]
    if sizes.overhead is not None:
        lines.append(("--conf", f"spark.executor.memoryOverhead={sizes.overhead}"))
    return lines


def _cores(options: SubmitConfig, sizes: sizing.Sizes, settled: Mapping[str, str]) -> dict[str, str]:
    """How many cores Spark's own master gives, which knows no number of executors; what the user gave is left alone."""
    if not options.is_standalone or sizes.executors is None:
        return {}
    each = settled.get("spark.executor.cores", "1")
    found = {
        "--total-executor-cores": ("spark.cores.max", str(sizes.executors * int(each))),
        "--executor-cores": ("spark.executor.cores", each),
    }
    return {option: value for option, (name, value) in found.items() if name not in settled}


def _pythons(options: SubmitConfig) -> dict[str, str]:
    """Which Python runs what this machine runs: this one, whatever else is on the PATH."""
    if options.is_cluster_mode:
        return {}
    return {"spark.pyspark.driver.python" if options.has_pythons else "spark.pyspark.python": sys.executable}


def _hadoop_conf() -> dict[str, str]:
    """Where spark-submit finds YARN, if its environment does not say so; raises UsageError if nothing does."""
    for name in _CONFS:
        folder = os.environ.get(name)
        if folder and not os.path.isdir(folder):
            raise UsageError(f"{name} is {folder!r}, which is no folder; wanted the one of Hadoop's yarn-site.xml")
    if any(os.environ.get(name) for name in _CONFS):
        return {}
    found = conf_dir()  # of HADOOP_HOME
    if found is None:
        raise UsageError(
            "--master yarn: HADOOP_CONF_DIR is not set; wanted the folder of Hadoop's core-site.xml and yarn-site.xml"
        )
    return {"HADOOP_CONF_DIR": found}


def _check_keytab(options: SubmitConfig) -> None:
    if options.keytab is not None and not Path(options.keytab).is_file():
        raise UsageError(f"--keytab {options.keytab}: no such file; wanted the keytab of {options.principal}")


def _without_recipe(job: Job, words: Sequence[str]) -> list[str]:
    """Spell out what ``--recipe FILE`` says: a driver inside of YARN does not see the files of this machine.

    What the command line says as well is left out, as it beats the recipe.
    """
    rest, recipe, following = [], None, iter(words)
    for word in following:
        if word == "--recipe":
            recipe = next(following, None)
        elif word.startswith("--recipe="):
            recipe = word.partition("=")[2]
        else:
            rest.append(word)
    if recipe is None:
        return list(words)
    configs.parse(job.config, words, f"sparkcv {job.name}")  # the file and all its keys are checked
    typed = {word.lstrip("-").partition("=")[0].replace("-", "_") for word in rest if word.startswith("--")}
    first = [rest.pop(0)] if rest and not rest[0].startswith("-") else []  # it stands for a flag only there
    if first:
        typed |= {field.name for field in dataclasses.fields(job.config) if field.metadata["first"]}
    for name, value in configs.read_recipe(recipe, job.config).items():
        if not {name, f"no{name}"} & typed:
            first += _spelled(name, value)
    return first + rest


def _spelled(name: str, value: object) -> list[str]:
    if isinstance(value, tuple):
        return [f"--{name}", *map(str, value)]
    return [f"--{name}={str(value).lower() if isinstance(value, bool) else value}"]


def _by_flag(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Put each flag with its value on a line."""
    lines: list[tuple[str, ...]] = []
    for word in words:
        if word.startswith("--") or not lines or len(lines[-1]) == 2:
            lines.append((word,))
        else:
            lines[-1] += (word,)
    return lines
