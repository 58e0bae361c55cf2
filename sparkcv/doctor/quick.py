"""The part of an examination that is cheap enough to begin every training run with."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sparkcv import logs
from sparkcv.config import TrainConfig
from sparkcv.doctor import application, checks, gathering
from sparkcv.doctor.finding import FAIL, WARNING, Finding, sentence
from sparkcv.doctor.probe import ProbeOrder
from sparkcv.doctor.survey import Survey
from sparkcv.errors import ClusterError, StorageError, UsageError
from sparkcv.records.shards import Dataset

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["check_start", "refuse"]

_STORAGE = ("train_dir", "dataset_dir", "token")
_USAGE = ("grpc", "launcher", "gpus")

_log = logs.get(__name__)


def check_start(spark: "SparkSession", config: TrainConfig, dataset: Dataset) -> None:
    """Refuse to start what would surely fail, in one sentence that names the advice.

    Properties first, which costs nothing; then one short stage, whose tasks tell their versions while the first of
    them writes to ``train_dir`` and reads of the dataset. It is what the roles' stage would start anyway: the
    executors' Python.

    Raises ClusterError, StorageError where an executor cannot use the storage that the driver can, or UsageError for a
    network that TensorFlow's traffic may not go over.
    """
    facts = gathering.facts(spark, config, dataset, gathering.driver())
    refuse(checks.judge(facts, checks.SETTINGS_FIRST))
    now = application.await_slots(spark, 1, config.start_timeout_s / 2)
    if not now:
        room = "wait for room in the queue, name another by --queue"
        if facts.spark.is_kubernetes:
            room = "see what keeps their pods (kubectl describe pods)"
        raise ClusterError(
            f"no executor was there after {config.start_timeout_s / 2:.0f} s: the cluster did not grant any; {room}, or"
            " ask for less memory or cores an executor"
        )
    with gathering.folder(config.train_dir) as (folder, _):
        order = ProbeOrder(folder=folder, shards=(dataset.shards[0].url,), is_shared_once=True)
        survey = Survey(spark, order, is_barrier=False, timeout_s=config.start_timeout_s)
        survey.run(lambda: now, wants_all=False)
    refuse(checks.judge(gathering.surveyed(facts, survey), checks.QUICK))


def refuse(findings: Iterable[Finding]) -> None:
    """Raise what would surely fail, or must not be; what may fail after an hour is logged."""
    for finding in findings:
        if finding.status == FAIL and finding.check in _USAGE:
            raise UsageError(sentence(finding))
        if finding.status == FAIL:
            raise (StorageError if finding.check in _STORAGE else ClusterError)(sentence(finding))
        if finding.status == WARNING:
            _log.warning("%s", sentence(finding))
