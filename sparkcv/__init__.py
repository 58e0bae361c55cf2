"""sparkcv: TensorFlow vision models trained and run where the images are, on a Spark cluster next to HDFS.

Importing this package loads neither TensorFlow nor pyspark: a driver or a Spark task that only needs a name from
here must not pay seconds and half a gigabyte for it.
"""

from sparkcv.errors import SparkcvError

__version__ = "0.1.0"

__all__ = ["SparkcvError", "__version__"]
