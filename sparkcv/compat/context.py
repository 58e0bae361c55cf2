"""The ``ctx`` of a program: its role, its cluster, its rows, and storage that TensorFlow cannot reach."""

import os
import socket
from collections.abc import Mapping
from typing import Any

from sparkcv.compat import TFNode
from sparkcv.errors import UsageError

__all__ = ["TFNodeContext"]

_TRAINERS = ("master", "chief", "worker")


class TFNodeContext:
    """One node of a cluster.

    Attributes:
        executor_id: 0..num_executors-1: ps, then chief, evaluator and workers; worker_num is the same.
        job_name: "ps", "worker", "evaluator", or what the program calls its chief.
        task_index: 0 for the first of its job.
        cluster_spec: job -> ["host:port", ...].
        num_workers: of all that train, the chief included.
        defaultFS: Spark's default file system.
        working_dir: of the driver.
        mgr: the node's queues and state.
        tmp_socket: holds the node's port where the program is to call release_port() itself; else None.
    """

    def __init__(
        self,
        executor_id: int = 0,
        job_name: str = "",
        task_index: int = 0,
        cluster_spec: Mapping[str, list[str]] | None = None,
        defaultFS: str = "file://",
        working_dir: str = ".",
        mgr: Any = None,
        tmp_socket: socket.socket | None = None,
        scratch_dir: str = "",
    ):
        self.worker_num = self.executor_id = executor_id
        self.job_name, self.task_index = job_name, task_index
        self.cluster_spec = dict(cluster_spec or {})
        self.num_workers = sum(len(nodes) for job, nodes in self.cluster_spec.items() if job in _TRAINERS)
        self.defaultFS, self.working_dir = defaultFS, working_dir
        self.mgr, self.tmp_socket = mgr, tmp_socket
        self._scratch_dir, self._num_staged = scratch_dir, 0

    def absolute_path(self, path: str) -> str:
        """Call ``TFNode.hdfs_path`` for this node."""
        return TFNode.hdfs_path(self, path)

    def get_data_feed(
        self,
        train_mode: bool = True,
        qname_in: str = "input",
        qname_out: str = "output",
        input_mapping: Mapping[str, str] | None = None,
    ) -> TFNode.DataFeed:
        """Return the rows that Spark feeds this node; see ``TFNode.DataFeed``."""
        return TFNode.DataFeed(self.mgr, train_mode, qname_in, qname_out, input_mapping)

    def start_cluster_server(self, num_gpus: int = 1, rdma: bool = False) -> Any:
        """Call ``TFNode.start_cluster_server`` for this node."""
        return TFNode.start_cluster_server(self, num_gpus, rdma)

    def export_saved_model(self, sess: Any, export_dir: str, tag_set: str, signatures: Mapping[str, Any]) -> None:
        """Call ``TFNode.export_saved_model``."""
        TFNode.export_saved_model(sess, export_dir, tag_set, signatures)

    def release_port(self) -> None:
        """Call ``TFNode.release_port`` for this node."""
        TFNode.release_port(self)

    def stage(self, url: str) -> str:
        """Return a local path to read the file or folder at ``url`` from; a local one is returned as it is.

        A copy lies in the node's own folder and goes with it. Raise StorageError if it cannot be read.
        """
        from sparkcv import storage  # a second that most programs need not wait for

        url = self._url(url)
        local = storage.local_path(url)
        if local is not None:
            if not os.path.exists(local):
                storage.size(url)  # raises, in storage's words
            return local
        self._num_staged += 1
        target = os.path.join(self._scratch_dir, f"staged-{self._num_staged}", storage.basename(url))
        os.makedirs(os.path.dirname(target))
        if storage.is_dir(url):
            storage.fetch_dir(url, target)
        else:
            storage.fetch(url, target)
        return target

    def publish(self, local: str, url: str) -> str:
        """Publish a local file or folder at ``url``, whole or not at all, and return the URL.

        Raise UsageError if there is nothing at ``local``, and StorageError if it cannot be written.
        """
        from sparkcv import storage

        url = self._url(url)
        if os.path.isdir(local):
            storage.publish_dir(local, url, overwrite=True)  # a node that was started again publishes again
        elif os.path.isfile(local):
            storage.publish(local, url)
        else:
            raise UsageError(f"publish() puts a local file or folder into storage, and there is none at {local!r}")
        return url

    def _url(self, url: str) -> str:
        return (url if "://" in url else self.absolute_path(url)).rstrip("/")
