"""Agents give their node processes the driver's newest tokens: whole files, which nobody else can read."""

import pytest

from sparkcv import roles
from sparkcv.cluster import supervisor
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.storage.hdfs import tokens
from sparkcv.tokens.store import token_store
from tests.contracts.callbacks import Callbacks
from tests.tokens.made import token

ROLES = roles.roles(0, 2)


@pytest.fixture(autouse=True)
def _empty_shelf():
    yield
    token_store.clear()


def run(local, program, params, observer=None):
    return supervisor.supervise(local, RunSpec(f"token_programs:{program}", ROLES, params), observer)


def test_each_new_token_reaches_every_role_under_its_open_hands(local, tmp_path, monkeypatch):
    monkeypatch.delenv(tokens.VARIABLE, raising=False)
    services = ["ha-hdfs:one", "ha-hdfs:two", "ha-hdfs:three"]
    put = iter(services)
    token_store.put(tokens.dump([token(next(put))]))
    told = {}

    def on_status(role, status):
        told[role] = status["seen"]
        all_have_it = len({tuple(seen) for seen in told.values()}) == 1 and len(told) == len(ROLES)
        if all_have_it and (service := next(put, None)) is not None:
            token_store.put(tokens.dump([token(service)]))

    results = run(local, "follow", {"wanted": services}, Callbacks(on_status=on_status))
    assert [result["seen"] for result in results.values()] == [services, services]
    for result in results.values():
        assert result["modes"] == [0o600, 0o700]
        assert result["is_own"]
    assert len({result["path"] for result in results.values()}) == 2


def test_what_an_agent_was_started_with_lies_there_from_the_start(local, tmp_path, monkeypatch):
    path = tmp_path / "container_tokens"
    path.write_bytes(tokens.dump([token("ha-hdfs:one"), tokens.Token("YARN_AM_RM_TOKEN", "rm", b"", b"x")]))
    monkeypatch.setenv(tokens.VARIABLE, str(path))
    results = run(local, "follow", {"wanted": ["ha-hdfs:one"]})
    for result in results.values():
        assert result["seen"] == ["ha-hdfs:one"]
        assert result["path"] != str(path)


def test_where_hdfs_wants_no_tokens_there_is_no_file(local, monkeypatch):
    monkeypatch.delenv(tokens.VARIABLE, raising=False)
    assert [result["path"] for result in run(local, "none", {}).values()] == [None, None]
