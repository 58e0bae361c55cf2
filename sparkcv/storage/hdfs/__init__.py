"""HDFS as an fsspec file system over hdfs-native: no Java, and none of Hadoop's jars, in a Python process.

It adds what hdfs-native lacks: each call runs on a thread of its own that can be abandoned (bounded_calls.py),
transient errors are retried and logged (retry.py, link.py), errors become a sentence (errors.py), and streams resume
where they broke (reader.py, writer.py).
"""

from sparkcv.storage.hdfs.filesystem import HdfsFileSystem

__all__ = ["HdfsFileSystem"]
