"""A submission to Kubernetes: what is refused here, and in cluster mode the driver's pod, followed to its end.

Spark's own waiting ends with 0 however the driver ended, and waits for ever for a pod that no node has room for.
"""

import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence

from sparkcv import logs
from sparkcv.config import SubmitConfig
from sparkcv.driver.jobs import Job
from sparkcv.errors import ClusterError, UsageError
from sparkcv.spark.kubernetes import driver_pod, preflight
from sparkcv.spark.kubernetes.client import SUBMISSION, ApiError, KubernetesClient, connect
from sparkcv.spark.kubernetes.gateway import java_alone
from sparkcv.spark.kubernetes.permissions import SUBMIT_VERBS
from sparkcv.spark.kubernetes.start import patience_s

__all__ = ["POD_NAME", "job_file", "settled", "submit_and_follow"]

POD_NAME = "spark.kubernetes.driver.pod.name"
_WAIT = "spark.kubernetes.submission.waitAppCompletion"
_LAST_LINES = 8
_log = logs.get(__name__)
_IMAGES = ("spark.kubernetes.container.image", "spark.kubernetes.executor.container.image")


def settled(
    options: SubmitConfig, job: Job, properties: Mapping[str, str], defaults: Mapping[str, str]
) -> dict[str, str]:
    """Return the properties with what cluster mode needs; raises UsageError where there is no image."""
    if not any(name in {*properties, *defaults} for name in _IMAGES):
        raise UsageError("--image is missing: wanted the image of driver and executors, as docker/Dockerfile makes it")
    if not options.is_cluster_mode:
        return dict(properties)
    name = properties.get(POD_NAME) or f"sparkcv-{job.name}-{secrets.token_hex(4)}"
    return {**properties, POD_NAME: name, _WAIT: "false"}


def job_file(job: Job) -> str:
    """Return where the image has the job's file."""
    return f"local:///opt/sparkcv/jobs/{job.file}"


def submit_and_follow(
    words: Sequence[str], environment: Mapping[str, str], master: str, properties: Mapping[str, str]
) -> int:
    """Submit in cluster mode, and return the exit code of the driver, whose log is shown meanwhile.

    Nothing of the application is left when this returns. If this process is ended, the application goes on. Raises
    ClusterError for what keeps it from starting, in one sentence, and for a driver that was killed.
    """
    name = properties[POD_NAME]
    with java_alone({**properties, "spark.master": master}) as (jvm, conf), connect(jvm, conf, SUBMISSION) as client:
        given = {entry._1(): entry._2() for entry in conf.getAll()}
        patience = patience_s(given)
        preflight.check(client, given, SUBMIT_VERBS)
        _submit(client, name, words, environment)
        return driver_pod.follow(client, name, patience, jvm.java.lang.System.out)


def _submit(client: KubernetesClient, name: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Have spark-submit make the driver's pod; raises ClusterError, with what it has made deleted, where it fails.

    A pod of that name that is there already is another driver's, as users may give names: it is left alone.
    """
    if _is_there(client, name):
        raise ClusterError(
            f"pod {name} is there already in namespace {client.namespace}: wanted another {POD_NAME}, or that one"
            f" deleted first (kubectl delete pod {name})"
        )
    done = subprocess.run(
        words, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        last = [line for line in done.stderr.splitlines() if line.strip()][-_LAST_LINES:]
        if f'pods "{name}" already exists' not in done.stderr:  # another's, who came first
            driver_pod.remove(client, name)
        raise ClusterError(f"spark-submit ended with {done.returncode}: {' '.join(last)}")
    _log.info("submitted: pod %s in namespace %s; kubectl delete pod %s ends it", name, client.namespace, name)


def _is_there(client: KubernetesClient, name: str) -> bool:
    try:
        client.get(f"pods/{name}")
    except ApiError as err:
        if err.code == 404:
            return False
        raise
    return True
