"""The lease of a run's folder: one owner at a time, whoever is killed, stopped or cut off, whatever stands there."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sparkcv import storage
from sparkcv.errors import CheckpointError, LeaseError, StorageError
from sparkcv.rundir import lease, lease_file
from sparkcv.rundir.process import Life, Process, look_at, this_process

ROOT = Path(__file__).resolve().parents[2]
QUICK = lease.Timing(renew_s=0.05, expiry_s=0.6, poll_s=0.05)
PATIENCE_S = 300


@pytest.fixture(params=["local", "memory"])
def run_url(request, tmp_path):
    """A run's folder, on each kind of storage."""
    if request.param == "local":
        yield str(tmp_path / "run")
    else:
        url = f"memory://lease-{tmp_path.name}"
        yield url
        storage.delete(url, recursive=True)


def held_elsewhere(run_url, token=1, **values):
    """What a run on another host that was killed leaves; returns what its lock says."""
    process = Process("other-host", "alice", 4711, "another boot", "99")
    found = lease_file.Holder(token, "f" * 32, process, "application_1_2", True, 7, 1e9, 1e9 + 60)
    found = dataclasses.replace(found, **values)
    storage.write_bytes(lease_file.url_of(run_url, token), found.to_bytes())
    return found


def locks(run_url):
    return [entry.name for entry in storage.list_dir(run_url)]


def test_a_folder_is_held_then_released_and_each_taking_gets_a_higher_token(run_url):
    for token in (1, 2, 3):
        with lease.held(run_url) as mine:
            assert mine.token == token
            lease.check(run_url, token)
            found = lease_file.newest(run_url)
            assert (found.is_held, found.process) == (True, this_process())
        assert locks(run_url) == [f"run.lock.{token}"]
        assert not lease_file.newest(run_url).is_held


def test_a_second_run_is_told_at_once_who_holds_the_folder_since_when(run_url):
    with lease.held(run_url, application="application_7_1"):
        for refuse in (lambda: lease.held(run_url).__enter__(), lambda: lease.refuse_if_held(run_url)):
            with pytest.raises(LeaseError) as told:
                refuse()
            who = this_process()
            assert f"--train_dir {run_url} is held by {who.user} on {who.host} (process {who.pid}" in str(told.value)
            assert ", application application_7_1) since 20" in str(told.value)
            assert " UTC, last renewed 20" in str(told.value)
            assert "; wait until that run ends, stop it, or name another --train_dir" in str(told.value)
    lease.refuse_if_held(run_url)


def test_of_many_who_take_a_folder_at_once_one_gets_it(run_url):
    for _ in range(5):
        start, over = threading.Barrier(8, timeout=PATIENCE_S), threading.Barrier(8, timeout=PATIENCE_S)

        def take(_, start=start, over=over):
            with contextlib.ExitStack() as stack:
                start.wait()
                try:
                    token = stack.enter_context(lease.held(run_url)).token
                except LeaseError as err:
                    token = str(err)
                over.wait()
                return token

        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(take, range(8)))
        assert len([token for token in got if isinstance(token, int)]) == 1, got
        assert all("is held by" in told for told in got if isinstance(told, str))
    assert lease_file.newest(run_url).token == 5


def test_a_lease_from_elsewhere_that_is_not_renewed_is_taken_over_after_the_expiry_and_this_is_told(run_url, caplog):
    held_elsewhere(run_url, token=6)
    storage.write_text(storage.join(run_url, ".run.lock.6.tmp-00ff"), "cut short")
    with lease.held(run_url, timing=QUICK) as mine:
        assert mine.token == 7
        assert mine.former.owner == "f" * 32
        assert locks(run_url) == ["run.lock.7"]
    assert "is held by alice on other-host (process 4711, application application_1_2) since 2001" in caplog.text
    assert "waiting up to 1 s to see whether that run goes on" in caplog.text
    assert "taking over --train_dir" in caplog.text
    assert "it was not renewed for" in caplog.text


