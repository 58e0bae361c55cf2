"""What happens to executors' pods under a run: it goes on where it can, and says what Kubernetes did where not."""

import re

import pytest

from tests.hadoop import wait_until
from tests.kubernetes.cluster import kubernetes, last_line

pytestmark = pytest.mark.hadoop


@pytest.fixture(scope="module")
def cluster():
    with kubernetes() as found:
        yield found


def test_a_killed_pod_is_replaced_and_an_evicted_one_is_told_of(cluster):
    running = cluster.roles("sit", "--max_generations", "1")
    running.until("worker:1 has started")
    assert len(cluster.pods()) == 3
    victim = cluster.pods()[0]["metadata"]["name"]
    cluster.kubelet.kill(victim)
    wait_until(lambda: running.output.count("worker:1 has started") == 2, "the next generation", 180)
    assert re.search(
        rf"(ps|worker):\d was lost with its Spark executor on 127\.0\.1\.\d+: its pod {victim} on node node-[ab] ended with"
        r" exit code 137, killed by signal 9",
        running.output,
    ), running.output[-5000:]
    cluster.kubelet.evict(cluster.pods()[0]["metadata"]["name"])
    assert running.wait() == 1
    said = last_line(running.output)
    assert re.search(
        r"its pod \S+ on node node-[ab] was Evicted: The node was low on resource: memory\.; the node", said
    )
    cluster.assert_nothing_is_left()
