"""The driver's pod is made by spark-submit, here a script, and deleted where that fails; never another driver's."""

import pytest

from sparkcv.errors import ClusterError
from sparkcv.spark.kubernetes.client import ApiError
from sparkcv.submit import on_kubernetes


class Api:
    """A namespace with some pods."""

    namespace = "night"

    def __init__(self, *pods):
        self.pods, self.deleted = pods, []

    def get(self, path):
        if path.removeprefix("pods/") not in self.pods:
            raise ApiError("not found", 404)
        return {}

    def delete(self, path):
        self.deleted.append(path)


def submit(api, script):
    on_kubernetes._submit(api, "nightly", ["sh", "-c", script], {})


def test_a_pod_that_has_the_name_already_is_not_submitted_over_nor_deleted(tmp_path):
    api = Api("nightly")
    with pytest.raises(
        ClusterError, match=r"pod nightly is there already in namespace night: wanted another spark\.kub"
    ):
        submit(api, f"touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()
    assert api.deleted == []


@pytest.mark.parametrize(
    ("said", "deleted"),
    [
        ('Message: pods "nightly" already exists. Received status', []),  # by one who came in between
        ("configmaps is forbidden", ["pods/nightly"]),
    ],
)
def test_a_submission_that_fails_leaves_nothing_of_its_own(said, deleted):
    api = Api()
    with pytest.raises(ClusterError, match=r"spark-submit ended with 3: first .*last"):
        submit(api, f"echo 'first {said}' >&2; echo last >&2; exit 3")
    assert api.deleted == deleted


def test_a_submission_that_succeeds_deletes_nothing():
    api = Api()
    submit(api, "true")
    assert api.deleted == []