def test_a_lease_from_elsewhere_that_is_renewed_is_left_alone(run_url):
    found = held_elsewhere(run_url)
    beat = threading.Timer(0.2, lambda: held_elsewhere(run_url, beat=found.beat + 1))
    beat.start()
    with pytest.raises(LeaseError, match="is held by alice on other-host"):
        lease.held(run_url, timing=dataclasses.replace(QUICK, expiry_s=600)).__enter__()
    beat.join()
    assert locks(run_url) == ["run.lock.1"]


def test_a_lease_that_is_released_while_one_waits_is_taken_at_once(run_url):
    held_elsewhere(run_url)
    release = threading.Timer(0.2, lambda: held_elsewhere(run_url, is_held=False))
    release.start()
    with lease.held(run_url, timing=dataclasses.replace(QUICK, expiry_s=600)) as mine:
        assert mine.token == 2
    release.join()


def test_a_run_that_was_taken_over_notices_and_neither_writes_nor_releases(run_url):
    def run():
        with lease.held(run_url) as mine:
            held_elsewhere(run_url, token=2)
            with pytest.raises(LeaseError, match="taken over by alice"):
                lease.check(run_url, mine.token)
            with pytest.raises(LeaseError, match="taken over by alice"):
                lease.fence(run_url, mine.token)()
            raise CheckpointError("what went wrong because of that")

    with pytest.raises(LeaseError, match=r"has lost --train_dir .* was taken over by alice on other-host") as told:
        run()
    assert isinstance(told.value.__context__, CheckpointError)
    assert lease_file.newest(run_url).owner == "f" * 32
    assert json.loads(storage.read_text(f"{run_url}/run.lock.1"))["is_held"]


def test_a_run_that_was_taken_over_is_told_at_its_next_renewal(run_url):
    with lease.held(run_url, timing=QUICK) as mine:
        mine.check()
        held_elsewhere(run_url, token=2)
        mine._thread.join(60)
        with pytest.raises(LeaseError, match="taken over by alice"):
            mine.check()


def test_a_folder_that_was_deleted_is_not_made_anew_by_its_lease(run_url):
    with lease.held(run_url) as mine:
        storage.delete(run_url, recursive=True)
        with pytest.raises(LeaseError, match=r"its lock run\.lock\.1 is gone"):
            mine.confirm()
    assert not storage.exists(run_url)


def test_a_lock_that_its_storage_does_not_take_is_renewed_later(tmp_path, caplog):
    run_url = str(tmp_path / "run")
    with lease.held(run_url) as mine:
        before = lease_file.newest(run_url).beat
        (tmp_path / "run" / "run.lock.1").unlink()
        (tmp_path / "run" / "run.lock.1").mkdir()
        mine.confirm()
        (tmp_path / "run" / "run.lock.1").rmdir()
        (tmp_path / "run" / "run.lock.1").touch()
        mine.confirm()
        assert lease_file.newest(run_url).beat > before
    assert caplog.text.count("was not renewed, it is tried again") == 1


def test_a_new_generation_fences_the_one_before_off_and_the_run_keeps_its_folder(run_url):
    with lease.held(run_url) as held:
        before = held.token
        lease.check(run_url, before)
        assert held.advance() == held.token == before + 1
        with pytest.raises(LeaseError, match="has lost --train_dir"):
            lease.check(run_url, before)
        held.confirm()
        with pytest.raises(LeaseError, match="is held by"):
            lease.refuse_if_held(run_url)
    assert lease_file.tokens(run_url) == [before + 1]


def test_a_run_that_was_taken_over_gets_no_next_token(run_url):
    with contextlib.suppress(LeaseError), lease.held(run_url) as held:
        storage.write_bytes(lease_file.url_of(run_url, held.token + 1), b"another's")
        with pytest.raises(LeaseError, match="was taken over by"):
            held.advance()


def test_a_lock_says_what_is_noted(run_url):
    with lease.held(run_url) as mine:
        mine.note(application="local-17", has_restarted=True)
        found = lease_file.newest(run_url)
        assert (found.application, found.has_restarted) == ("local-17", True)
    with lease.held(run_url) as mine:
        assert mine.former.has_restarted


def test_without_a_token_nothing_is_fenced(run_url):
    lease.fence(run_url, None)()


