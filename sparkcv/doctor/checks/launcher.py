"""Whether a launcher that trusts its network may run on this one."""

from collections.abc import Iterator

from sparkcv.config.train import STOCK_LAUNCHER
from sparkcv.doctor.checks.exposure import ACKNOWLEDGED
from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import DRIVER, FAIL, WARNING, Finding

__all__ = ["check"]

_CHECK = "launcher"
_FOUND = (
    "--launcher tensorflowonspark: its reservation server listens on every interface of the driver while roles start,"
    " and unpickles what anybody sends it, which runs their code in the driver"
)
_ADVICE = "leave --launcher at barrier"


def check(facts: Facts) -> Iterator[Finding]:
    """Warn of tensorflowonspark's open door, and refuse it where spark.authenticate says to trust nobody."""
    if facts.config.launcher != STOCK_LAUNCHER:
        return
    if facts.spark.is_on("spark.authenticate") and not facts.spark.is_on(ACKNOWLEDGED):
        found = f"{_FOUND}, while spark.authenticate=true says that this network is not to be trusted"
        yield Finding(_CHECK, DRIVER, FAIL, found, f"{_ADVICE}, or --conf {ACKNOWLEDGED}=true")
    else:
        yield Finding(_CHECK, DRIVER, WARNING, _FOUND, _ADVICE)
