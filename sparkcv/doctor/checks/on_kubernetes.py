"""Advice as it helps on Kubernetes: the checks name YARN's means, of which some are refused there."""

import dataclasses
import re

from sparkcv.doctor.finding import Finding

__all__ = ["fitting"]

_QUEUE = re.compile(r"wait for room in the queue(,( or)? name another by --queue)?")
_PODS = "see what keeps the pods (kubernetes)"
_IMAGE = "an image that holds it: make image, and --image (spark.kubernetes.container.image)"
_VOLUME = "of spark-local-dir-1, a volume of spark.kubernetes.executor.volumes"
# The first whose words stand in an advice takes its place.
_INSTEAD = (
    ("with the driver's Python", "the driver's Python in the image, or --deploy_mode cluster"),
    ("build_zip.sh sparkcv", "an image of this sparkcv: make image, and --image"),
    ("Python.zip", _IMAGE),
    ("Python/lib", _IMAGE),
    ("yarn logs", "kubectl logs of its pod, as long as that is there"),
    ("make room there, or move spark.local.dir", f"lower --spool_bytes, or raise the size {_VOLUME}"),
    ("set spark.local.dir", f"see the rights {_VOLUME}, and fsGroup of conf/kubernetes/executor-pod.yaml"),
    ("--shm-size", "raise the sizeLimit of /dev/shm in the executors' template, conf/kubernetes/executor-pod.yaml"),
    ("mount a tmpfs at /dev/shm", "mount one as the executors' template does, conf/kubernetes/executor-pod.yaml"),
    ("YARN writes it", "submit again"),
)


def fitting(finding: Finding) -> Finding:
    """Return the finding with advice that can be followed on Kubernetes."""
    advice = _QUEUE.sub(_PODS, finding.advice)
    advice = next((instead for words, instead in _INSTEAD if words in advice), advice)
    return dataclasses.replace(finding, advice=advice)
