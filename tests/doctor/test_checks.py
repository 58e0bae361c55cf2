"""Every check on facts that are well, and on facts with one thing wrong: the status, what is said, and the advice."""

import dataclasses

import pytest

from sparkcv.doctor import checks
from sparkcv.doctor.facts import Silent, Step
from sparkcv.doctor.finding import APPLICATION, DRIVER, FAIL, OK, WARNING, Location
from sparkcv.doctor.machine import PACKAGES
from sparkcv.doctor.quick import refuse
from sparkcv.errors import UsageError
from tests.doctor.cases import GB, VERSIONS, dataset, facts, machine, spark


def judged(some, which=checks.ALL) -> list:
    return list(checks.judge(some, which))


def without(name: str) -> dict:
    return {"versions": {key: value for key, value in VERSIONS.items() if key != name}}


def failed(name: str, kind: str) -> tuple[Step, ...]:
    return (Step("list", 0.0), Step(name, 0.0, f"cannot {name} it", kind))


def test_facts_that_are_well_give_no_failure_and_warn_of_security_only():
    findings = judged(facts())
    assert [finding for finding in findings if finding.status == FAIL] == []
    assert {finding.check for finding in findings if finding.status == WARNING} == {"security"}
    names = (
        "settings slots versions tensorflow run train_dir dataset_dir token ports clock disk shm memory gpus grpc"
        " security"
    )
    assert list(dict.fromkeys(finding.check for finding in findings)) == names.split()
    everywhere = {"versions", "tensorflow", "train_dir", "dataset_dir", "token", "ports", "clock", "disk", "shm"}
    for check in everywhere:
        places = {finding.place.name for finding in findings if finding.check == check}
        assert places >= {"1", "2", "3"}, check


def test_a_launcher_that_unpickles_from_the_network_is_warned_of_and_refused_where_nobody_is_to_be_trusted():
    stock = {"launcher": "tensorflowonspark"}
    (found,) = [one for one in judged(facts(flags=stock)) if one.check == "launcher"]
    assert (found.status, found.place) == (WARNING, DRIVER)
    assert "unpickles what anybody sends it" in found.found
    (found,) = judged_launcher({"spark.sparkcv.allowUnauthenticatedGrpc": "false"}, stock)
    assert found.status == FAIL
    assert "leave --launcher at barrier" in found.advice
    assert judged_launcher({}, {}) == []


def judged_launcher(conf, flags) -> list:
    return [one for one in judged(facts(conf=conf, flags=flags)) if one.check == "launcher"]


