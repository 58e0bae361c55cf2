import dataclasses
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from sparkcv import storage
from sparkcv.errors import FileExistsAlreadyError
from sparkcv.predict.staging import Staging, clean_up
from sparkcv.rundir.process import this_process

DATE = "2026-01-02"


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "out")


def publish(out, text, **options):
    with Staging(out, DATE, **({"overwrite": False} | options)) as staging:
        storage.write_text(staging.join("day", "part"), text)
        staging.publish("day")


def day(out):
    return storage.read_text(f"{out}/dt={DATE}/part")


def run_and_die(out, script):
    """Run a process that stages something and dies by SIGKILL at the point that ``script`` comes to."""
    program = f"""
        import os, signal
        from sparkcv import storage
        from sparkcv.predict import staging as module
        out, die = {out!r}, lambda: os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program) + textwrap.dedent(script)], timeout=300)
    assert done.returncode == -9


def test_a_day_appears_whole_and_nothing_else_is_left(out):
    publish(out, "new")
    assert os.listdir(out) == [f"dt={DATE}"]
    assert day(out) == "new"


def test_a_day_that_is_there_is_refused_and_untouched(out):
    publish(out, "old")
    with pytest.raises(FileExistsAlreadyError, match=f"dt={DATE}' was published by another run meanwhile"):
        publish(out, "new")
    assert os.listdir(out) == [f"dt={DATE}"]
    assert day(out) == "old"


def test_overwrite_replaces_a_day_whole(out):
    publish(out, "old")
    publish(out, "new", overwrite=True)
    assert os.listdir(out) == [f"dt={DATE}"]
    assert day(out) == "new"


def test_a_run_that_fails_leaves_nothing(out):
    def fail():
        with Staging(out, DATE, overwrite=False) as staging:
            storage.write_text(staging.join("day", "part"), "half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(out) == []
    assert not [t for t in threading.enumerate() if t.name == "lease"]


def test_a_day_published_meanwhile_by_another_run_wins(out):
    with Staging(out, DATE, overwrite=False) as staging:
        storage.write_text(staging.join("day", "part"), "mine")
        storage.write_text(f"{out}/dt={DATE}/part", "theirs")  # by a run on a host that took this one for dead
        with pytest.raises(FileExistsAlreadyError, match="published by another run meanwhile"):
            staging.publish("day")
    assert os.listdir(out) == [f"dt={DATE}"]
    assert day(out) == "theirs"


def test_a_living_run_s_staging_stays_and_the_next_says_so_of_no_other(out, caplog):
    caplog.set_level("INFO", "sparkcv")
    with Staging(out, DATE, overwrite=False) as staging:
        storage.write_text(staging.join("x"), "x")
        assert caplog.messages == []  # its own is no news
        assert clean_up(out) == []
        assert caplog.messages == [f"{staging.url} belongs to a run that is alive, so it stays"]
        with Staging(out, "2026-01-03", overwrite=False) as other:
            storage.write_text(other.join("day", "part"), "theirs")
            other.publish("day")
        assert caplog.messages[1:] == caplog.messages[:1]
        assert storage.read_text(staging.join("x")) == "x"
    assert os.listdir(out) == ["dt=2026-01-03"]


def test_what_a_killed_run_staged_is_deleted_by_the_next(out):
    run_and_die(
        out,
        """
        with module.Staging(out, "2026-01-02", overwrite=False) as staging:
            storage.write_text(staging.join("day", "part"), "half")
            die()
        """,
    )
    assert len(os.listdir(out)) == 3
    publish(out, "new")
    assert os.listdir(out) == [f"dt={DATE}"]
    assert day(out) == "new"


def test_a_run_killed_between_the_two_renames_loses_neither_day(out):
    publish(out, "old")
    run_and_die(
        out,
        """
        with module.Staging(out, "2026-01-02", overwrite=True) as staging:
            storage.write_text(staging.join("day", "part"), "new")
            storage.rename(staging.day, staging.join("replaced", "dt=2026-01-02"))
            die()
        """,
    )
    assert f"dt={DATE}" not in os.listdir(out)
    assert len(clean_up(out)) == 1
    assert os.listdir(out) == [f"dt={DATE}"]
    assert day(out) == "old"


def test_a_run_killed_after_the_second_rename_leaves_the_new_day(out):
    publish(out, "old")
    run_and_die(
        out,
        """
        with module.Staging(out, "2026-01-02", overwrite=True) as staging:
            storage.write_text(staging.join("day", "part"), "new")
            staging.publish("day")
            die()
        """,
    )
    assert len(clean_up(out)) == 1
    assert os.listdir(out) == [f"dt={DATE}"]
    assert day(out) == "new"


def test_a_lease_of_another_host_holds_until_it_is_old(out):
    name = ".staging-" + "a" * 24
    storage.make_dirs(f"{out}/{name}")
    process = dataclasses.asdict(dataclasses.replace(this_process(), host="elsewhere", machine="another boot"))
    holds_until_it_is_old(out, name, {"process": process})


def test_a_lease_as_it_was_written_before_holds_until_it_is_old(out):
    name = ".staging-" + "d" * 24
    storage.make_dirs(f"{out}/{name}")
    holds_until_it_is_old(out, name, {"host": "elsewhere", "pid": 1, "born": 1.0})


def holds_until_it_is_old(out, name, lease):
    storage.write_json(f"{out}/{name}.lease.json", {**lease, "renewed": time.time()})
    assert clean_up(out) == []
    storage.write_json(f"{out}/{name}.lease.json", {**lease, "renewed": time.time() - 3600})
    assert clean_up(out) == [f"{out}/{name}"]
    assert os.listdir(out) == []


def test_a_process_id_used_again_is_not_taken_for_the_run(out):
    name = ".staging-" + "b" * 24
    storage.make_dirs(f"{out}/{name}")
    process = dataclasses.asdict(this_process())
    storage.write_json(f"{out}/{name}.lease.json", {"process": process, "renewed": 4e9})
    assert clean_up(out) == []
    storage.write_json(f"{out}/{name}.lease.json", {"process": {**process, "born": "5"}, "renewed": 4e9})
    assert clean_up(out) == [f"{out}/{name}"]


def test_a_lease_that_cannot_be_read_is_left_alone(out):
    name = ".staging-" + "c" * 24
    storage.write_text(f"{out}/{name}.lease.json", "no json")
    assert clean_up(out) == []


def test_other_files_are_never_touched(out):
    for name in (".staging-x", ".staging-" + "A" * 24, "staging-" + "a" * 24, ".staging-" + "a" * 25):
        storage.make_dirs(f"{out}/{name}")
    before = sorted(os.listdir(out))
    assert clean_up(out) == []
    assert sorted(os.listdir(out)) == before


def test_a_reader_sees_the_old_day_or_the_new_one_at_every_moment(out):
    publish(out, "0")
    stop, seen, lost = threading.Event(), set(), []

    def read():
        while not stop.is_set():
            try:
                with open(f"{out}/dt={DATE}/part") as file:
                    seen.add(file.read())
            except FileNotFoundError:
                lost.append(1)

    reader = threading.Thread(target=read, name="sparkcv-reader")
    reader.start()
    for number in range(1, 40):
        publish(out, str(number), overwrite=True)
    stop.set()
    reader.join(30)
    assert not lost
    assert len(seen) > 1
    assert day(out) == "39"
