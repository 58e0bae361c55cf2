"""Real HDFS and YARN daemons for tests, demo and benchmarks: a tool of its own that knows nothing of sparkcv.

``with hadoop(yarn=True) as cluster:`` starts them; ``python -m tests.hadoop`` does so for a person.
"""

from tests.hadoop.cluster import Hadoop, hadoop
from tests.hadoop.daemons import Daemon, wait_until

__all__ = ["Daemon", "Hadoop", "hadoop", "wait_until"]
