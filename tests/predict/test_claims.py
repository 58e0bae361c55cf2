import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from sparkcv import storage
from sparkcv.errors import EXIT_OK, AtWorkError, PreemptedError
from sparkcv.predict import claims
from sparkcv.predict.staging import Staging, clean_up

DATE = "2026-01-02"


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out")


def names(out):
    return sorted(entry.name for entry in storage.list_dir(out))


def stage(out, **options):
    return Staging(out, **({"date": DATE, "overwrite": False} | options))


def test_the_second_run_of_a_day_is_told_who_is_first(out):
    with stage(out) as first:
        with pytest.raises(AtWorkError) as told, stage(out, overwrite=True):
            pass
        said = rf"{DATE} is being scored into '{re.escape(out)}' already, by \S+ on \S+, process {os.getpid()}, "
        assert re.fullmatch(rf"{said}run {first.run_id}, since \S+: nothing to do here", str(told.value))
        assert told.value.exit_code == EXIT_OK
        with pytest.raises(AtWorkError):
            claims.refuse_if_claimed(out, DATE)
        with stage(out, date="2026-01-03"):  # another day is another's
            pass
        assert names(out) == [
            f".date-{DATE}.1.json",
            f".staging-{first.run_id}",
            f".staging-{first.run_id}.lease.json",
        ]
    assert names(out) == []
    claims.refuse_if_claimed(out, DATE)


def killed_run(out, script="die()"):
    """A run of another process, which dies by SIGKILL in the middle of it; returns its staging folder's name."""
    program = f"""
import os, signal
from sparkcv import storage
from sparkcv.predict.staging import Staging
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
with Staging({out!r}, {DATE!r}, overwrite=False) as staging:
    storage.write_text(staging.join("scored", "part"), "half")
    print(staging.run_id, flush=True)
    {script}
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=300, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    return f".staging-{done.stdout.strip()}"


def test_a_dead_run_holds_no_day_and_its_rows_are_for_the_next_run_of_that_day(out):
    dead = killed_run(out)
    assert f".date-{DATE}.1.json" in names(out)
    with stage(out) as staging:
        assert staging.leftovers == [storage.join(out, dead)]
        assert storage.read_text(storage.join(staging.leftovers[0], "scored", "part")) == "half"
        assert f".date-{DATE}.2.json" in names(out)
    assert names(out) == []


@pytest.mark.hadoop
def test_the_same_holds_on_hdfs(hdfs):
    test_the_second_run_of_a_day_is_told_who_is_first(f"{hdfs}/a")
    test_a_dead_run_holds_no_day_and_its_rows_are_for_the_next_run_of_that_day(f"{hdfs}/b")


def test_a_dead_run_s_folder_is_deleted_by_a_run_of_any_other_day(out):
    killed_run(out)
    forgotten = []
    with stage(out, date="2026-01-03", forget=lambda date, run: forgotten.append((date, len(run)))) as staging:
        assert staging.leftovers == []
    assert forgotten == [(DATE, 24)]
    assert names(out) == []


def test_what_a_run_that_was_told_to_end_had_scored_stays_for_the_next(out):
    ended = stage(out)

    def end():
        with ended:
            storage.write_text(ended.join("scored", "part"), "half")
            raise PreemptedError("told to end")

    with pytest.raises(PreemptedError, match="told to end"):
        end()
    with stage(out) as staging:
        assert staging.leftovers == [ended.url]
    assert names(out) == []


def test_of_many_that_start_at_once_one_works(out):
    barrier, results = threading.Barrier(8), []

    def run():
        barrier.wait(30)
        try:
            with stage(out, overwrite=True):
                results.append("worked")
                barrier.wait(30)
        except AtWorkError:
            results.append("told")
            barrier.wait(30)

    threads = [threading.Thread(target=run, name=f"sparkcv-claim-{index}") for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["told"] * 7 + ["worked"]
    assert names(out) == []


def test_a_claim_between_look_and_try_is_seen_again(out):
    """Between the look and the write of a slow one another took the day, and a dead claim kept the number below."""
    killed_run(out)
    with stage(out) as first:
        storage.delete(f"{out}/.date-{DATE}.1.json")
        late = dataclasses.replace(claims.take(out, "2026-01-09", first.run_id), date=DATE, number=3)
        storage.write_new(late.url, storage.read_bytes(f"{out}/.date-{DATE}.2.json"))
        with pytest.raises(AtWorkError, match=first.run_id):
            claims.take(out, DATE, "a" * 24)
        late.release()
        storage.delete(f"{out}/.date-2026-01-09.1.json")
    assert names(out) == []


@pytest.mark.parametrize("text", ["no json", "{}", '{"run_id": "../../x", "process": {}, "started": ""}', "[]"])
def test_a_claim_that_is_none_holds_nothing(out, text):
    storage.write_text(f"{out}/.date-{DATE}.1.json", text)
    with stage(out):
        assert f".date-{DATE}.2.json" in names(out)
    assert names(out) == []
    assert clean_up(out) == []
