"""Before anything is made on Kubernetes: is the API there, may we, and would it take a pod such as ours?

Spark asks none of it: it tries for ever to create executors that a quota or a missing permission keeps out, and its job
waits for them.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from sparkcv.errors import ClusterError
from sparkcv.spark.kubernetes.client import ApiError, KubernetesClient
from sparkcv.spark.kubernetes.permissions import denied
from sparkcv.spark.memory import executor_memory

__all__ = ["check", "refusal", "trial_pod"]

_ROLE = "conf/kubernetes/rbac.yaml"
_TEMPLATE = "spark.kubernetes.executor.podTemplateFile"
_REFUSABLE = {"hostPath": ("path", "type"), "nfs": ("server", "path")}


def check(client: KubernetesClient, conf: Mapping[str, str], verbs: Mapping[str, tuple[str, ...]]) -> None:
    """Raise ClusterError for what would keep the run from starting: one sentence, with what to change."""
    lacking = list(denied(client, verbs))
    if len(lacking) == sum(map(len, verbs.values())):  # so it is, too, where there is no such namespace
        raise ClusterError(
            f"in namespace {client.namespace} of {client.url} this login may do nothing that a run does: grant it, as"
            f" {_ROLE} does, or name another namespace (--namespace, spark.kubernetes.namespace)"
        )
    if lacking:
        raise ClusterError(
            f"in namespace {client.namespace} of {client.url} this login may not"
            f" {', '.join(f'{verb} {resource}' for verb, resource in lacking)}: grant it, as {_ROLE} does"
        )
    if why := refusal(client, conf):
        raise ClusterError(why)


def refusal(client: KubernetesClient, conf: Mapping[str, str]) -> str:
    """Have the API try a pod like an executor's, without making it, and return why it refuses; "" if it does not.

    Quotas, limits, admission, the service account and the namespace are all asked by that. Raises ApiError for an API
    that gives no answer.
    """
    path = re.sub(r"^(file|local):(//)?(?=/)", "", conf.get(_TEMPLATE, ""))
    # Spark fetches one from elsewhere itself; the trial then goes without.
    template = client.read_pod(path) if path and "://" not in path else {}
    try:
        client.create("pods?dryRun=All", trial_pod(conf, template))
    except ApiError as err:
        if not err.code:
            raise
        text = str(err)
        if err.code == 404:
            return f"{text}: create the namespace, or name another one (--namespace, spark.kubernetes.namespace)"
        if "exceeded quota" in text:
            return f"{text}: ask for fewer or smaller executors, or have the quota of {client.namespace} raised"
        if "service account" in text or "serviceaccount" in text:
            return f"{text}: create it, as {_ROLE} does, or name another one (--service_account)"
        if "PodSecurity" in text:
            folder = ", and a claim in place of a host's folder" if "hostPath" in text or '"nfs"' in text else ""
            return f"{text}: see conf/kubernetes/executor-pod.yaml, which fits all of its levels ({_TEMPLATE}){folder}"
        return text
    return ""


def trial_pod(conf: Mapping[str, str], template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod that asks for what an executor's will ask for; ``template`` is the executors', or {}."""
    given = template.get("spec") or {}
    name = conf.get(f"{_TEMPLATE.removesuffix('File')}ContainerName")
    containers = given.get("containers") or [{}]
    own = next((one for one in containers if one.get("name") == name), containers[0])
    container = {
        **own,
        "name": "spark-kubernetes-executor",
        "image": conf.get("spark.kubernetes.executor.container.image") or conf.get("spark.kubernetes.container.image"),
        "resources": _resources(conf, own.get("resources") or {}),
    }
    account = "spark.kubernetes.authenticate.{}.serviceAccountName"
    login = conf.get(account.format("executor")) or conf.get(account.format("driver"))
    spec: dict[str, Any] = {
        **given,
        "containers": [container, *(one for one in containers if one is not own)],
        "nodeSelector": {
            **given.get("nodeSelector", {}),
            **_by_name(conf, "spark.kubernetes.node.selector."),
            **_by_name(conf, "spark.kubernetes.executor.node.selector."),
        },
        "restartPolicy": "Never",
        "volumes": [*given.get("volumes", []), *_volumes(conf)],
    }
    if login:
        spec["serviceAccountName"] = login
    told = template.get("metadata") or {}
    labels, annotations = (_by_name(conf, f"spark.kubernetes.executor.{what}.") for what in ("label", "annotation"))
    meta = {
        "name": f"sparkcv-trial-{uuid.uuid4().hex[:8]}",
        "labels": {**told.get("labels", {}), **labels, "spark-role": "executor"},
        "annotations": {**told.get("annotations", {}), **annotations},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def _resources(conf: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return requests and limits as Spark writes them over those of the template: a quota may want all of them."""
    memory = executor_memory(conf)
    size = f"{memory.heap_mb + memory.overhead_mb}Mi"
    cores = conf.get("spark.kubernetes.executor.request.cores") or conf.get("spark.executor.cores", "1")
    limits = {**given.get("limits", {}), "memory": size}
    if most := conf.get("spark.kubernetes.executor.limit.cores"):
        limits["cpu"] = most
    for name, amount in _by_name(conf, "spark.executor.resource.").items():
        kind, is_amount, _ = name.partition(".amount")
        if is_amount and (vendor := conf.get(f"spark.executor.resource.{kind}.vendor")):
            limits[f"{vendor}/{kind}"] = amount
    return {**given, "requests": {**given.get("requests", {}), "memory": size, "cpu": cores}, "limits": limits}


def _volumes(conf: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the volumes of Spark's options that a namespace's standard for pods may refuse."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for rest, value in _by_name(conf, "spark.kubernetes.executor.volumes.").items():
        kind, name, what = (*rest.split(".", 2), "", "")[:3]
        if kind in _REFUSABLE and what.removeprefix("options.") in _REFUSABLE[kind]:
            found.setdefault((kind, name), {})[what.removeprefix("options.")] = value
    return [{"name": name, kind: told} for (kind, name), told in found.items()]


def _by_name(conf: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in conf.items() if name.startswith(prefix)}
