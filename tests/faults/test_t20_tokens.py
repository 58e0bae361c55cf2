"""T20, S4, S8: a run on a secured HDFS and YARN that is longer than its first token lives, as an ordinary user.

The containers of the application have tokens that live less than two minutes. The job reads on until the first has
ended, with a stream open, then trains and exports; all the while one task of a scoring stage waits, and logs in anew at
the end. What its processes hold and write is looked at meanwhile. ``T20_LIVES_S`` is for about how many seconds more it
trains, 0 without it; 360 make the training and the scoring the six minutes of the case.
"""

import base64
import contextlib
import fnmatch
import os
import re
import stat
import urllib.request
import uuid
from pathlib import Path

import pytest

from sparkcv import storage, synthetic
from sparkcv.errors import AccessError
from sparkcv.storage.hdfs import tokens
from tests.faults.conftest import put_dataset
from tests.hadoop import wait_until
from tests.hadoop.kdc import REALM
from tests.hadoop.submit import PRIVATE, start_submit
from tests.predict.models import color_graph, write_folder
from tests.security.look import PAGES, TOLD
from tests.yarn.roles import assert_nothing_is_left, driver_log

pytestmark = [pytest.mark.hadoop, pytest.mark.spark, pytest.mark.tensorflow]
JOB = Path(__file__).with_name("programs") / "token_job.py"
NUM_PICTURES = 8
ROLES = [
    Path(__file__).parents[1] / "cluster" / "programs" / "token_programs.py",
    Path(__file__).with_name("paced.py"),
]
SECURED = PRIVATE | {
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


def put_pictures(folder, home):
    """Write a model that tells colors apart, and pictures for it."""
    write_folder(folder, color_graph(16))
    storage.publish_dir(folder, f"{home}/colors")
    for index in range(NUM_PICTURES):
        data = synthetic.encode(synthetic.draw(index % 3, index, 24), "jpeg")
        storage.write_bytes(f"{home}/pictures/{index}.jpg", data)


def submit(cluster, home, *words, **conf):
    keytab = ["--principal", f"alice@{REALM}", "--keytab", str(cluster.kdc.keytab_of("alice"))]
    return start_submit(
        cluster, JOB, ["--home", home, *words], options=keytab, py_files=ROLES, conf=SECURED | conf, timeout_s=1800
    )


def localized(cluster):
    """Every file below the NodeManager's folder, in which files come and go as one looks; ``rglob`` minds that."""
    for folder, _, names in os.walk(cluster.root / "nm-local"):
        yield from (Path(folder, name) for name in names)


def is_copy(path, data):
    with contextlib.suppress(OSError):  # it has just gone
        return path.stat().st_size == len(data) and path.read_bytes() == data
    return False


def secrets_of(cluster):
    """Every password of a token that lies on this machine now, in the ways in which it could be written down."""
    found = set()
    for path in localized(cluster):
        if "tokens" not in path.name:
            continue
        try:
            found |= {token.password for token in tokens.load(str(path))}
        except (OSError, ValueError):  # another file of such a name, or one that has just gone
            continue
    return {form for one in found for form in (one, one.hex().encode(), base64.b64encode(one)) if len(one) > 8}


def token_folders(app):
    names = f"*/{app.app_id}/*sparkcv-scratch-*/agent-*/tokens"
    return [path for path in localized(app._cluster) if fnmatch.fnmatchcase(str(path), names)]


def test_t20_a_run_outlives_its_tokens_and_without_the_refresh_it_says_so_and_stops(secured_cluster, home, tmp_path):
    put_dataset(tmp_path / "data", f"{home}/data")
    storage.write_bytes(f"{home}/stream", os.urandom(24 << 20))
    put_pictures(tmp_path / "colors", home)
    events = tmp_path / "events"
    events.mkdir()
    conf = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{events}",
        "spark.eventLog.compress": "false",
        "spark.ui.enabled": "true",
        "spark.ui.port": "0",
        "spark.executorEnv.CANARY": (canary := uuid.uuid4().hex),
    }
    lives_s = os.environ.get("T20_LIVES_S", "0")
    looked = tmp_path / "looked"
    words = ["--lives_s", lives_s, "--steps", "40" if lives_s == "0" else "400", "--looked", str(looked)]
    running = submit(secured_cluster, home, *words, **conf)
    try:
        wait_until(lambda: len(token_folders(running)) == 3, "two agents and a task of scoring with tokens", 300)
        first = {path: path.read_bytes() for path in token_folders(running)}
        look(running, first)
        seen = processes_of(running) | pages_of(running)
        wait_until(lambda: all(path.read_bytes() != old for path, old in first.items()), "newer tokens", 300)
        looked.touch()
        passwords = secrets_of(secured_cluster)
        assert running.exit_code == 0, driver_log(running)
    finally:
        running.end()
    said = driver_log(running)
    assert running.final_status == "SUCCEEDED"
    assert said.count("'is_whole': True") == 2
    assert re.search(r"trained to step \d{2,}", said)
    assert f"the token of alice@{REALM} for ha-hdfs:default is good until" in said
    # A task of scoring that began with the first token has logged in again after its end.
    report = storage.read_json(f"{home}/scores/dt=2026-01-01/_report.json")
    assert (report["num_predictions"], report["rejects"]) == (NUM_PICTURES, {"no file": 1})
    # S4: neither passwords of tokens nor keys stand where others look.
    logs = "\n".join(secured_cluster.container_logs(running.app_id).values()).encode() + running.output.encode()
    seen |= {"logs": logs, "events": b"".join(path.read_bytes() for path in events.rglob("*") if path.is_file())}
    assert b"SparkListenerStageSubmitted" in seen["events"]
    assert len(passwords) >= 6
    assert not [(place, form) for place, data in seen.items() for form in passwords if form in data]
    # What is given to executors as a variable is in all of these: they were read, and would have shown a password.
    shown = {place for place, data in seen.items() if canary.encode() in data}
    assert shown >= {"environ", "events", "told environment"}  # of which the page is made, by a browser
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
    """S8: modes, and where the keytab lies."""
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "YARN_AM_RM_TOKEN" not in {token.kind for token in tokens.load(str(path))}
        for spool in path.parent.parent.iterdir():
            assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    cluster = running._cluster
    key = cluster.kdc.keytab_of("alice").read_bytes()
    holders = [path for path in localized(cluster) if is_copy(path, key)]
    containers = [path for path in holders if "_000001" not in str(path) and "/container_" in str(path)]
    assert holders
    assert not containers


def processes_of(running):
    """The arguments and the environments of all its processes."""
    seen = {"cmdline": b"", "environ": b""}
    for pid in running.pids():
        for name in seen:
            with contextlib.suppress(OSError):  # it has just ended
                seen[name] += Path(f"/proc/{pid}/{name}").read_bytes()
    assert b"HADOOP_TOKEN_FILE_LOCATION=" in seen["environ"]
    return seen


def pages_of(running):
    """What Spark's web pages, and the JSON behind them, tell anybody."""
    url = f"http://{running._cluster.daemons['rm'].web}/proxy/{running.app_id}"
    places = {f"page {name}": f"{url}/{name}/" for name in PAGES}
    places |= {f"told {name}": f"{url}/api/v1/applications/{running.app_id}/{name}" for name in TOLD}
    seen = {}
    for place, address in places.items():
        with urllib.request.urlopen(address, timeout=300) as answer:
            seen[place] = answer.read()
    return seen
