"""R2, input only: a worker's input fed from a real HDFS / the same from local files. Goal: at least 0.95.

Command (about 5 minutes on 2 cores)::

    python bench/r02_hdfs_input.py --photographs /data/imagenet

The whole training input of Inception v3 at 299 px, one epoch in a new process each time. The CPU seconds are those of
the process, the NameNode and the DataNode.
"""

import sys

import r02

if __name__ == "__main__":
    sys.exit(r02.main(__doc__, "R2 HDFS-fed / local-fed, input only", ">= 0.95", ["--image_size=299"]))
