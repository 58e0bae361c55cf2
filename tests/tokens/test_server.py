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


RETURNING = """
import os, threading, time
from sparkcv.channel.control import Server
from sparkcv.config.port_range import PortRange
from sparkcv.storage.hdfs import tokens
from sparkcv.tokens import server
from sparkcv.tokens.store import token_store
from tests.tokens.made import token

def serve(port):
    return Server("127.0.0.1", bytes(32), server.answer, lambda peer: None, ports=PortRange(port, port))

def held():
    return [one.service for one in tokens.load(os.environ[tokens.VARIABLE])]

server._POLL_S, server._MAX_FAILED_POLLS = 0.05, 2
token_store.put(tokens.dump([token("ha-hdfs:one")]))
with serve(0) as driver:
    address = server.TokenServerAddress(("127.0.0.1", driver.port), bytes(32))
    server.attach(address)
    print(held())
while any(thread.name == "sparkcv-tokens" for thread in threading.enumerate()):
    time.sleep(0.05)
token_store.put(tokens.dump([token("ha-hdfs:two")]))
with serve(driver.port):
    server.attach(address)
    print(held())
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


def test_a_task_that_follows_a_long_silence_of_the_driver_asks_again(tmp_path):
    env = {key: value for key, value in os.environ.items() if key != tokens.VARIABLE}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), "LOCAL_DIRS": str(tmp_path)}
    command = [sys.executable, "-c", RETURNING]
    told = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=True)
    assert told.stdout.split("\n") == ["['ha-hdfs:one']", "['ha-hdfs:two']", ""]
    assert os.listdir(tmp_path) == []


def test_where_there_are_no_tokens_there_is_no_server_and_work_is_as_it_was():
    def work(index):
        yield index

    with server.TokenServer("127.0.0.1", "127.0.0.1") as opened:
        assert opened.address is None
        assert server.with_tokens(opened.address, work) is work
        server.enter(opened.address)
