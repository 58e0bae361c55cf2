"""The objects of conf/kubernetes/, read by the YAML library of Spark's own client."""

import functools
import json
from typing import Any

from sparkcv.spark.kubernetes.gateway import java_alone
from tests.hadoop.submit import ROOT

FOLDER = ROOT / "conf" / "kubernetes"


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


def rules(role: str) -> list[dict[str, Any]]:
    """A Role, as the API's ``load_rules`` takes it."""
    return [objects()["Role", role]]


def pairs(role: str) -> set[tuple[str, str]]:
    """What a Role grants: verb and resource."""
    return {
        (verb, resource)
        for rule in objects()["Role", role]["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
