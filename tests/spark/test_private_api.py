"""What this project uses of Spark beyond its public interface is there in the Spark that pyproject.toml pins.

No version of Spark promises these names. Before the pin moves: install the new version, run this file and the tests of
YARN, change what has moved, and only then ``CHECKED`` with the pin.
"""

import ast
import functools
import importlib.metadata
import inspect
import pathlib
import tomllib

import pyspark
import pytest
from packaging.requirements import Requirement
from pyspark.java_gateway import launch_gateway
from pyspark.sql import DataFrame, SparkSession

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKED = "4.3.0"

OF_CONTEXTS = (
    "_accumulatorServer",
    "_active_spark_context",
    "_ensure_initialized",
    "_gateway",
    "_jsc",
    "_jvm",
    "_lock",
)

_K8S = "org.apache.spark.deploy.k8s."
_YARN = "org.apache.spark.deploy.yarn."
_V1 = "org.apache.spark.status.api.v1."
METHODS = {  # the number of arguments of each, or the numbers where several are used
    "org.apache.spark.SparkContext": {
        "isStopped": 0,
        "maxNumConcurrentTasks": 1,
        "resourceProfileManager": 0,
        "statusStore": 0,
        "stop": 1,
    },
    "org.apache.spark.deploy.SparkHadoopUtil": {"newConfiguration": 1},
    f"{_K8S}SparkKubernetesClientFactory": {"createKubernetesClient": 6},
    f"{_K8S}SparkKubernetesClientFactory$ClientType$": {"Driver": 0, "Submission": 0},
    "io.fabric8.kubernetes.client.Config": {"autoConfigure": 1, "getContexts": 0},
    "io.fabric8.kubernetes.client.impl.BaseClient": {"getConfiguration": 0, "getMasterUrl": 0, "raw": 3},
    "org.apache.spark.deploy.security.HadoopDelegationTokenManager": {"obtainDelegationTokens": 1},
    f"{_YARN}ApplicationMaster": {
        "cleanupStagingDir": 1,
        "finish": 3,
        "org$apache$spark$deploy$yarn$ApplicationMaster$$allocator": 0,
        "registerAM": 5,
        "unregister": 2,
    },
    f"{_YARN}ApplicationMaster$": {
        "getAttemptId": 0,
        "org$apache$spark$deploy$yarn$ApplicationMaster$$master": 0,
    },
    f"{_YARN}YarnAllocator": {"getNumExecutorsRunning": 0, "getNumExecutorsStarting": 0},
    f"{_YARN}YarnRMClient": {"getMaxRegAttempts": 2},
    "org.apache.spark.network.util.JavaUtils": {"timeStringAsMs": 1},
    "org.apache.spark.resource.ResourceProfileManager": {"defaultResourceProfile": 0},
    "org.apache.spark.status.AppStatusStore": {"executorList": 1, "taskList": (3, 6)},
    f"{_V1}ExecutorSummary": {"hostPort": 0, "id": 0, "isActive": 0, "removeReason": 0},
    f"{_V1}TaskData": {"errorMessage": 0, "executorId": 0, "host": 0, "index": 0, "status": 0, "taskId": 0},
    "org.apache.spark.util.ShutdownHookManager": {"registerShutdownDeleteDir": 1},
}
FIELDS = {
    f"{_K8S}SparkKubernetesClientFactory$ClientType$": ("MODULE$",),
    f"{_YARN}ApplicationMaster": ("client", "registered", "yarnConf"),
    f"{_YARN}ApplicationMaster$": ("MODULE$",),
}


@functools.cache
def sources():
    return {
        path: path.read_text(encoding="utf-8") for room in ("sparkcv", "jobs") for path in (ROOT / room).rglob("*.py")
    }


def java_class(spark, name):
    java = spark.sparkContext._jvm.java.lang
    return java.Class.forName(name, False, java.Thread.currentThread().getContextClassLoader())


def test_the_pin_is_the_version_whose_names_were_checked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = (need for need in map(Requirement, project["dependencies"]) if need.name == "pyspark")
    assert str(pin.specifier) == f"=={CHECKED}", "a wider pin lets in a Spark whose private names nobody has looked at"
    assert importlib.metadata.version("pyspark") == CHECKED


def test_the_private_names_of_pyspark_are_there(spark):
    context = spark.sparkContext
    assert [name for name in OF_CONTEXTS if not hasattr(context, name)] == []
    assert "_jvm" in inspect.signature(pyspark.SparkConf).parameters
    assert "gateway" in inspect.signature(pyspark.SparkContext).parameters
    assert {"conf", "popen_kwargs"} <= set(inspect.signature(launch_gateway).parameters)
    from pyspark.daemon import manager
    from pyspark.find_spark_home import _find_spark_home

    assert not inspect.signature(manager).parameters
    assert pathlib.Path(_find_spark_home(), "jars").is_dir()


def test_no_other_private_name_of_pyspark_is_used(spark):
    theirs = {*dir(spark.sparkContext), *dir(spark), *dir(pyspark.SparkConf()), *dir(pyspark.RDD), *dir(DataFrame)}
    theirs |= {*dir(SparkSession.Builder)}
    theirs = {name for name in theirs if name.startswith("_") and not name.startswith("__")}
    used = set()
    for path, text in sources().items():
        nodes = ast.walk(ast.parse(text)) if "spark" in text else ()
        reads = (node for node in nodes if isinstance(node, ast.Attribute) and node.attr in theirs)
        used |= {(node.attr, path.name) for node in reads if getattr(node.value, "id", "") != "self"}
    assert sorted(found for found in used if found[0] not in OF_CONTEXTS) == []
    assert {name for name, _ in used} == set(OF_CONTEXTS), "a name of the list is used no more"


@pytest.mark.parametrize("name", METHODS)
def test_the_methods_that_are_called_in_java_are_there(spark, name):
    found = {}
    kind = java_class(spark, name)
    while kind is not None:
        for method in kind.getDeclaredMethods():
            found.setdefault(method.getName(), set()).add(method.getParameterCount())
        kind = kind.getSuperclass()
    counts = {method: {*count} if isinstance(count, tuple) else {count} for method, count in METHODS[name].items()}
    lost = {method: count for method, count in counts.items() if not count <= found.get(method, set())}
    assert lost == {}


@pytest.mark.parametrize("name", FIELDS)
def test_the_fields_that_are_read_in_java_are_there(spark, name):
    assert set(FIELDS[name]) <= {field.getName() for field in java_class(spark, name).getDeclaredFields()}


def test_the_token_manager_is_made_from_three_things(spark):
    manager = java_class(spark, "org.apache.spark.deploy.security.HadoopDelegationTokenManager")
    assert 3 in {maker.getParameterCount() for maker in manager.getConstructors()}


def test_the_list_of_java_names_has_none_that_is_used_no_more():
    text = "\n".join(sources().values())
    listed = {method for methods in METHODS.values() for method in methods} | {f for fs in FIELDS.values() for f in fs}
    assert sorted(name for name in listed if name not in text) == []
