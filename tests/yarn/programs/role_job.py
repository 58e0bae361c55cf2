"""A job as those of ``jobs/``, whose roles run a light test program: 1 ps and 2 workers, one of which does a deed."""

import dataclasses
import sys

from sparkcv import storage
from sparkcv.cluster import supervisor
from sparkcv.cluster.recovery import RestartPolicy
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.config.flags import flag
from sparkcv.driver.job import run_main
from sparkcv.errors import UsageError
from sparkcv.roles import roles
from sparkcv.spark.session import spark_session


@dataclasses.dataclass(frozen=True)
class RoleConfig:
    """Run roles."""

    deed: str = flag("look", "what the role does", group="what")
    role: str = flag("worker:1", "who does it", group="what")
    num_ps: int = flag(1, "parameter servers", group="what")
    num_workers: int = flag(2, "workers", group="what")
    megabytes: int = flag(0, "how much the deed takes", group="what")
    url: str = flag("", "folder to write to", group="what")
    max_generations: int = flag(0, "as in training", group="what")
    start_timeout_s: float = flag(120.0, "as in training", group="what")


def work(config: RoleConfig) -> str:
    """Refuse before Spark what a usage error shall be, run the roles, say what they returned."""
    if config.deed == "misuse":
        raise UsageError("--deed: got 'misuse', wanted anything else")
    if config.url:
        storage.check_writable(config.url)
    if config.deed == "bug":
        raise RuntimeError("a bug of ours")
    with spark_session("roles") as spark:
        results = supervisor.run(
            spark,
            RunSpec(
                "yarn_programs:act",
                roles(config.num_ps, config.num_workers),
                dataclasses.asdict(config),
                policy=RestartPolicy(max_generations=config.max_generations),
                start_timeout_s=config.start_timeout_s,
            ),
        )
    return f"the roles returned {results}"


if __name__ == "__main__":
    sys.exit(run_main(RoleConfig, "role_job.py", work))
