"""What happens to executors' pods under a run: it goes on where it can, and says what Kubernetes did where not."""

import contextlib
import re

import pytest

from tests.hadoop import wait_until
from tests.kubernetes.cluster import PLANES, kubernetes, last_line, quota

STARTED = " worker:1 info worker:1 has started"  # not the log's end in a report
pytestmark = pytest.mark.spark


@pytest.fixture(scope="module", params=PLANES)
def k8s(request):
    with kubernetes(request.param) as found:
        yield found


def test_a_run_outlives_its_pods_and_says_what_kubernetes_did_to_them(k8s):
    """Each time all roles start anew, on new addresses; the end of the budget is the end of the run."""
    running = k8s.roles("sit", "--max_generations", "2")
    deeds = {
        k8s.kubelet.starve: "was OOMKilled (exit code 137), over its memory limit of 896 MB",
        k8s.preempt: "was deleted: Preempted: Preempted by pod ",
        k8s.kubelet.evict: "was Evicted: The node was low on resource: memory.; the node ran out of something",
    }
    for number, (deed, said) in enumerate(deeds.items(), start=1):
        wait_until(lambda: running.output.count(STARTED) == number, "the next generation", 180)  # noqa: B023
        victim = k8s.pods()[0]["metadata"]["name"]
        victim = deed(victim) or victim
        lost = rf"(ps|worker):\d was lost with its Spark executor on 127\.0\.1\.\d+: its pod {victim} on node \S+ (.*)"
        wait_until(lambda: re.search(lost, running.output) or running.process.poll() is not None, "its report", 60)  # noqa: B023
        found = re.search(lost, running.output)
        assert found, running.output[-5000:]
        assert said in found[2]
    assert running.wait() == 1
    assert "it was not started again after 2 restarts" in last_line(running.output)
    assert re.search(r"to change: --conf spark\.executor\.memoryOverhead=\d+m \(it was 384m\)", running.output)
    k8s.assert_nothing_is_left()


@pytest.mark.parametrize("trouble", ["no node", "no image", "quota"])
def test_pods_that_never_start_end_the_job_with_the_reason(k8s, trouble):
    nodes, patience = k8s.kubelet.nodes, {"spark.sparkcv.kubernetes.pendingTimeout": "4s"}
    with contextlib.ExitStack() as afterwards:
        if trouble == "no node":
            k8s.kubelet.resize({"node-a": 1900, "node-b": 0})  # two executors of 896 MB, wanted are three
            afterwards.callback(k8s.kubelet.resize, nodes)
        elif trouble == "no image":
            k8s.kubelet.missing_images.add("registry.example/sparkcv:no")
            patience["spark.kubernetes.container.image"] = "registry.example/sparkcv:no"
        else:
            afterwards.enter_context(quota(k8s.client, 1))
        running = k8s.roles("sit", conf=patience)
        assert running.wait() == 1
    said = last_line(running.output)
    # How many of those that can start have started by then, the machine's other load says.
    assert re.search(
        {
            "no node": r"only [012] were there, of 3 asked for: pod",
            "no image": r"no executor has started: pod",
            "quota": r"only [01] were there, of 3 asked for: the Kubernetes API",
        }[trouble],
        said,
    )
    assert re.search(
        {
            "no node": r"\(Unschedulable: 0/2 nodes are available: 2 Insufficient memory\..*\): ask for smaller",
            "no image": r'\(ImagePullBackOff: Back-off pulling image "registry\.example/sparkcv:no"\): see --',
            "quota": r"exceeded quota: night, requested: pods=1, used: pods=1, limited: pods=1: ask for fewer",
        }[trouble],
        said,
    )
    k8s.assert_nothing_is_left()


def test_the_doctor_looks_at_the_api_and_at_each_pod(k8s):
    options = ["--deploy_mode", "client", "--num_executors", "2"]
    job = ["doctor", "--num_ps_tasks=1", "--model_name=lenet", "--noload_tensorflow", "--examination_timeout_s=120"]
    found = k8s.sparkcv(*options, *job, f"--train_dir=file://{k8s.root}/run")
    assert found.wait() == 0, found.output[-6000:]
    for said in (
        rf"{re.escape(k8s.plane.master)} answers in",
        r"every verb that a driver uses is granted in namespace vision",
        r"a further executor would be let in: quota, limits, service account",
        r"executors reach the driver by localhost, a name that their DNS has to know",
        r"pod \S+-exec-1 on node node-[ab], image registry\.example/sparkcv:1",
        r"its spool is an emptyDir without a limit: the node's disk",
    ):
        assert re.search(said, " ".join(found.output.split())), said
    assert "has a login to the API" not in found.output
    k8s.assert_nothing_is_left()
