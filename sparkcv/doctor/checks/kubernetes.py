"""Whether Kubernetes lets the run do what it does, and what its pods are given."""

import re
from collections.abc import Iterator

from sparkcv.doctor.facts import Facts, Kubernetes
from sparkcv.doctor.finding import APPLICATION, FAIL, OK, WARNING, Finding, Location, quantity

__all__ = ["check"]

_CHECK = "kubernetes"
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")


def check(facts: Facts) -> Iterator[Finding]:
    """Check API, permissions, admission, the driver's address, and the executors' images, logins and spools."""
    found = facts.kubernetes
    if found is None:
        return
    api = Location("API")
    if found.error:
        yield Finding(_CHECK, api, FAIL, found.error, "see --master, kubeconfig, and the service account")
        return
    yield Finding(_CHECK, api, OK, f"{found.url} answers in {{}}", amount=found.seconds, unit="s")
    yield from _permissions(found, api)
    yield from _address(found)
    yield from _pods(facts, found)


def _permissions(found: Kubernetes, api: Location) -> Iterator[Finding]:
    if found.denied:
        lacking = ", ".join(found.denied)
        yield Finding(
            _CHECK, api, FAIL, f"in namespace {found.namespace} not granted: {lacking}", "as conf/kubernetes/rbac.yaml"
        )
    else:
        yield Finding(_CHECK, api, OK, f"every verb that a driver uses is granted in namespace {found.namespace}")
    if found.refusal:
        yield Finding(_CHECK, api, WARNING, f"no further executor would be let in: {found.refusal}")
    else:
        yield Finding(_CHECK, api, OK, "a further executor would be let in: quota, limits, service account")


def _address(found: Kubernetes) -> Iterator[Finding]:
    if found.driver_host.startswith(_LOOPBACK) and "//127." not in found.url:
        advice = "spark.driver.host: an address of this machine that pods can reach"
        yield Finding(
            _CHECK, APPLICATION, FAIL, f"executors are told to reach the driver at {found.driver_host}", advice
        )
    else:
        is_name = not re.fullmatch(r"[\d.]+|\[?[\da-fA-F:]+\]?", found.driver_host)
        how = ", a name that their DNS has to know" if is_name else ", without DNS"
        yield Finding(_CHECK, APPLICATION, OK, f"executors reach the driver by {found.driver_host}{how}")


def _pods(facts: Facts, found: Kubernetes) -> Iterator[Finding]:
    wanted = facts.config.spool_bytes
    for pod in found.pods:
        place = Location(pod.executor, is_executor=True)
        if pod.waits_for:
            yield Finding(_CHECK, place, WARNING, pod.waits_for, "see the sentence: this executor does not start")
            continue
        volumes = f", claims {', '.join(pod.claims)}" if pod.claims else ""
        yield Finding(_CHECK, place, OK, f"{pod.name}, image {pod.image}{volumes}")
        if pod.has_login:
            advice = "automountServiceAccountToken: false, as conf/kubernetes/executor-pod.yaml has it"
            yield Finding(_CHECK, place, WARNING, "it has a login to the API, which no executor needs", advice)
        if pod.is_spool_memory:
            advice = "leave spark.kubernetes.local.dirs.tmpfs at false, or count --spool_bytes to the memoryOverhead"
            yield Finding(_CHECK, place, WARNING, "its spool lies in memory, which counts to the pod's limit", advice)
        for limit in pod.spool_limits:
            if limit and wanted and wanted > limit:
                text = f"its spool is an emptyDir of {quantity(limit, 'bytes')}, which --spool_bytes passes: eviction"
                yield Finding(_CHECK, place, FAIL, text, f"lower --spool_bytes ({wanted}), or raise the sizeLimit")
            elif limit:
                yield Finding(_CHECK, place, OK, f"its spool is an emptyDir of at most {quantity(limit, 'bytes')}")
            elif not pod.is_spool_memory:
                yield Finding(_CHECK, place, OK, "its spool is an emptyDir without a limit: the node's disk")
