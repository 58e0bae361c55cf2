"""Find out whether a training job would start: put ``doctor.py`` in the place of ``train_image_classifier.py``."""

import shutil
import sys
from collections.abc import Sequence

from sparkcv import doctor as cluster_doctor
from sparkcv.config import DoctorConfig
from sparkcv.config.port_range import PortRange
from sparkcv.doctor import estimate
from sparkcv.driver import doctor
from sparkcv.driver.job import run_job
from sparkcv.errors import SparkcvError
from sparkcv.spark.session import spark_session

_COLUMNS = 100  # of a log file


def work(config: DoctorConfig) -> str:
    """Check the run, open Spark as training would, examine, print the table; raise SparkcvError if it would fail."""
    case = doctor.prepare(config)
    num_roles = config.num_roles
    with spark_session(
        "sparkcv doctor",
        num_executors=num_roles,
        memory_mb=config.executor_memory_mb,
        role_bytes=estimate.largest(case.config, case.dataset)[1].likely,
        ports=PortRange.parse(config.port_range),
    ) as spark:
        report = doctor.diagnose(spark, case)
        is_terminal = sys.stdout.isatty()
        columns = shutil.get_terminal_size((_COLUMNS, 0)).columns if is_terminal else _COLUMNS
        print(cluster_doctor.table(report, columns, colour=is_terminal), flush=True)
        if not report.is_ok:  # raised in here, so that YARN hears of it before the session ends
            raise SparkcvError(cluster_doctor.sentence(report))
    return cluster_doctor.sentence(report)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and give its exit code."""
    return run_job(DoctorConfig, "doctor.py", work, argv)


if __name__ == "__main__":
    sys.exit(main())
