"""The sentence for a role that was lost with its container, in the words of each cluster manager."""

import pytest

from sparkcv.channel.messages import Hello
from sparkcv.cluster.first_failure import first_error
from sparkcv.cluster.state import RoleState
from sparkcv.errors import MemoryExceededError
from sparkcv.roles import Role
from sparkcv.spark.memory import ExecutorMemory

HELLO = Hello(role="worker:1", generation=0, agent="a", host="h", task="1", pid=6)
YARN = "Container killed by YARN for exceeding physical memory limits. {} physical memory used. Consider boosting"
POD = "pod a-exec-1 on node b was OOMKilled (exit code 137), over its memory limit of 1024 MB"


class LostLaunch:
    """A launch whose cluster manager lost a task for ``reason``."""

    def __init__(self, reason):
        self.reason = reason

    def stopped(self):
        return ""

    def place(self, task):
        return f"Spark executor {task}"

    def loss(self, task):
        return self.reason

    def memory(self):
        return ExecutorMemory(heap_mb=512, overhead_mb=512)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            YARN.format("1.5 GB of 1 GB"),
            "worker:1 was killed with its container on h for exceeding physical memory limits: "
            "1.5 GB of 1.0 GB used, worker:1 itself 0.8 GB\n",
        ),
        # A look just above the limit, rounded by YARN to the limit itself.
        (
            YARN.format("1.0 GB of 1 GB"),
            "worker:1 was killed with its container on h for exceeding physical memory limits: "
            "1.0 GB of 1.0 GB used, worker:1 itself 0.8 GB\n",
        ),
        (POD, f"worker:1 was lost with its Spark executor on h: {POD}, worker:1 itself 0.8 GB\n"),
    ],
)
def test_a_container_over_its_limit_is_told_with_what_was_used_where_that_is_known(reason, sentence):
    one = RoleState(Role("worker", 1), hello=HELLO, hung_up_s=1.0, pid=7, peak_rss_bytes=800 * 2**20, tail=["started"])
    error = first_error([one], LostLaunch(reason))
    assert isinstance(error, MemoryExceededError)
    assert str(error).startswith(sentence)
    assert "--conf spark.executor.memoryOverhead=" in str(error)
