"""What only a real control plane can say of conf/kubernetes/; the other tests of this folder run on it as well."""

import pytest

from tests.kubernetes.cluster import WITHOUT_REAL, control_plane
from tests.kubernetes.manifests import FOLDER

MADE = {
    ("rbac", "network-policy"): (
        "serviceaccount/sparkcv role.rbac.authorization.k8s.io/sparkcv-driver"
        " rolebinding.rbac.authorization.k8s.io/sparkcv-driver role.rbac.authorization.k8s.io/sparkcv-submit"
        " networkpolicy.networking.k8s.io/sparkcv"
    ),
    ("train-job",): "job.batch/train",
}


@pytest.mark.kubernetes
def test_kubectl_takes_each_manifest_strictly_and_without_a_warning(tmp_path):
    """The namespace enforces the strictest of Kubernetes' standards for pods, which warns of a Job that breaks them."""
    if WITHOUT_REAL:
        pytest.skip(WITHOUT_REAL)
    with control_plane("real", tmp_path / "plane") as plane:
        for names, made in MADE.items():
            files = [word for name in names for word in ("-f", str(FOLDER / f"{name}.yaml"))]
            said = plane.kubectl("apply", "-n", "vision", "--validate=strict", *files)
            assert said.splitlines() == [f"{one} created" for one in made.split()]
