"""The objects of conf/kubernetes/, read by the YAML library of Spark's own client."""

import functools
import json
from typing import Any

from sparkcv.spark.kubernetes.gateway import java_alone
from tests.hadoop.submit import ROOT
from tests.kubernetes.client import Client

FOLDER = ROOT / "conf" / "kubernetes"
_RESOURCES = {
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "NetworkPolicy": "networkpolicies",
}


@functools.cache
def objects() -> dict[tuple[str, str], dict[str, Any]]:
    """Every object of every file, by kind and name; a pod template has no name."""
    found = {}
    with java_alone({}) as (jvm, _):
        mapper = jvm.com.fasterxml.jackson.databind.ObjectMapper()
        for path in sorted(FOLDER.glob("*.yaml")):
            each = jvm.org.yaml.snakeyaml.Yaml().loadAll(path.read_text()).iterator()
            while each.hasNext():
                held = json.loads(mapper.writeValueAsString(each.next()))
                found[held["kind"], held.get("metadata", {}).get("name", path.stem)] = held
    return found


def apply(client: Client) -> None:
    """Make what conf/kubernetes/ grants: to the service account as it stands there, to ``ann`` by bindings."""
    for (kind, _), one in objects().items():
        if kind in _RESOURCES:
            client.create(_RESOURCES[kind], "vision", one)
    for role in ("sparkcv-driver", "sparkcv-submit"):
        bind(client, role, {"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"})


def bind(client: Client, role: str, subject: dict[str, str]) -> None:
    """Let somebody do what a Role grants."""
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
    name = f"{role}-{subject['name']}"
    client.create("rolebindings", "vision", {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference})


def pairs(role: str) -> set[tuple[str, str]]:
    """What a Role grants: verb and resource."""
    return {
        (verb, resource)
        for rule in objects()["Role", role]["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