# ---- processes of this machine

HOLDER = """
import sys
from sparkcv.rundir import lease
with lease.held(sys.argv[1]) as mine:
    print(mine.token, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(run_url):
    """A process that holds a folder."""
    command = [sys.executable, "-c", HOLDER, run_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_a_killed_owner_of_this_machine_is_followed_at_once(tmp_path, caplog):
    run_url = str(tmp_path / "run")
    with holder(run_url) as process:
        with pytest.raises(LeaseError, match=rf"\(process {process.pid}\)"):
            lease.held(run_url).__enter__()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        for _ in range(2):  # first a zombie, then nothing
            with lease.held(run_url) as mine:
                assert mine.former is not None
            process.wait(60)
    assert "its process has ended" in caplog.text
    assert "waiting" not in caplog.text


def test_a_stopped_owner_is_waited_for_then_followed_and_learns_so_when_it_goes_on(tmp_path):
    run_url = str(tmp_path / "run")
    with holder(run_url) as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        lease.refuse_if_held(run_url)  # it may be gone for good
        with lease.held(run_url, timing=QUICK) as mine:
            assert mine.token == 2
            os.kill(process.pid, signal.SIGCONT)
            process.stdin.close()
            process.wait(60)
            assert locks(run_url) == ["run.lock.2"]
            mine.confirm()


def test_a_process_is_known_by_its_start_not_by_its_number_alone():
    me = this_process()
    assert look_at(me) is Life.RUNS
    assert look_at(dataclasses.replace(me, born="1")) is Life.ENDED
    assert look_at(dataclasses.replace(me, machine="another boot")) is Life.UNKNOWN
    assert look_at(dataclasses.replace(me, born="")) is Life.UNKNOWN
    assert look_at(dataclasses.replace(me, machine="")) is Life.UNKNOWN


def test_a_process_that_is_stopped_is_neither_running_nor_ended():
    with subprocess.Popen(["sleep", "60"]) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        born = stat.read_text().rpartition(")")[2].split()[19]
        other = dataclasses.replace(this_process(), pid=process.pid, born=born)
        assert look_at(other) is Life.RUNS
        process.send_signal(signal.SIGSTOP)
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            pass
        assert look_at(other) is Life.STOPPED
        process.kill()
        process.wait()
        assert look_at(other) is Life.ENDED


def test_a_process_that_proc_hides_counts_as_ended_only_once_it_is(monkeypatch):
    """With hidepid, a common mount option of /proc, nothing is seen there of another user's process."""
    real = open

    def hiding(path, *args, **kwargs):
        if str(path).startswith("/proc/") and str(path).endswith("/stat"):
            raise FileNotFoundError(path)
        return real(path, *args, **kwargs)

    with subprocess.Popen(["sleep", "60"]) as process:
        other = dataclasses.replace(this_process(), pid=process.pid)
        monkeypatch.setattr("builtins.open", hiding)
        assert look_at(other) is Life.UNKNOWN
        process.kill()
        process.wait()
        assert look_at(other) is Life.ENDED
    assert look_at(dataclasses.replace(other, pid=2**52)) is Life.ENDED


# ---- S29: what somebody put there before


def good(**values):
    """A lock file as JSON, with some of it otherwise."""
    process = Process("h", "u", 1, "m", "b")
    value = json.loads(lease_file.Holder(3, "o", process, "", False, 1, 1.0, 1.0).to_bytes())
    return json.dumps({**value, **values}).encode()


STRANGE = {
    "empty": (b"", "it is not JSON"),
    "garbage": (b"\0\xff secret", "it is not JSON"),
    "no object": (b"[]", "it does not say what one of schema 1 and token 3 says"),
    "deep": (b"[" * 4000, "it is not JSON"),
    "another token": (good(token=4), "it does not say"),
    "another schema": (good(schema=2), "it does not say"),
    "a line that forges": (good(application="x\nFATAL"), "it does not say"),
    "a long name": (good(owner="x" * 201), "it does not say"),
    "no number": (good(beat="1"), "it does not say"),
    "a yes for a number": (good(beat=True), "it does not say"),
    "infinity": (good(since=float("inf")), "it does not say"),
    "below zero": (good(renewed=-1.0), "it does not say"),
    "large": (b" " * 5000 + good(), "it has more than 4096 bytes"),
}


