"""The driver's renewer: takes what Java has, gets what is missing, says what fails, leaves nothing."""

import logging
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sparkcv.errors import ClusterError
from sparkcv.storage.hdfs import identity, tokens
from sparkcv.tokens.renewer import TokenRenewer, _log, _own_folder
from sparkcv.tokens.store import TokenStore
from tests.tokens.made import Source, token


def _state_of_log():
    """What decides whether a warning of the renewer is heard."""
    states, logger = [f"disabled to {logging.root.manager.disable}"], logging.getLogger("sparkcv.tokens.renewer")
    while logger is not None:
        of = (logger.name, logger.level, logger.disabled, logger.propagate, logger.handlers, logger.filters)
        states.append(f"{of}, the module's {logger is _log}")
        logger = logger.parent
    return "; ".join(states)


def renewer(secured, source, store):
    (secured / "own").mkdir(mode=0o700)
    return TokenRenewer(source, str(secured / "own"), store)


def test_what_java_holds_is_put_for_this_process_and_in_the_store(secured):
    held, store = token(), TokenStore()
    other = tokens.Token("YARN_AM_RM_TOKEN", "rm", b"", b"nobody's business")
    source = Source([held, other])
    with renewer(secured, source, store) as one:
        path = os.environ[tokens.VARIABLE]
        assert tokens.load(path) == [held]
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert store.newest() == (1, tokens.dump([held]))
        assert (source.num_obtained, one.renews, one.failure) == (0, True, "")
    assert tokens.VARIABLE not in os.environ
    assert os.listdir(secured / "own") == []
    assert store.newest()[1] == b""


@pytest.mark.parametrize(
    "old",
    [
        (),
        [token(life_s=60)],  # its last minute is of no use
        [token(issued_s=-850, life_s=1000)],
        [token(issued_s=-13 * 3600, life_s=7 * 86400)],  # nobody renews it, so it ends after a day
    ],
)
def test_old_tokens_are_not_waited_with(secured, old):
    new, store = token(life_s=2000), TokenStore()
    with renewer(secured, Source(old, [new]), store):
        assert tokens.parse(store.newest()[1]) == [new]


def test_tokens_for_other_services_stay_beside_the_new_ones(secured, monkeypatch):
    others = [tokens.Token("kms-dt", "kms", b"", b"k"), tokens.Token("YARN_AM_RM_TOKEN", "rm", b"", b"master's")]
    (secured / "container_tokens").write_bytes(tokens.dump([token(issued_s=-900), *others]))
    monkeypatch.setenv(tokens.VARIABLE, str(secured / "container_tokens"))
    with renewer(secured, Source([token(life_s=2000)]), TokenStore()):
        held = tokens.load(os.environ[tokens.VARIABLE])
        assert [one.kind for one in held] == [tokens.HDFS_KIND, "kms-dt"]
    assert os.environ[tokens.VARIABLE] == str(secured / "container_tokens")


def test_without_a_way_to_get_new_ones_the_old_ones_have_to_do(secured):
    old, store = token(issued_s=-850), TokenStore()
    source = Source([old], [token()], has_keytab=False)
    with renewer(secured, source, store) as one:
        assert tokens.parse(store.newest()[1]) == [old]
        assert (source.num_obtained, one.renews) == (0, False)


def test_a_kdc_that_is_gone_is_told_and_tried_again(secured, caplog):
    source, store = Source([], [token()]), TokenStore()
    source.error = OSError("Connection refused\nCaused by: KrbException: Cannot contact the KDC")
    caplog.set_level(logging.WARNING, "sparkcv.tokens.renewer")
    with renewer(secured, source, store) as one:
        assert one.failure == "KrbException: Cannot contact the KDC"
        assert not one.renews
        one.look()
        source.error = None
        one.look()
        assert (one.failure, one.renews) == ("", True)
        assert store.newest()[0] == 1
    said = [record.message for record in caplog.records if "could be had" in record.message]
    words = "no new token for HDFS could be had, which is tried again: KrbException: Cannot contact the KDC"
    assert said == [words], _state_of_log()


def test_old_tokens_have_to_do_while_no_new_ones_can_be_had(secured):
    old, new, store = token(issued_s=-13 * 3600, life_s=7 * 86400), token(life_s=2000), TokenStore()
    source = Source([old], [new])
    source.error = OSError("Cannot contact the KDC")
    with renewer(secured, source, store) as one:
        assert tokens.parse(store.newest()[1]) == [old]
        assert tokens.load(os.environ[tokens.VARIABLE]) == [old]
        assert (one.failure, one.renews) == ("Cannot contact the KDC", False)
        source.error = None
        one.look()
        assert tokens.parse(store.newest()[1]) == [new]
        assert (one.failure, one.renews) == ("", True)


def test_a_token_for_a_namenode_that_only_the_user_names_is_found_by_that_name(secured):
    source, store = Source([token(), token("127.0.0.1:8020")]), TokenStore()
    source.file_systems = ["hdfs://localhost"]
    with renewer(secured, source, store):
        services = {one.service for one in tokens.parse(store.newest()[1])}
        assert services == {"ha-hdfs:default", "127.0.0.1:8020", "localhost:8020"}
        assert identity.mine("hdfs://localhost:8020").service == "localhost:8020"


def test_a_token_that_the_disk_had_no_room_for_is_put_there_once_it_has(secured):
    source, store = Source([token()]), TokenStore()
    with renewer(secured, source, store) as one:
        first = os.environ[tokens.VARIABLE]
        (secured / "own" / "tokens").unlink()
        (secured / "own").rename(secured / "away")
        newer = token(issued_s=-1, life_s=90_000)
        source._held = [newer]
        one.look()
        assert "No such file or directory" in one.failure
        (secured / "away").rename(secured / "own")
        one.look()
        assert one.failure == ""
        assert tokens.load(first) == [newer]
        assert store.newest()[0] == 2


DRIVER = """
import os, signal, sys
from sparkcv.tokens import renewer
with renewer._own_folder() as folder:
    open(os.path.join(folder, "tokens"), "w").close()
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_tokens_of_a_driver_that_was_killed_go_with_the_next_one(tmp_path, monkeypatch):
    env = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    killed = subprocess.run([sys.executable, "-c", DRIVER], env=env, capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    assert (left / "tokens").exists()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _own_folder() as folder:
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert not left.exists()
    assert os.listdir(tmp_path) == []
    (tmp_path / f"sparkcv-scratch-{os.getuid()}").write_text("in the way")
    with pytest.raises(ClusterError, match=f"the tokens for HDFS cannot be kept in '{tmp_path}': .*File exists"):
        _own_folder().__enter__()


def test_more_than_a_frame_holds_is_refused(secured):
    with pytest.raises(ClusterError, match=r"take 40000 bytes, over the 36864 .*\.hadoopFileSystems"):
        TokenStore().put(bytes(40_000))
