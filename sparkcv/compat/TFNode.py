"""What a program calls on its node: paths, its rows, its port. Names and defaults are TensorFlowOnSpark's."""

import getpass
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sparkcv import logs
from sparkcv.compat.manager import Manager
from sparkcv.errors import UsageError
from sparkcv.feeding.row_queue import END_OF_PARTITION, Taken

__all__ = [
    "DataFeed",
    "batch_results",
    "export_saved_model",
    "hdfs_path",
    "next_batch",
    "release_port",
    "start_cluster_server",
    "terminate",
]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_log = logs.get(__name__)


def hdfs_path(ctx: Any, path: str) -> str:
    """Return ``path`` with a scheme: without one it is on ``ctx.defaultFS``, if relative in the user's folder there."""
    if _SCHEME.match(path):  # of any store: stock knows ten, and takes those of others for folders of the default one
        return path
    default_fs = str(ctx.defaultFS)
    if path.startswith("/"):
        return default_fs + path
    if default_fs.startswith(("hdfs://", "viewfs://")):
        return f"{default_fs}/user/{getpass.getuser()}/{path}"
    if default_fs.startswith("file://"):
        return f"{default_fs}/{ctx.working_dir[1:]}/{path}"
    _log.warning("the default file system %s has a scheme of which no user's folder is known: %s", default_fs, path)
    return f"{default_fs}/{path}"


def release_port(ctx: Any) -> None:
    """Release the node's port for the program's own server; the agent keeps it from all other processes."""
    if ctx.tmp_socket is None:
        _log.warning("release_port() was called, but this node's port is held no more")
        return
    ctx.tmp_socket.close()
    ctx.tmp_socket = None


class DataFeed:
    """The rows that Spark feeds this node, in batches.

    ``train_mode`` is false for a program that answers each row by ``batch_results``. With ``input_mapping`` (column ->
    tensor) a batch is a dict by tensor, in the order of the sorted columns.
    """

    def __init__(
        self,
        mgr: Manager,
        train_mode: bool = True,
        qname_in: str = "input",
        qname_out: str = "output",
        input_mapping: Mapping[str, str] | None = None,
    ):
        """Raise UsageError where nothing is fed."""
        self.mgr, self.train_mode, self.qname_in, self.qname_out = mgr, train_mode, qname_in, qname_out
        self.done_feeding = False
        self.input_tensors = (
            None if input_mapping is None else [input_mapping[column] for column in sorted(input_mapping)]
        )
        self.queue_in = mgr.receiver.queue(qname_in)

    def next_batch(self, batch_size: int) -> Any:
        """Wait for up to ``batch_size`` rows; return a list, or a dict of lists by tensor.

        It is shorter at the end of the feeding and, if not in train mode, at the end of a partition. Raise DataError
        for a row that has not as many columns as there are tensors.
        """
        receiver = self.mgr.receiver
        rows: list[Any] = []
        while len(rows) < batch_size and not self.done_feeding:
            taken = self.queue_in.take(batch_size - len(rows))
            if taken is None:
                self.done_feeding = True
            elif isinstance(taken, Taken):
                rows += taken.rows
                if self.train_mode:
                    receiver.refuse_results(taken)
                else:
                    receiver.owe(taken)
            elif taken is END_OF_PARTITION and not self.train_mode and rows:
                break
        return rows if self.input_tensors is None else self._by_tensor(rows)

    def should_stop(self) -> bool:
        """Return whether the feeding is over: all was taken, or ``terminate`` was called."""
        return self.done_feeding

    def batch_results(self, results: Sequence[Any]) -> None:
        """Send one result for each row of the batches before, in their order.

        Raise DataError for more results than rows, or for one of a type that cannot be sent.
        """
        self.mgr.receiver.give(results)

    def terminate(self) -> None:
        """End the feeding of this node at once; drop the rows that wait, and have Spark's tasks bring no more."""
        self.done_feeding = True
        self.mgr.terminate()

    def _by_tensor(self, rows: Sequence[Any]) -> dict[str, list[Any]]:
        tensors = self.input_tensors or []
        for row in rows:
            if len(row) < len(tensors):
                raise UsageError(f"a row has {len(row)} columns, but input_mapping names {len(tensors)} tensors")
        return {tensor: [row[at] for row in rows] for at, tensor in enumerate(tensors)}


def start_cluster_server(ctx: Any, num_gpus: int = 1, rdma: bool = False) -> Any:
    """Refuse as stock does on TensorFlow 2: raise UsageError."""
    raise UsageError("start_cluster_server() is of TensorFlow 1: start a tf.distribute.Server on ctx.cluster_spec")


def export_saved_model(sess: Any, export_dir: str, tag_set: str, signatures: Mapping[str, Any]) -> None:
    """Refuse as stock does on TensorFlow 2: raise UsageError."""
    raise UsageError("export_saved_model() is of TensorFlow 1: use model.export() or tf.saved_model.save()")


def next_batch(mgr: Any, batch_size: int, qname: str = "input") -> Any:
    """Refuse as stock does: raise UsageError."""
    raise UsageError("TFNode.next_batch() is gone: use ctx.get_data_feed().next_batch()")


def batch_results(mgr: Any, results: Sequence[Any], qname: str = "output") -> None:
    """Refuse as stock does: raise UsageError."""
    raise UsageError("TFNode.batch_results() is gone: use ctx.get_data_feed().batch_results()")


def terminate(mgr: Any, qname: str = "input") -> None:
    """Refuse as stock does: raise UsageError."""
    raise UsageError("TFNode.terminate() is gone: use ctx.get_data_feed().terminate()")
