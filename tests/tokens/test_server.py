"""A stage's Python process has the driver's tokens before its first read, and newer ones later; a stranger has none."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from sparkcv.errors import ChannelError
from sparkcv.storage.hdfs import tokens
from sparkcv.tokens import server
from sparkcv.tokens.store import token_store
from tests.tokens.made import token

TASK = """
import json, os, stat, sys, time
from sparkcv.tokens import server
from sparkcv.storage.hdfs import tokens

def work(index):
    path = os.environ[tokens.VARIABLE]
    (held,) = tokens.load(path)
    yield held.service, stat.S_IMODE(os.stat(path).st_mode), path

driver, secret = json.loads(sys.stdin.readline())
address = server.TokenServerAddress(tuple(driver), bytes.fromhex(secret))
begin = next(server.with_tokens(address, work)(0))
print(json.dumps(begin), flush=True)
while (now := next(server.with_tokens(address, work)(1)))[0] == begin[0]:
    time.sleep(0.05)
print(json.dumps(now), flush=True)
"""


@pytest.fixture(autouse=True)
def _empty_store():
    yield
    token_store.clear()


def test_a_task_has_the_newest_tokens_from_its_first_read_on(tmp_path):
    token_store.put(tokens.dump([token("ha-hdfs:one")]))
    env = {key: value for key, value in os.environ.items() if key != tokens.VARIABLE}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), "LOCAL_DIRS": str(tmp_path)}
    with server.TokenServer("127.0.0.1", "127.0.0.1") as opened:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([sys.executable, "-c", TASK], env=env, **pipes) as process:
            process.stdin.write(json.dumps([opened.address.driver, opened.address.secret.hex()]) + "\n")
            process.stdin.flush()
            service, mode, path = json.loads(process.stdout.readline())
            assert (service, mode) == ("ha-hdfs:one", 0o600)
            assert path.startswith(str(tmp_path))
            token_store.put(tokens.dump([token("ha-hdfs:two")]))
            assert json.loads(process.stdout.readline()) == ["ha-hdfs:two", 0o600, path]
        assert process.returncode == 0
        assert not os.path.exists(path)  # it is gone with the process
        assert "secret" not in repr(opened.address)
        stranger = dataclasses.replace(opened.address, secret=bytes(32))
        with pytest.raises(ChannelError):
            server.attach(stranger)


def test_where_there_are_no_tokens_there_is_no_server_and_work_is_as_it_was():
    def work(index):
        yield index

    with server.TokenServer("127.0.0.1", "127.0.0.1") as opened:
        assert opened.address is None
        assert server.with_tokens(opened.address, work) is work
        server.enter(opened.address)
