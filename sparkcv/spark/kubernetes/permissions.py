"""What a run does with the Kubernetes API, verb by verb: ``conf/kubernetes/`` grants this, and no more."""

from collections.abc import Iterator, Mapping

from sparkcv.spark.kubernetes.client import KubernetesClient

__all__ = ["DRIVER_VERBS", "SUBMIT_VERBS", "denied"]

DRIVER_VERBS: Mapping[str, tuple[str, ...]] = {
    "pods": ("create", "get", "list", "watch", "delete", "deletecollection"),
    "configmaps": ("create", "deletecollection"),
    "services": ("deletecollection",),
    "persistentvolumeclaims": ("list", "deletecollection"),
    "events": ("list",),
}
"""What a driver does, wherever it runs: executors are its pods."""

SUBMIT_VERBS: Mapping[str, tuple[str, ...]] = {
    "pods": ("create", "get", "list", "watch", "delete"),
    "pods/log": ("get",),
    "events": ("list",),
    "services": ("create", "patch"),
    "configmaps": ("create", "patch"),
    "networkpolicies": ("create", "patch"),
}
"""What who submits in cluster mode does: the driver's pod is his, and what Spark puts beside it."""

_GROUPS = {"networkpolicies": "networking.k8s.io"}


def denied(client: KubernetesClient, verbs: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Ask for each verb and yield those that are denied, as (verb, resource); raises ApiError."""
    for target, wanted in verbs.items():
        resource, _, sub = target.partition("/")
        for verb in wanted:
            asked = {"namespace": client.namespace, "verb": verb, "resource": resource}
            asked |= {"group": _GROUPS[resource]} if resource in _GROUPS else {}
            asked |= {"subresource": sub} if sub else {}
            review = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": asked},
            }
            answer = client.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
            if not answer.get("status", {}).get("allowed"):
                yield verb, target