ON_EXECUTOR = [
    ({"python": "3.12.1"}, "versions", FAIL, "Python 3.12.1, the driver runs 3.11.9", "build_zip.sh"),
    ({"import_error": "No module named 'sparkcv'"}, "versions", FAIL, "No module named 'sparkcv'", "--py-files"),
    (
        {"import_error": "No module named 'fsspec'", "executable": "/usr/bin/python3", "python": "3.11.9"},
        "versions",
        FAIL,
        "No module named 'fsspec' (Python is /usr/bin/python3, 3.11.9; the driver's is ",
        "spark.pyspark.python",
    ),
    ({"archive": "the archive needs glibc 2.39"}, "versions", FAIL, "glibc 2.39", "oldest node"),
    ({"source": "other"}, "versions", WARNING, "other source files", "build_zip.sh"),
    ({"versions": VERSIONS | {"sparkcv": "0.0.9"}}, "versions", FAIL, "sparkcv 0.0.9, the driver has", "--py-files"),
    ({"versions": VERSIONS | {"tensorflow": "2.20.0"}}, "versions", FAIL, "tensorflow 2.20.0", "--archives"),
    ({"versions": VERSIONS | {"numpy": "1.0.1"}}, "versions", WARNING, "numpy 1.0.1, the driver has 1.0", "--archives"),
    (without("psutil"), "versions", FAIL, "psutil is missing", "Python.zip"),
    (without("hdfs-native"), "versions", FAIL, "hdfs-native is missing", "Python.zip"),
    (without("pyarrow"), "versions", WARNING, "pyarrow is missing: training works", "Python.zip"),
    ({"role_error": "killed by signal 4 (an illegal instruction)"}, "tensorflow", FAIL, "signal 4", "this CPU"),
    ({"role_error": "libz.so: cannot open shared library"}, "tensorflow", FAIL, "libz.so", "LD_LIBRARY_PATH"),
    ({"files": failed("write", "AccessError")}, "train_dir", FAIL, "cannot write it", "chown"),
    ({"files": failed("list", "DataError")}, "train_dir", FAIL, "cannot list it", "every host sees"),
    ({"files": failed("write", "FullError")}, "train_dir", FAIL, "cannot write it", "quota"),
    ({"files": failed("list", "UnavailableError")}, "train_dir", FAIL, "cannot list it", "NameNode"),
    ({"dataset": failed("read", "MissingFileError")}, "dataset_dir", FAIL, "cannot read it", "every host sees"),
    ({"tokens": "/t", "tokens_error": "No such file"}, "token", FAIL, "/t, cannot be read", "submit again"),
    ({"driver_error": "h:1: refused", "clock_s": None}, "ports", FAIL, "cannot be reached at h:1", "spark.driver.host"),
    ({"bind_error": "host-2: Cannot assign"}, "ports", FAIL, "cannot listen", "SPARK_LOCAL_IP"),
    ({"peer": "host-3:7", "peer_error": "timed out"}, "ports", FAIL, "host-3:7: timed out", "firewalls"),
    ({"clock_s": -1.5}, "clock", WARNING, "behind the driver's", "chrony"),
    ({"clock_s": 400.0}, "clock", FAIL, "ahead of the driver's", "chrony"),
    ({"scratch_error": "Read-only file system"}, "disk", FAIL, "Read-only file system", "spark.local.dir"),
    ({"scratch_free": GB // 10}, "disk", FAIL, "free on the disk at /", "--spool_bytes"),
    ({"shm_free": None}, "shm", WARNING, "no /dev/shm", "tmpfs"),
    ({"shm_free": 10**6}, "shm", WARNING, "free in /dev/shm", "--shm-size"),
    ({"address_space": GB}, "memory", FAIL, "RLIMIT_AS", "ulimit"),
]


@pytest.mark.parametrize(("changes", "check", "status", "found", "advice"), ON_EXECUTOR)
def test_what_is_wrong_on_one_executor_is_told_of_that_one_with_its_advice(changes, check, status, found, advice):
    findings = [one for one in judged(facts(executor=changes)) if one.check == check and one.status != OK]
    assert {one.place for one in findings} == {Location("2", "host-2", True)}
    (finding,) = findings
    assert finding.status == status
    assert found in finding.found
    assert advice in finding.advice


OF_THE_APPLICATION = [
    ({"conf": {"spark.dynamicAllocation.enabled": "true"}}, "settings", FAIL, "start together", "--num-executors 3"),
    ({"conf": {"spark.speculation": "true"}}, "settings", WARNING, "exempt", "spark.speculation=false"),
    ({"conf": {"spark.executor.pyspark.memory": "2g"}}, "settings", FAIL, "RLIMIT_AS", "memoryOverhead"),
    ({"app": {"slots_now": 2, "slots_most": 2}}, "slots", FAIL, "asked for 2", "--num-executors 3"),
    ({"app": {"slots_now": 2}}, "slots", FAIL, "only 2 are there", "--queue"),
    ({"app": {"slots_most": 5}}, "slots", WARNING, "not granted the other 2", "fewer executors"),
    (
        {"app": {"slots_now": 2, "slots_most": 2, "executors_asked": 1}, "flags": {"cluster_size": 4}},
        "slots",
        FAIL,
        "asked for 2",
        "--num-executors 2",
    ),
    ({"app": {"master": "local[2]", "slots_now": 2, "slots_most": 2}}, "slots", FAIL, "asked for 2", "local[3]"),
    ({"conf": {"spark.executor.memoryOverhead": "600m"}}, "memory", WARNING, "may be killed", "memoryOverhead="),
    (
        {"conf": {"spark.executor.memoryOverhead": "384m"}, "flags": {"train_image_size": 299, "batch_size": 32}},
        "memory",
        FAIL,
        "will be killed",
        "memoryOverhead=",
    ),
    (
        {
            "app": {"limits_mb": (1, 2048)},
            "conf": {"spark.executor.memoryOverhead": "384m"},
            "flags": {"batch_size": 99},
        },
        "memory",
        FAIL,
        "will be killed",
        "YARN's largest container has 2048 MiB",
    ),
]


@pytest.mark.parametrize(("changes", "check", "status", "found", "advice"), OF_THE_APPLICATION)
def test_what_is_wrong_with_the_application_is_told_once_with_its_advice(changes, check, status, found, advice):
    (finding,) = [one for one in judged(facts(**changes)) if one.check == check and one.status != OK]
    assert finding.place == APPLICATION
    assert finding.status == status
    assert found in finding.found
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("why", "advice"),
    [
        ("the executors run Python 3.12, wanted the same minor version on both", "build_zip.sh"),
        ("the executors' Python Python/bin/python3 does not start: No such file", "--archives"),
        ("ModuleNotFoundError: No module named 'pyspark'", "--archives"),
        ("the examination did not end within 480 s", "--examination_timeout_s"),
        ("Container killed by YARN. 925.9 MB of 896 MB physical memory used.", "spark.executor.memoryOverhead="),
        ("ExecutorLostFailure", "log"),
    ],
)
def test_an_executor_that_told_nothing_is_a_failure_with_sparks_reason(why, advice):
    silent = Silent(Location("7", "host-7", True), why)
    (finding,) = [one for one in judged(facts(silent=(silent,))) if one.status == FAIL]
    assert finding.place == silent.place
    assert why in finding.found
    assert advice in finding.advice


def test_an_executor_that_was_given_up_for_anothers_failure_is_no_failure_of_its_own():
    others = Silent(Location("7", "host-7", True), "given up when that of others failed", is_own=False)
    (finding,) = [one for one in judged(facts(silent=(others,))) if one.place == others.place]
    assert finding.status == WARNING


def test_what_the_training_job_says_of_its_flags_and_data_is_a_failure_of_the_run():
    findings = judged(facts(complaints=("no shards in /data",), dataset=None))
    (finding,) = [one for one in findings if one.status == FAIL]
    assert (finding.check, finding.place, finding.found) == ("run", DRIVER, "no shards in /data")


def test_a_clock_is_not_blamed_for_the_way_there_and_back():
    statuses = {
        one.status for one in judged(facts(executor={"clock_s": 2.0, "clock_error_s": 1.5})) if one.check == "clock"
    }
    assert statuses == {OK}


def test_roles_on_one_host_share_its_disk_and_its_memory():
    one_host = tuple(
        machine(name, place=Location(name, "host", True), scratch_free=GB, memory_free=4 * GB) for name in "123"
    )
    app = {"master": "spark://host:7077"}
    findings = judged(facts(executors=one_host, dataset=dataset(4 * 10**8), app=app))
    assert {one.status for one in findings if one.check == "disk"} == {FAIL}
    assert {one.status for one in findings if one.check == "memory"} == {WARNING}
    apart = tuple(
        dataclasses.replace(one, place=Location(one.place.name, f"h{one.place.name}", True)) for one in one_host
    )
    findings = judged(facts(executors=apart, dataset=dataset(4 * 10**8), app=app))
    assert {one.status for one in findings if one.check in ("disk", "memory")} == {OK}


def test_two_roles_in_one_executor_share_its_container():
    app = {"slots_now": 4, "slots_most": 4, "executors_asked": 2, "executors": {"1": "a", "2": "b"}}
    tight = {"spark.executor.memoryOverhead": "2g"}
    assert _memory(facts(conf=tight)) == OK
    assert _memory(facts(conf=tight, app=app)) != OK


def test_an_executor_is_not_given_the_roles_of_those_that_are_still_to_come():
    app = {"slots_now": 1, "executors": {"1": "host-1"}}
    some = facts(conf={"spark.executor.memoryOverhead": "1536m"}, app=app, executors=(machine("1"),))
    assert _memory(some) == OK
    assert "has to hold a worker of" in next(one.found for one in judged(some) if one.check == "memory")
    assert {one.status for one in checks.judge(some, checks.SETTINGS_FIRST)} == {OK}
    (one,) = (one for one in judged(some) if one.check == "disk")
    (of_three,) = (one for one in judged(facts()) if one.check == "disk" and one.place == machine("1").place)
    assert one.found == of_three.found
    assert dataclasses.replace(some, spark=spark(executors={}, slots_now=0, executors_asked=2)).roles_each == 2


def test_only_what_cannot_hold_tensorflow_and_the_weights_keeps_a_run_from_being_tried():
    large = {"flags": {"train_image_size": 299, "batch_size": 32}}
    for overhead, quick, full in (("2g", WARNING, FAIL), ("1m", FAIL, FAIL), ("9g", OK, OK)):
        some = facts(conf={"spark.executor.memoryOverhead": overhead, "spark.executor.memory": "512m"}, **large)
        assert _memory(some) == full
        quickly = list(checks.judge(some, checks.SETTINGS_FIRST))
        assert next(one.status for one in quickly if one.check == "memory") == quick


def _memory(some) -> str:
    return next(one.status for one in judged(some) if one.check == "memory")


def test_without_hdfs_neither_tokens_nor_its_client_are_asked_for():
    findings = judged(facts(uses_hdfs=False, hadoop={}, executor=without("hdfs-native")))
    assert not [one for one in findings if one.check == "token" or one.place.name == "HDFS"]
    assert not [one for one in findings if one.status == FAIL]


def test_kerberos_without_a_token_fails_and_with_one_is_well():
    secured = {"hadoop.security.authentication": "kerberos", "hadoop.rpc.protection": "privacy"}
    secured["dfs.data.transfer.protection"] = "privacy"
    findings = [one for one in judged(facts(hadoop=secured)) if one.check == "token"]
    assert {one.status for one in findings} == {FAIL}
    assert "--keytab" in findings[0].advice
    with_tokens = tuple(machine(name, tokens="/container/tokens") for name in "123")
    findings = judged(facts(hadoop=secured, executors=with_tokens))
    assert {one.status for one in findings if one.check == "token"} == {OK}
    assert {one.status for one in findings if one.place.name == "HDFS"} == {OK}
    findings = judged(facts(hadoop=secured, app={"master": "local-cluster[3,1,1024]"}))
    assert {one.status for one in findings if one.check == "token"} == {OK}  # a ticket serves all of one machine


def test_hdfs_without_kerberos_and_every_setting_of_spark_that_is_off_are_said_aloud():
    findings = [one for one in judged(facts(conf={"spark.authenticate": "false"})) if one.check == "security"]
    said = "\n".join(f"{one.status} {one.found} {one.advice}" for one in findings)
    for word in (
        "warning spark.authenticate is off",
        "warning Spark's traffic is not encrypted",
        "warning Spark's temporary files are not encrypted",
        "warning the web page shows the job to everybody",
        "warning hadoop.security.authentication is simple: anyone",
        "warning calls are not encrypted (hadoop.rpc.protection=authentication)",
        "warning blocks travel unencrypted",
    ):
        assert word in said
    on = {
        "spark.authenticate": "true",
        "spark.network.crypto.enabled": "true",
        "spark.io.encryption.enabled": "true",
        "spark.acls.enable": "true",
        "spark.ui.view.acls": "boss",
    }
    of_spark = [one for one in judged(facts(conf=on)) if one.place.name == "Spark"]
    assert {one.status for one in of_spark} == {OK}
    assert "boss" in of_spark[-1].found
    bare = [one for one in judged(facts(conf=on | {"spark.redaction.regex": "nothing"})) if one.place.name == "Spark"]
    assert bare[-1].status == WARNING
    assert "redaction" in bare[-1].found


@pytest.mark.parametrize(
    ("gpus", "devices", "status", "found"),
    [
        ((), 0, FAIL, "0 GPU devices"),
        ((), 1, WARNING, "Spark gives a task 0 GPUs"),
        (("0",), 1, OK, "GPUs 0"),
    ],
)
def test_gpus_are_looked_at_only_where_they_are_asked_for(gpus, devices, status, found):
    executors = tuple(machine(name, gpus=gpus, gpu_devices=devices) for name in "123")
    asked = [one for one in judged(facts(executors=executors, flags={"num_gpus": 1})) if one.check == "gpus"]
    assert {one.status for one in asked} == {status}
    assert found in asked[0].found
    (none,) = [one for one in judged(facts(executors=executors, flags={"num_gpus": 0})) if one.check == "gpus"]
    assert none.status == OK


@pytest.mark.parametrize(
    ("flags", "devices", "said"),
    [
        (
            {"num_clones": 2},
            (0, 0, 1),
            "--num_clones 2 wants a GPU for each tower of a worker, no executor's machine has more than 1; wanted",
        ),
        (
            {"num_gpus": 4},
            (0, 2, 0),
            "--num_gpus 4 wants a GPU for each tower of a worker, no executor's machine has more than 2; wanted",
        ),
        ({"num_clones": 2}, (0, 2, 0), None),
        ({"num_clones": 2, "clone_on_cpu": True}, (0, 0, 0), None),
        ({"num_gpus": 0, "num_clones": 2}, (0, 0, 0), None),
        ({}, (0, 0, 0), None),
    ],
)
def test_more_towers_than_devices_are_told_before_a_role_starts(flags, devices, said):
    executors = tuple(machine(name, gpu_devices=count) for name, count in zip("123", devices, strict=True))
    surely = [one for one in judged(facts(executors=executors, flags=flags), checks.QUICK) if one.check == "gpus"]
    if said is None:
        assert surely == []
        return
    with pytest.raises(UsageError, match=said):
        refuse(surely)


def test_every_finding_that_is_not_well_names_a_advice():
    spoiled = [facts(executor=changes) for changes, *_ in ON_EXECUTOR]
    spoiled += [facts(**changes) for changes, *_ in OF_THE_APPLICATION]
    for some in spoiled:
        assert [one for one in judged(some) if one.status != OK and not one.advice] == []


def test_the_packages_that_are_compared_are_those_that_the_project_needs():
    assert set(PACKAGES) == VERSIONS.keys() - {"sparkcv"}
