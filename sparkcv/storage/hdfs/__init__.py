"""HDFS as an fsspec file system over hdfs-native: no Java, and none of Hadoop's jars, in a Python process.

What hdfs-native does not bound, retry or say in a sentence is done here: each call runs on a thread of its own that
can be abandoned (workers.py), passing troubles are waited for and told (patience.py, link.py), its errors become ours
(trouble.py), streams resume where they broke (reader.py, writer.py).
"""

from sparkcv.storage.hdfs.filesystem import HdfsFileSystem

__all__ = ["HdfsFileSystem"]
