"""Whether TensorFlow's own traffic may go over this network: its gRPC knows no authentication, and listens everywhere.

What our own channel refuses, a ps takes from anybody who reaches its port: reading and writing of the weights, and any
graph to run. Only the network can keep strangers away, and whether it does is for the operator to say.
"""

from collections.abc import Iterator

from sparkcv.doctor.facts import Facts
from sparkcv.doctor.finding import FAIL, OK, WARNING, Finding, Location

__all__ = ["ACKNOWLEDGED", "check"]

ACKNOWLEDGED = "spark.sparkcv.allowUnauthenticatedGrpc"

_CHECK = "grpc"
_ROLES = Location("TensorFlow")
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")
_OPEN = "gRPC between roles is neither authenticated nor encrypted"


def check(facts: Facts) -> Iterator[Finding]:
    """Refuse it where spark.authenticate says that the network is not trusted, unless the operator allows it."""
    if not facts.config.num_ps:
        yield Finding(_CHECK, _ROLES, OK, "one worker without a ps opens no port")
    elif _is_local(facts):
        found = f"{_OPEN}; roles talk over loopback, though TensorFlow listens on every interface"
        yield Finding(_CHECK, _ROLES, OK, found)
    elif facts.spark.is_on(ACKNOWLEDGED):
        yield Finding(_CHECK, _ROLES, OK, f"{_OPEN}, which {ACKNOWLEDGED} allows")
    elif facts.spark.is_on("spark.authenticate"):
        found = f"{_OPEN}, while spark.authenticate=true says that this network is not to be trusted"
        advice = (
            f"if only trusted users reach the executors' ports (--port_range bounds them), --conf {ACKNOWLEDGED}=true"
        )
        yield Finding(_CHECK, _ROLES, FAIL, found, advice)
    else:
        found = f"{_OPEN}: whoever reaches a role's port can read and change the model"
        advice = "keep the cluster's network closed to others; --port_range bounds the ports"
        yield Finding(_CHECK, _ROLES, WARNING, found, advice)


def _is_local(facts: Facts) -> bool:
    hosts = {*facts.spark.executors.values(), *(machine.place.host for machine in facts.executors)}
    return bool(hosts) and all(host.startswith(_LOOPBACK) for host in hosts)
