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
        with _untranslated(gateway):
            yield gateway.jvm, conf
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        try:
            gateway.proc.wait(_END_S)
        except subprocess.TimeoutExpired:  # how the submission ended is known, and not to be hidden by this
            gateway.proc.kill()
            gateway.proc.wait()


@contextlib.contextmanager
def _untranslated(gateway: Any) -> Iterator[None]:
    """Raise this Java's errors as py4j does.

    Once this process had a session, PySpark 4 asks the session's Java what each error is, of whichever Java it comes:
    that one does not know it, and after the session there is none to ask.
    """
    from py4j import java_gateway, protocol

    translating, client = java_gateway.get_return_value, gateway._gateway_client

    def return_value(answer: str, gateway_client: Any, *args: Any) -> Any:
        read = protocol.get_return_value if gateway_client is client else translating
        return read(answer, gateway_client, *args)

    java_gateway.get_return_value = return_value
    try:
        yield
    finally:
        if java_gateway.get_return_value is return_value:
            java_gateway.get_return_value = translating
