"""Defaults of new files and folders from Hadoop's configuration, which hdfs-native does not read for this."""

from __future__ import annotations

import re

from hdfs_native import WriteOptions

from sparkcv.storage.hadoop import HadoopConf

_SIZE = re.compile(r"(\d+)([kmgt]?)", re.IGNORECASE)
_UMASK = 0o022


def write_options(conf: HadoopConf) -> WriteOptions:
    """Return the options of a new file, which replaces one of that name.

    Replication and block size are the NameNode's own if the configuration names none.
    """
    replication = conf.values.get("dfs.replication", "")
    size = _SIZE.fullmatch(conf.values.get("dfs.blocksize", ""))
    return WriteOptions(
        overwrite=True,
        permission=0o666 & ~_umask(conf),
        replication=int(replication) if replication.isdigit() else None,
        block_size=int(size[1]) << 10 * " kmgt".index(size[2].lower() or " ") if size else None,
    )


def folder_mode(conf: HadoopConf) -> int:
    """Return the permissions of a new folder."""
    return 0o777 & ~_umask(conf)


def _umask(conf: HadoopConf) -> int:
    try:
        return int(conf.values.get("fs.permissions.umask-mode", ""), 8)
    except ValueError:  # it may be symbolic too, which hardly anybody writes
        return _UMASK