@pytest.mark.parametrize(("data", "why"), STRANGE.values(), ids=STRANGE)
def test_a_lock_that_nobody_of_ours_wrote_is_refused_in_one_sentence_and_stays(run_url, data, why):
    url = f"{run_url}/run.lock.3"
    storage.write_bytes(url, data)
    for refuse in (lambda: lease.held(run_url).__enter__(), lambda: lease.refuse_if_held(run_url)):
        with pytest.raises(LeaseError, match=rf"'{url}' stands where the lock of a run belongs .*: {why}.*; if no run"):
            refuse()
    assert storage.read_bytes(url) == data
    assert locks(run_url) == ["run.lock.3"]


def test_what_stands_in_a_strange_lock_is_told_to_nobody(run_url):
    storage.write_bytes(f"{run_url}/run.lock.1", b'{"password": "hunter2"}')
    with pytest.raises(LeaseError) as told:
        lease.held(run_url).__enter__()
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)


def test_the_last_token_there_is_can_be_taken_by_nobody(run_url):
    storage.write_bytes(f"{run_url}/run.lock.{lease_file.MAX_TOKEN}", good(token=lease_file.MAX_TOKEN))
    with pytest.raises(LeaseError, match="holds the last token there is"):
        lease.held(run_url).__enter__()


@pytest.mark.parametrize("target", ["a file", "nothing", "a folder", "a lock"])
def test_a_lock_that_is_a_link_is_neither_followed_nor_overwritten(tmp_path, target):
    elsewhere = tmp_path / "elsewhere"
    if target == "a folder":
        elsewhere.mkdir()
    elif target != "nothing":
        elsewhere.write_bytes(good(token=1) if target == "a lock" else b"precious")
    before = elsewhere.read_bytes() if elsewhere.is_file() else None
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.lock.1").symlink_to(elsewhere)
    with pytest.raises(LeaseError, match=r"run\.lock\.1' stands where .*: it is a symbolic link"):
        lease.held(str(tmp_path / "run")).__enter__()
    assert (elsewhere.read_bytes() if elsewhere.is_file() else None) == before
    assert locks(str(tmp_path / "run")) == ["run.lock.1"]


def test_a_link_in_the_place_of_a_held_lock_is_replaced_not_followed(tmp_path):
    run_url, elsewhere = str(tmp_path / "run"), tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    with lease.held(run_url) as mine:
        (tmp_path / "run" / "run.lock.1").unlink()
        (tmp_path / "run" / "run.lock.1").symlink_to(elsewhere)
        mine.confirm()
    assert elsewhere.read_bytes() == b"precious"


def test_a_folder_or_a_pipe_in_the_place_of_a_lock_is_refused(run_url, tmp_path):
    storage.make_dirs(f"{run_url}/run.lock.1")
    with pytest.raises(LeaseError, match="it is a folder"):
        lease.held(run_url).__enter__()
    (tmp_path / "piped").mkdir()
    os.mkfifo(tmp_path / "piped" / "run.lock.1")
    with pytest.raises(LeaseError, match=r"could not be taken .*run\.lock\.1' is no file"):
        lease.held(str(tmp_path / "piped")).__enter__()


def test_a_lower_lock_that_is_strange_harms_nobody(run_url, tmp_path):
    held_elsewhere(run_url, token=9, is_held=False)
    storage.make_dirs(f"{run_url}/run.lock.3")
    storage.write_bytes(f"{run_url}/run.lock.4", b"garbage")
    storage.write_bytes(f"{run_url}/run.lock", b"another program's")
    with lease.held(run_url) as mine:
        assert mine.token == 10
    assert locks(run_url) == ["run.lock", "run.lock.10", "run.lock.3"]


def test_a_train_dir_that_is_a_file_cannot_be_held(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(StorageError, match="it is a file, a folder was wanted"):
        lease.held(str(tmp_path / "run")).__enter__()
