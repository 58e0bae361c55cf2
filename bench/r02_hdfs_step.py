"""R2, with a training step: a worker fed from a real HDFS / the same from local files. Goal: at least 0.99.

Command (about 10 minutes on 2 cores)::

    python bench/r02_hdfs_step.py --photographs /data/imagenet

Inception v3 at 75 px, 60 steps of 16 in a new process each time, while the spool takes in a whole epoch of 2,000
photographs: that is more HDFS for each step than at 299 px. CPU seconds are those of process, NameNode and DataNode.
"""

import sys

import r02

if __name__ == "__main__":
    words = ["--image_size=75", "--train_steps=60"]
    sys.exit(r02.main(__doc__, "R2 HDFS-fed / local-fed, with a training step", ">= 0.99", words))
