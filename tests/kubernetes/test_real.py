"""What only a real control plane can say; the other tests of this folder run on it as well."""

import pytest

from sparkcv.spark.kubernetes import pods
from tests.hadoop import wait_until
from tests.kubernetes.cluster import WITHOUT_REAL, control_plane
from tests.kubernetes.kubelet import Kubelet
from tests.kubernetes.manifests import FOLDER

pytestmark = pytest.mark.kubernetes
MADE = {
    ("rbac", "network-policy"): (
        "serviceaccount/sparkcv role.rbac.authorization.k8s.io/sparkcv-driver"
        " rolebinding.rbac.authorization.k8s.io/sparkcv-driver role.rbac.authorization.k8s.io/sparkcv-submit"
        " networkpolicy.networking.k8s.io/sparkcv"
    ),
    ("train-job",): "job.batch/train",
}
SIZE = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    if WITHOUT_REAL:
        pytest.skip(WITHOUT_REAL)
    with control_plane("real", tmp_path_factory.mktemp("plane") / "root") as found:
        yield found


def test_kubectl_takes_each_manifest_strictly_and_without_a_warning(plane):
    """The namespace enforces the strictest of Kubernetes' standards for pods, which warns of a Job that breaks them."""
    for names, made in MADE.items():
        files = [word for name in names for word in ("-f", str(FOLDER / f"{name}.yaml"))]
        said = plane.kubectl("apply", "-n", "vision", "--validate=strict", *files)
        assert said.splitlines() == [f"{one} created" for one in made.split()]
    plane.client.delete("jobs", "vision", "train")


def test_a_claim_keeps_a_pod_until_it_is_there_and_has_a_volume(plane, tmp_path):
    """The words are the scheduler's, the advice is ours."""
    client = plane.client
    kubelet = Kubelet(plane, tmp_path)
    try:
        wait_until(lambda: client.find("serviceaccounts", "default"), "the service account", 30)
        container = {"name": "c", "image": "i", "command": ["true"]}
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "pictures"}}
        spec = {"containers": [container], "volumes": [volume], "restartPolicy": "Never"}
        client.create("pods", "default", {"metadata": {"name": "a"}, "spec": spec})

        def said(words: str, advice: str) -> bool:
            found = pods.waits_for(client.get("pods", "default", "a"))
            return words in found and advice in found

        missing, advice = (
            'persistentvolumeclaim "pictures" not found',
            ": create the claim in this namespace, or see spark.k",
        )
        wait_until(lambda: said(missing, advice), missing, 30)
        claim = {**SIZE, "resources": {"requests": {"storage": "1Gi"}}}
        client.create("persistentvolumeclaims", "default", {"metadata": {"name": "pictures"}, "spec": claim})
        unbound, hint = (
            "unbound immediate PersistentVolumeClaims",
            ": its claim has no volume yet, see its storage class",
        )
        wait_until(lambda: said(unbound, hint), unbound, 30)
        held = {**SIZE, "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(tmp_path)}}
        client.create("persistentvolumes", "", {"metadata": {"name": "pictures"}, "spec": held})
        wait_until(lambda: client.get("pods", "default", "a")["status"]["phase"] == "Succeeded", "the pod to run", 60)
    finally:
        kubelet.close()
