"""The daemons' fixture keeps its own promises: a real file system, kills and restarts, and nothing left behind."""

import getpass
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.hadoop import formatted, hadoop, jars, wait_until

pytestmark = pytest.mark.hadoop


def put(cluster, path, data):
    """Write a file by the NameNode's own web interface: this tool knows no client of ours."""
    base = f"http://{cluster.namenodes[0].web}/webhdfs/v1{path}"
    ask = urllib.request.Request(
        f"{base}?op=CREATE&overwrite=true&noredirect=true&user.name={getpass.getuser()}", method="PUT"
    )
    with urllib.request.urlopen(ask, timeout=300) as answer:
        where = answer.read().decode().partition('"Location":"')[2].partition('"')[0]
    with urllib.request.urlopen(urllib.request.Request(where, data=data, method="PUT"), timeout=300) as answer:
        assert answer.status == 201


def test_a_killed_namenode_comes_back_with_what_was_written():
    with hadoop() as cluster:
        put(cluster, "/d/f", b"hello")
        assert [path.read_bytes() for path in cluster.block_files("dn1")] == [b"hello"]
        cluster.namenodes[0].kill()
        assert not cluster.namenodes[0].is_alive
        cluster.start_namenode()
        assert "Safe mode is OFF" in cluster.admin("-safemode", "get")
        cluster.set_quota("/d", 1000)
        with pytest.raises(RuntimeError, match="dfsadmin -setSpaceQuota 1000 /nowhere failed"):
            cluster.set_quota("/nowhere", 1000)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_process_that_asked_is_killed(tmp_path, number):
    text = (
        "import sys\n"
        "from tests.hadoop import hadoop\n"
        "with hadoop() as cluster:\n"
        "    print(cluster.root, *[daemon.pid for daemon in cluster.daemons.values()], flush=True)\n"
        "    sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    root, *pids = process.stdout.readline().split()
    assert len(pids) == 2
    assert Path(root).is_dir()
    process.send_signal(number)
    process.wait(30)
    process.stdin.close()
    process.stdout.close()
    wait_until(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids), "the daemons to end", 30)
    wait_until(lambda: not Path(root).exists(), "the folder to go", 30)


def test_a_daemon_that_dies_at_its_start_is_told_with_its_last_words(tmp_path):
    with (
        pytest.raises(RuntimeError, match=r"nn1 died before answering[\s\S]*none"),
        hadoop(conf={"dfs.namenode.handler.count": "none"}, keep_logs=tmp_path),
    ):
        pass
    assert (tmp_path / "nn1.log").exists()


def test_on_a_new_machine_what_is_made_of_the_jars_has_them_fetched(monkeypatch, tmp_path):
    real = jars.jars_dir()
    monkeypatch.setenv("SPARKCV_HADOOP_DIR", str(tmp_path / "new"))
    monkeypatch.setattr(jars, "_fetch", lambda home, target, modules: target.symlink_to(real))
    # A daemon, as what waits for its own lock would wait for ever.
    made = threading.Thread(target=formatted.Formatted, daemon=True)
    made.start()
    made.join(120)
    assert not made.is_alive()
    assert (tmp_path / "new" / f"formatted-{jars.VERSION}-{getpass.getuser()}" / "current" / "VERSION").is_file()
