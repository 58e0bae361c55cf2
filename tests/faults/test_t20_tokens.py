"""T20, S4, S8: a run on a secured HDFS and YARN that is longer than its first token lives, as an ordinary user.

The containers of the application have tokens that live less than two minutes. The job reads on until the first has
ended, with a stream open, then trains, exports and scores; what its processes hold and write is looked at meanwhile.
``T20_LIVES_S`` is for how many seconds more it reads on, 0 without it; 260 make it the six minutes of the case.
"""

import base64
import os
import re
import stat
from pathlib import Path

import pytest

from sparkcv import storage
from sparkcv.errors import AccessError
from sparkcv.storage.hdfs import tokens
from tests.faults.conftest import put_dataset
from tests.hadoop import wait_until
from tests.hadoop.kdc import REALM
from tests.hadoop.submit import start_submit
from tests.yarn.roles import assert_nothing_is_left, driver_log

pytestmark = [pytest.mark.hadoop, pytest.mark.spark, pytest.mark.tensorflow]
JOB = Path(__file__).with_name("programs") / "token_job.py"
ROLES = Path(__file__).parents[1] / "cluster" / "programs" / "token_programs.py"
# What an operator sets who does not trust the network.
SECURED = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.io.encryption.enabled": "true",
    "spark.sparkcv.allowUnauthenticatedGrpc": "true",
    "spark.executor.memoryOverhead": "1600m",
    "spark.yarn.maxAppAttempts": "1",
}


@pytest.fixture
def home(secured_cluster, monkeypatch, tmp_path):
    """Alice's private folder, which this process reads with her ticket."""
    for key, value in secured_cluster.env.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("KRB5CCNAME", str(secured_cluster.kdc.login("alice")))
    storage.clients._clients.clear()
    yield f"{secured_cluster.url}/user/alice"
    storage.clients._clients.clear()


def submit(cluster, home, *words, **conf):
    keytab = ["--principal", f"alice@{REALM}", "--keytab", str(cluster.kdc.keytab_of("alice"))]
    return start_submit(
        cluster, JOB, ["--home", home, *words], options=keytab, py_files=[ROLES], conf=SECURED | conf, timeout_s=900
    )


def secrets_of(cluster):
    """Every password of a token that lies on this machine now, in the ways in which it could be written down."""
    found = set()
    for path in (cluster.root / "nm-local").rglob("*tokens*"):
        try:
            found |= {token.password for token in tokens.load(str(path))}
        except (OSError, ValueError):  # another file of such a name, or one that has just gone
            continue
    return {form for one in found for form in (one, one.hex().encode(), base64.b64encode(one)) if len(one) > 8}


def token_folders(app):
    return list((app._cluster.root / "nm-local").rglob(f"{app.app_id}/**/sparkcv-scratch-*/agent-*/tokens"))


def test_t20_a_run_outlives_its_tokens_and_without_the_refresh_it_says_so_and_stops(secured_cluster, home, tmp_path):
    put_dataset(tmp_path / "data", f"{home}/data")
    storage.write_bytes(f"{home}/stream", os.urandom(24 << 20))
    events = tmp_path / "events"
    events.mkdir()
    conf = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{events}",
        "spark.eventLog.compress": "false",
    }
    running = submit(secured_cluster, home, "--lives_s", os.environ.get("T20_LIVES_S", "0"), **conf)
    try:
        wait_until(lambda: len(token_folders(running)) == 2, "two agents with tokens", 300)
        files = token_folders(running)
        seen = look(running, files)
        first = [path.read_bytes() for path in files]
        wait_until(lambda: files[0].read_bytes() != first[0], "newer tokens", 300)
        passwords = secrets_of(secured_cluster)
        assert running.exit_code == 0, driver_log(running)
    finally:
        running.end()
    said = driver_log(running)
    assert running.final_status == "SUCCEEDED"
    assert said.count("'is_whole': True") == 2
    assert re.search(r"trained to step 4\d", said)
    assert f"the token of alice@{REALM} for ha-hdfs:default is good until" in said
    report = storage.read_json(f"{home}/scores/dt=2026-01-01/_report.json")
    assert report["num_predictions"] == 96
    # S4: neither passwords of tokens nor keys stand where others look.
    written = "\n".join(secured_cluster.container_logs(running.app_id).values()).encode() + running.output.encode()
    written += b"".join(path.read_bytes() for path in events.rglob("*") if path.is_file())
    assert b"SparkListenerStageSubmitted" in written
    assert len(passwords) >= 6
    assert not [form for form in passwords if form in written or form in seen]
    assert_nothing_is_left(running)
    assert not token_folders(running)
    # Nobody else reads what a private run left.
    assert storage.read_json(f"{home}/run/status.json")["state"] == "finished"
    with_ticket_of(secured_cluster, "bob")
    with pytest.raises(AccessError, match="user=bob"):
        storage.read_bytes(f"{home}/run/status.json")
    with_ticket_of(secured_cluster, "alice")

    stopped = submit(
        secured_cluster, home, "--is_stopped", "--steps", "1000000", **{"spark.sparkcv.refreshTokens": "false"}
    )
    try:
        assert stopped.exit_code != 0
    finally:
        stopped.end()
    said = driver_log(stopped)
    ends = rf"what alice@{REALM} logs in to HDFS with ends at .*, as nothing renews it; submit with --principal alice"
    assert re.search(rf"training: {ends}", said), said
    assert re.search(rf"scoring: {ends}", said), said


def with_ticket_of(cluster, name):
    os.environ["KRB5CCNAME"] = str(cluster.kdc.login(name))  # the fixture sets it back
    storage.clients._clients.clear()


def look(running, files):
    """S8: modes, and where the keytab lies; returns the arguments and environments of all its processes."""
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "YARN_AM_RM_TOKEN" not in {token.kind for token in tokens.load(str(path))}
        for spool in path.parent.parent.iterdir():
            assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    cluster = running._cluster
    key = cluster.kdc.keytab_of("alice").read_bytes()
    holders = [
        path
        for path in (cluster.root / "nm-local").rglob("*")
        if path.is_file() and path.stat().st_size == len(key) and path.read_bytes() == key
    ]
    containers = [path for path in holders if "_000001" not in str(path) and "/container_" in str(path)]
    assert holders
    assert not containers
    seen = b""
    for pid in running.pids():
        for name in ("cmdline", "environ"):
            try:
                seen += Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                continue
    assert b"HADOOP_TOKEN_FILE_LOCATION=" in seen
    return seen
