"""The whole examination: the driver, every executor once, and all checks."""

import dataclasses
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sparkcv import logs
from sparkcv.config import DoctorConfig
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import application, checks, gathering, kubernetes, login
from sparkcv.doctor.clock_server import ClockServer
from sparkcv.doctor.facts import Silent
from sparkcv.doctor.finding import APPLICATION, DoctorReport
from sparkcv.doctor.probe import ProbeOrder
from sparkcv.doctor.survey import Survey
from sparkcv.errors import ClusterError
from sparkcv.records.shards import Dataset
from sparkcv.spark.session import bind_host

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["examine"]

_log = logs.get(__name__)


def examine(
    spark: "SparkSession",
    config: DoctorConfig,
    dataset: Dataset | None,
    complaints: Sequence[str] = (),
    *,
    is_answered: bool = True,
) -> DoctorReport:
    """Examine the driver and every executor of ``spark`` for the run of ``config``, and judge what was found.

    Args:
        spark: The session in which the run would take place.
        config: The run, with full URLs and the number of its roles settled.
        dataset: Its split; None where none was named, or it is not whole.
        complaints: What the training job said of its flags and data.
        is_answered: False if the storage is known not to answer: it is then left out.

    Whatever is wrong with the cluster or the storage is a finding. Raises ClusterError if the driver cannot listen.
    """
    num_roles = config.num_roles
    now = application.await_slots(spark, application.slots_most(spark) or num_roles, config.start_timeout_s / 2)
    bind, host = bind_host(spark)
    word = secrets.token_hex(8)
    try:
        clock = ClockServer(bind, word, PortRange.parse(config.port_range))
    except OSError as err:
        raise ClusterError(f"the driver cannot listen on {bind} (spark.driver.bindAddress): {err}") from err
    with clock, gathering.folder(config.train_dir if is_answered else "") as (folder, made):
        order = ProbeOrder(
            word=word,
            driver=(host, clock.port),
            port_range=config.port_range,
            folder=folder,
            shards=tuple(shard.url for shard in dataset.shards) if dataset is not None else (),
            role_timeout_s=config.load_timeout_s if config.load_tensorflow else 0.0,
        )
        facts = gathering.facts(spark, config, dataset, gathering.driver(made, dataset))
        _log.info("examining %d task slots", now)
        is_barrier = not facts.spark.is_on("spark.dynamicAllocation.enabled")
        survey = Survey(spark, order, is_barrier=is_barrier, timeout_s=config.examination_timeout_s)
        if now:
            survey.run(lambda: max(1, application.slots_now(spark)))
        else:
            survey.silent.append(Silent(APPLICATION, f"no executor was there after {config.start_timeout_s / 2:.0f} s"))
    known = login.describe(spark, config.principal, config.keytab)
    facts = dataclasses.replace(
        gathering.surveyed(facts, survey),
        complaints=tuple(complaints),
        login=known,
        kubernetes=kubernetes.describe(spark),
    )
    return DoctorReport(tuple(checks.judge(facts, checks.ALL)))
