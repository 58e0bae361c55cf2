"""A run whose credentials end: told at its start, warned, and stopped in good order with the reason."""

import pytest

from sparkcv import roles
from sparkcv.cluster import supervisor
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.errors import EXIT_PREEMPTED, AccessError, PreemptedError
from sparkcv.storage.hdfs import tokens
from sparkcv.tokens import expiry
from tests.tokens.made import token


@pytest.fixture
def ending(secured, monkeypatch):
    """A function that gives this process a token of so many seconds."""

    def within(life_s):
        path = secured / "tokens"
        path.write_bytes(tokens.dump([token(life_s=life_s)]))
        monkeypatch.setenv(tokens.VARIABLE, str(path))
        expiry.forget()

    yield within
    expiry.forget()


SAID = (
    r"what alice@HERE\.TEST logs in to HDFS with ends at .*, as nothing renews it; submit with --principal alice@HERE"
)


def test_a_run_is_told_how_long_its_token_lasts_against_its_own_eta(ending, caplog):
    caplog.set_level("INFO")
    ending(3600)
    watch = expiry.ExpiryWatch()
    watch.update(None)
    watch.update(7200.0)
    watch.update(7100.0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the run still takes about 2h00m, and may log in to HDFS for 58m1" in caplog.text
    assert expiry.why_over() == ""
    ending(110)
    watch.update(7000.0)
    assert "the run is saved and stops soon" in caplog.text


def test_a_run_that_can_log_in_no_longer_is_stopped_with_exit_code_75(ending, local):
    ending(100)
    with pytest.raises(PreemptedError, match=SAID) as raised:
        supervisor.supervise(local, RunSpec("token_programs:wait", roles.roles(0, 1), {}))
    assert raised.value.exit_code == EXIT_PREEMPTED


def test_a_refusal_that_came_with_the_end_is_told_as_that(ending):
    ending(50)
    with pytest.raises(PreemptedError, match=rf"{SAID}.*; cannot read"), expiry.told():
        raise AccessError("cannot read 'hdfs://default/x'")
    ending(3600)
    with pytest.raises(AccessError, match=r"^cannot read"), expiry.told():
        raise AccessError("cannot read 'hdfs://default/x'")


def test_without_kerberos_nothing_ends(monkeypatch):
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    assert expiry.ends_s() is None
    assert expiry.why_over() == ""
