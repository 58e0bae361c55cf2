"""What Kubernetes says of the application: its API, what the driver may do there, and the executors' pods."""

import time
from typing import TYPE_CHECKING, Any

from sparkcv.doctor.facts import ExecutorPod, Kubernetes
from sparkcv.spark import kubernetes
from sparkcv.spark.kubernetes import pods, preflight
from sparkcv.spark.kubernetes.client import ApiError, KubernetesClient
from sparkcv.spark.kubernetes.permissions import DRIVER_VERBS, denied
from sparkcv.spark.kubernetes.quantity import quantity
from sparkcv.spark.kubernetes.start import client_of
from sparkcv.spark.session import bind_host

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["describe"]


def describe(spark: "SparkSession") -> Kubernetes | None:
    """Return it, or None on another master; an API that does not answer is part of it."""
    if not kubernetes.is_kubernetes(spark):
        return None
    context = spark.sparkContext
    driver_host = bind_host(spark)[1]
    try:
        client = client_of(spark)
        start_s = time.monotonic()
        lacking = tuple(f"{verb} {resource}" for verb, resource in denied(client, DRIVER_VERBS))
        seconds = time.monotonic() - start_s
        refusal = preflight.refusal(client, dict(context.getConf().getAll()))
        found = pods.executors(client, context.applicationId)
    except ApiError as err:
        return Kubernetes(context.master.removeprefix("k8s://"), driver_host=driver_host, error=str(err))
    return Kubernetes(
        url=client.url,
        namespace=client.namespace,
        driver_host=driver_host,
        seconds=seconds / sum(map(len, DRIVER_VERBS.values())),
        denied=lacking,
        refusal=refusal,
        pods=tuple(_pod(client, name, found[name]) for name in sorted(found, key=lambda name: (len(name), name))),
    )


def _pod(client: KubernetesClient, executor: str, pod: dict[str, Any]) -> ExecutorPod:
    spec = pod["spec"]
    container = pods.container_of(pod)
    volumes = {one["name"]: one for one in spec.get("volumes", [])}
    local = {one["value"] for one in container.get("env", []) if one["name"] == "SPARK_LOCAL_DIRS" and "value" in one}
    folders = {folder for text in local for folder in text.split(",")}
    spools = [
        volumes[mount["name"]]["emptyDir"]
        for mount in container.get("volumeMounts", [])
        if mount["mountPath"] in folders and "emptyDir" in volumes.get(mount["name"], {})
    ]
    claims = [one["persistentVolumeClaim"]["claimName"] for one in volumes.values() if "persistentVolumeClaim" in one]
    return ExecutorPod(
        executor,
        name=pods.named(pod),
        image=container.get("image", ""),
        has_login=spec.get("automountServiceAccountToken", True),
        spool_limits=tuple(quantity(one.get("sizeLimit", "")) for one in spools),
        is_spool_memory=any(one.get("medium") == "Memory" for one in spools),
        claims=tuple(claims),
        waits_for=pods.waits_for(pod) or pods.held_up(client, pod),
    )
