"""The agent: the light Spark task beside each role's node process, without TensorFlow.

It holds the role's port, exchanges addresses with the other agents, and runs node processes on that port for as long
as the driver wants them. When it ends itself, in whichever way, its node process ends too.
"""

import contextlib
import os
import secrets

from sparkcv import storage
from sparkcv.channel.heartbeat import Heartbeat
from sparkcv.channel.messages import Hello
from sparkcv.channel.ports import hold_port
from sparkcv.cluster.agent_task import AgentTask
from sparkcv.cluster.attempts import AgentContext, run_attempts
from sparkcv.cluster.node_status import NodeStatus
from sparkcv.cluster.reaper import running_reaper
from sparkcv.cluster.role_log import LogUploader
from sparkcv.cluster.sigterm import sigterm_noted
from sparkcv.cluster.standby import Standby, adopting
from sparkcv.launchers import TaskSlot
from sparkcv.roles import Role, cluster_of
from sparkcv.spark.scratch import scratch_dir
from sparkcv.tokens.token_file import TokenFile, inherited

__all__ = ["log_name", "run_agent"]

_LOG_UPLOAD_TIMEOUT_S = 5.0


def log_name(role: Role) -> str:
    """Return the file name of a role's whole log, ``worker-1.log``: HDFS allows no colon in a path."""
    return f"{role.job}-{role.index}.log"


def run_agent(task: AgentTask, slot: TaskSlot) -> None:
    """Run one role from hello to end, in the Spark task's main thread.

    It returns when the driver knows how the role ended, well or not: what follows from that is up to the driver, and a
    failing Spark task would only make Spark try again. Raises ChannelError if the driver refuses this agent or cannot
    be told.
    """
    role = Role.parse(task.roles[slot.index])
    hello = Hello(
        role=str(role),
        generation=task.generation,
        agent=secrets.token_hex(8),
        host=slot.host,
        task=slot.task,
        pid=os.getpid(),
    )
    with sigterm_noted() as sigterm, contextlib.ExitStack() as stack:
        status = NodeStatus(sigterm)
        # Swept by the next agent there if this one is killed. Nothing is kept where HDFS wants no tokens.
        tokens = stack.enter_context(TokenFile(stack.enter_context(scratch_dir(slot.scratch_root))))
        if held := inherited():
            tokens.put(held)
        heartbeat = stack.enter_context(Heartbeat(task.driver, task.secret, hello, status.beat, tokens.put))
        port = stack.enter_context(hold_port(task.ports))
        addresses = slot.exchange(f"{slot.host}:{port}")
        cluster = cluster_of([(Role.parse(name), addresses[at]) for at, name in enumerate(task.roles)])
        if task.log_url:
            status.uploader = uploader = LogUploader(storage.join(task.log_url, log_name(role)))
            stack.callback(lambda: uploader.close(status.tail, _LOG_UPLOAD_TIMEOUT_S))
        mark = stack.enter_context(running_reaper(slot.scratch_root))
        status.standby = standby = Standby(mark, is_wanted=task.standby and not task.payload)
        if standby.is_wanted:
            stack.enter_context(adopting())
        stack.enter_context(standby)
        run_attempts(AgentContext(task, role, cluster, slot, heartbeat, status, standby))
