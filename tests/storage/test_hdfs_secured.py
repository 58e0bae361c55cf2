"""Storage on an HDFS with Kerberos and privacy, as an ordinary person; and each way in which one is not let in."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparkcv import storage
from sparkcv.errors import AccessError, UnavailableError
from sparkcv.storage.hdfs import sasl_probe
from sparkcv.storage.kerberos import kdc, ticket
from tests.hadoop.kinit import shift_clock, shift_ticket

pytestmark = pytest.mark.hadoop
ROOT = Path(__file__).parents[2]
WHO = r"alice@SPARKCV\.TEST"


@pytest.fixture
def log_in(secured_cluster, monkeypatch):
    """A function that logs this process in by a ticket cache, and returns a folder that only alice can read."""
    for key, value in secured_cluster.env.items():
        monkeypatch.setenv(key, value)

    def to(cache, wait_s=6):
        monkeypatch.setenv("KRB5CCNAME", str(cache))
        monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", str(wait_s))
        storage.clients._clients.clear()  # a client goes on with the connection of whoever was logged in before
        return f"{secured_cluster.url}/user/alice"

    yield to
    storage.clients._clients.clear()


def test_what_storage_does_it_does_with_a_ticket_too_and_nobody_else_can_look(secured_cluster, log_in, tmp_path):
    home = log_in(secured_cluster.kdc.login("alice"))
    data = os.urandom(3 << 20)
    storage.write_bytes(f"{home}/of-storage/data", data)
    assert storage.read_bytes(f"{home}/of-storage/data") == data
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "graph").write_bytes(data)
    storage.publish_dir(str(tmp_path / "model"), f"{home}/of-storage/model")
    assert storage.read_bytes(f"{home}/of-storage/model/graph") == data
    storage.rename(f"{home}/of-storage/data", f"{home}/of-storage/status.json")
    log_in(secured_cluster.kdc.login("bob"))
    with pytest.raises(AccessError, match="ermission denied: user=bob, access=EXECUTE"):
        storage.read_bytes(f"{home}/of-storage/status.json")
    (namenode,) = secured_cluster._rpc.values()
    assert sasl_probe.probe(namenode) == sasl_probe.SaslOffer(("TOKEN", "KERBEROS"), ("auth-conf",))
    assert sasl_probe.probe(secured_cluster.daemons["nn1"].web) is None
    assert abs(kdc.skew_s("SPARKCV.TEST")) < 2


def test_whoever_has_no_ticket_or_an_old_one_is_told_what_to_run(secured_cluster, log_in, tmp_path):
    home = log_in(tmp_path / "nothing")
    with pytest.raises(
        AccessError, match=r"neither a Kerberos ticket of \w+@SPARKCV\.TEST in .* run kinit \w+@SPARKCV"
    ):
        storage.exists(f"{home}/x")
    cache = secured_cluster.kdc.login("alice")
    shift_ticket(cache, -200_000)
    assert ticket.load(str(cache)).ends_s < time.time()
    log_in(cache)
    with pytest.raises(AccessError, match=rf"Ticket expired\): .* ticket of {WHO} in .* ended at .* run kinit {WHO}"):
        storage.exists(f"{home}/x")


def test_a_clock_that_is_wrong_is_told_with_the_realm(secured_cluster, log_in):
    cache = secured_cluster.kdc.login("alice")
    shift_clock(cache, 7200)
    home = log_in(cache)
    with pytest.raises(
        AccessError, match=rf"Clock skew too great\): the clocks .* SPARKCV\.TEST differ .* kinit {WHO}"
    ):
        storage.exists(f"{home}/x")


def test_a_namenode_that_wants_kerberos_and_privacy_says_so_at_once(secured_cluster, log_in, tmp_path, monkeypatch):
    home = log_in(secured_cluster.kdc.login("alice"), wait_s=100)
    folder = tmp_path / "conf"
    folder.mkdir()
    for name in ("core-site.xml", "hdfs-site.xml"):
        text = (secured_cluster.conf_dir / name).read_text()
        (folder / name).write_text(text.replace("<value>kerberos<", "<value>simple<"))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder))
    with pytest.raises(AccessError, match=rf"wants Kerberos and privacy, while .* is simple by .* run kinit {WHO}"):
        storage.exists(f"{home}/x")


def test_a_kdc_that_is_gone_for_good_ends_a_job_with_the_sentence(secured_cluster, log_in, tmp_path):
    home = log_in(secured_cluster.kdc.login("alice"), wait_s=2)
    with socket.socket() as closed:  # the real one must live on: nobody listens here
        closed.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{closed.getsockname()[1]}"
        config = tmp_path / "krb5.conf"
        config.write_text(secured_cluster.kdc.config.read_text().replace(secured_cluster.kdc.address, gone))
        command = [sys.executable, "-m", "jobs.train_image_classifier", "--dataset_dir", f"{home}/data"]
        command += ["--dataset_name", "shapes", "--train_dir", f"{home}/gone", "--model_name", "lenet"]
        env = os.environ | {"KRB5_CONFIG": str(config)}
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=300)
    said = rf"the KDC of realm SPARKCV\.TEST, {gone}, does not answer, so {WHO} cannot log in .* then run kinit {WHO}"
    assert re.search(rf"^train_image_classifier\.py: .*{said}", done.stderr, re.MULTILINE), done.stderr
    assert done.returncode == 1


EMBEDDED = """
from sparkcv.spark.session import spark_session
from sparkcv.errors import ClusterError
try:
    with spark_session("x", num_executors=1) as spark:
        print(spark.sparkContext._jvm.org.apache.hadoop.security.UserGroupInformation.getCurrentUser().toString())
except ClusterError as err:
    print(err)
"""


def test_an_embedded_spark_logs_in_by_the_configuration_of_kerberos_that_storage_takes(
    secured_cluster, log_in, tmp_path
):
    log_in(secured_cluster.kdc.login("alice"))
    (tmp_path / "empty.conf").touch()
    for config, said in (
        (str(secured_cluster.kdc.config), "alice@SPARKCV.TEST (auth:KERBEROS)"),
        (str(tmp_path / "empty.conf"), "embedded Spark did not start: Can't get Kerberos realm"),
    ):
        env = os.environ | {"KRB5_CONFIG": config, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", EMBEDDED], env=env, capture_output=True, text=True, timeout=300, check=True
        )
        assert done.stdout.strip().startswith(said), done.stdout + done.stderr


def test_a_kdc_that_is_silent_is_waited_for(secured_cluster, log_in):
    home = log_in(secured_cluster.kdc.login("alice"))
    silent = r"the KDC of realm SPARKCV\.TEST, 127\.0\.0\.1:\d+, does not answer, so alice@SPARKCV\.TEST cannot log in"
    secured_cluster.kdc.daemon.pause()
    try:
        with pytest.raises(UnavailableError, match=silent):
            storage.exists(f"{home}/x")
    finally:
        secured_cluster.kdc.daemon.resume()
    log_in(secured_cluster.kdc.login("alice"))
    assert not storage.exists(f"{home}/x")
