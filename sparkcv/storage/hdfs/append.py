"""Append to a file of HDFS exactly once, also when the answer to it was lost."""

from __future__ import annotations

from hdfs_native import Client

from sparkcv.storage.hdfs.errors import TransientError
from sparkcv.storage.hdfs.link import Link


def append(link: Link, path: str, data: bytes) -> None:
    """Append bytes to a file that is there; wait for another client that has it open for writing."""
    size = link.run(lambda client: client.get_file_info(path).length)
    is_ours = False

    def first(client: Client) -> None:
        nonlocal is_ours
        is_ours = True
        try:
            sink = client.inner.append(path)  # not client.append: see Link.create
        except FileExistsError:  # another client appends: its lease must not be taken away
            is_ours = False
            raise
        sink.write(data)
        sink.close()

    def again(client: Client) -> None:
        if not is_ours:
            first(client)
            return
        # The try before got anywhere, and still holds the lease.
        if not client.recover_lease(path):
            raise TransientError("lets one client write to a file at a time", "the last one is being ended")
        num_done = client.get_file_info(path).length - size
        if num_done < len(data):
            sink = client.inner.append(path)
            sink.write(data[max(0, num_done) :])
            sink.close()

    link.run(first, changes=True, moves_data=True, again=again)
