"""A Java process of Spark's for somebody who has none: who submits, and asks the API before and after."""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from sparkcv.errors import ClusterError

__all__ = ["java_alone"]

_END_S = 30


@contextlib.contextmanager
def java_alone(properties: Mapping[str, str]) -> Iterator[tuple[Any, Any]]:
    """Give a Java process and a SparkConf of it with ``properties``, over those of ``spark-defaults.conf``.

    It ends with the context. Raises ClusterError if Java does not start.
    """
    from pyspark import SparkConf
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    # spark-submit starts it, which would want what the properties say (templates, a pod's name): they come later.
    plain = SparkConf(loadDefaults=False).set("spark.master", "local").set("spark.ui.enabled", "false")
    try:
        gateway: Any = launch_gateway(conf=plain, popen_kwargs={"stderr": subprocess.DEVNULL})
    except PySparkRuntimeError as err:
        raise ClusterError(f"Java did not start ({err}); wanted Java 17 on the PATH or in JAVA_HOME") from err
    try:
        # Its own words are not for a user: what is wrong comes as an exception.
        logging = gateway.jvm.org.apache.logging.log4j
        logging.core.config.Configurator.setRootLevel(logging.Level.OFF)
        conf = gateway.jvm.org.apache.spark.SparkConf()
        for name, value in properties.items():
            conf.set(name, value)
        yield gateway.jvm, conf
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        try:
            gateway.proc.wait(_END_S)
        except subprocess.TimeoutExpired:  # how the submission ended is known, and not to be hidden by this
            gateway.proc.kill()
            gateway.proc.wait()
