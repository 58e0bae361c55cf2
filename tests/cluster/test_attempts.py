"""An agent does what the driver orders of its node process, as often as it is ordered."""

import json
import threading
import time

from sparkcv.channel.messages import Reply
from sparkcv.cluster.agent_task import AgentTask
from sparkcv.cluster.attempts import AgentContext, run_attempts
from sparkcv.cluster.node_status import NodeStatus
from sparkcv.cluster.sigterm import Sigterm
from sparkcv.cluster.standby import Standby
from sparkcv.launchers import TaskSlot
from sparkcv.roles import Role
from tests.cluster.agents import wait_until


class Orders:
    """A heartbeat whose orders a test gives."""

    lost = ""

    def __init__(self):
        self.order, self.ends = Reply(), []

    def tell(self, end):
        self.ends.append(end)


def test_a_process_gives_its_stacks_each_time_that_they_are_ordered(tmp_path):
    role, orders, status = Role("worker", 0), Orders(), NodeStatus(Sigterm())
    task = AgentTask(("", 0), b"", 0, (str(role),), "bad_programs:hangs", json.dumps({"steps": 0}), "")
    slot = TaskSlot(0, "127.0.0.1", "1.1", str(tmp_path), list)
    agent = AgentContext(task, role, {"worker": ["127.0.0.1:1"]}, slot, orders, status, Standby())
    thread = threading.Thread(target=run_attempts, args=(agent,))
    thread.start()

    lines = []

    def num_dumps():
        lines.extend(status.beat().lines)
        return sum(line.endswith("(most recent call first):") for line in lines)

    wait_until(lambda: status.is_ready)
    orders.order = Reply("stacks")
    wait_until(lambda: num_dumps() == 1)
    time.sleep(0.6)  # the order stands, and was obeyed
    assert num_dumps() == 1
    orders.order = Reply()
    time.sleep(0.6)
    orders.order = Reply("stacks")
    wait_until(lambda: num_dumps() == 2)
    orders.order = Reply("stop", 0.0)
    thread.join()
    assert [end.error for end in orders.ends] == ["the driver ended the run, and it did not end within 0 s"]
