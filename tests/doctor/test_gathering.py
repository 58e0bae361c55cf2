"""How facts are gathered on one machine: real sockets, real folders, a real process that loads TensorFlow."""

import json
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from sparkcv import storage
from sparkcv.archive import description
from sparkcv.doctor import files, gathering, machine
from sparkcv.doctor.clock_server import ClockServer, ask
from sparkcv.doctor.trial_role import run_trial
from sparkcv.errors import StorageError

ROOT = Path(__file__).parents[2]


def test_a_beacon_is_reached_and_its_clock_is_this_one():
    with ClockServer("127.0.0.1", "word") as beacon:
        clock_s, error_s = ask("127.0.0.1", beacon.port, "word", 5.0)
        assert abs(clock_s) <= error_s + 0.001
        assert ask("127.0.0.1", beacon.port, "word", 5.0)[1] < 5.0
    with pytest.raises(OSError):
        ask("127.0.0.1", beacon.port, "word", 5.0)


def test_whoever_else_answers_is_no_beacon_and_nobody_can_hold_one_up():
    with ClockServer("127.0.0.1", "word") as beacon:
        with socket.create_connection(("127.0.0.1", beacon.port)):  # asks nothing, reads nothing, stays
            ask("127.0.0.1", beacon.port, "word", 5.0)
        with pytest.raises(ConnectionError, match="did not answer as the doctor would"):
            ask("127.0.0.1", beacon.port, "another", 5.0)


def test_a_listener_that_says_nothing_ends_in_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(TimeoutError):
        ask("127.0.0.1", mute.getsockname()[1], "word", 0.2)


def test_a_folder_is_exercised_and_nothing_is_left_of_it(tmp_path):
    train_dir = str(tmp_path / "new" / "run")
    with files.probe_folder(train_dir) as folder:
        assert storage.basename(folder).startswith(".doctor-")
        steps = files.exercise(folder, "executor-0")
        assert [step.name for step in steps] == ["list", "write", "rename", "read", "delete"]
        assert not [step for step in steps if step.error]
        assert [entry.name for entry in storage.list_dir(folder)] == [files.WITNESS]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays_with_what_is_in_it(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(StorageError), files.probe_folder(str(tmp_path)):
        raise StorageError("the examination failed")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


class NoBucket(AbstractFileSystem):
    """A store whose bucket is not there: neither is anything in it, nor the root."""

    protocol = "nobucket"
    num_asked = 0

    def info(self, path, **_):
        NoBucket.num_asked += 1
        assert NoBucket.num_asked < 100, "it is asked for ever"
        raise FileNotFoundError("The specified bucket does not exist")

    ls = _open = mkdir = makedirs = info


def test_a_bucket_that_is_not_there_is_told():
    fsspec.register_implementation("nobucket", NoBucket, clobber=True)
    with gathering.folder("nobucket://pictures/run") as (folder, (step,)):
        assert (folder, step.name, step.kind) == ("", "write", "MissingFileError")


def test_a_folder_that_is_another_one_here_ends_at_its_first_step(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (step,) = files.exercise(str(tmp_path / "elsewhere"), "executor-0")
    assert (step.name, step.kind) == ("list", "DataError")
    assert "does not hold the file that the driver wrote" in step.error
    (step,) = files.exercise(str(tmp_path / "nowhere"), "executor-0")
    assert (step.name, step.kind) == ("list", "MissingFileError")


def test_an_empty_or_missing_shard_is_told(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_bytes(b"x" * 5000)
    assert files.read_some(str(tmp_path / "full"))[0].error == ""
    assert "is empty" in files.read_some(str(tmp_path / "empty"))[0].error
    assert files.read_some(str(tmp_path / "none"))[0].kind == "MissingFileError"


def test_a_machine_is_described_within_its_bounds(tmp_path):
    found = machine.describe()
    assert found["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert {"sparkcv", "tensorflow", "pyspark", "psutil"} <= found["versions"].keys()
    assert 0 < found["memory_free"] < 1 << 50
    assert found["user"]
    scratch = machine.scratch(str(tmp_path))
    assert Path(scratch["scratch_disk"]).is_mount()
    assert scratch["scratch_free"] > 0
    assert "No such file" in machine.scratch(str(tmp_path / "none"))["scratch_error"]


def test_the_source_is_the_same_from_a_folder_and_from_its_zip_and_another_with_any_change(tmp_path):
    def digest_of(path: str) -> str:
        code = "from sparkcv.doctor.machine import source_digest; print(source_digest())"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pack(name: str, extra: str) -> str:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as package:
            for path in (ROOT / "sparkcv").rglob("*.py"):
                text = path.read_bytes() + (extra.encode() if path.name == "errors.py" else b"")
                package.writestr(str(path.relative_to(ROOT)), text)
        return str(tmp_path / name)

    assert digest_of(pack("same.zip", "")) == machine.source_digest()
    assert digest_of(pack("other.zip", "\n")) != machine.source_digest()


def test_an_archive_that_does_not_fit_the_machine_is_told(tmp_path):
    assert machine.describe()["archive"] == ""
    fitting = description.describe(site="s", glibc=(2, 17), packages={}, needs=[], digest="d")
    for found, said in ((fitting, ""), ({**fitting, "glibc": "9.99"}, "glibc 9.99"), ({}, "lacks")):
        (tmp_path / description.NAME).write_text(json.dumps(found))
        assert said in machine.archive_misfit(str(tmp_path))


@pytest.mark.tensorflow
def test_a_roles_process_loads_tensorflow_and_leaves_nothing(tmp_path):
    found = run_trial(str(tmp_path), 120.0)
    assert found["role_error"] == ""
    assert found["role_memory"] > 200e6
    assert list(tmp_path.iterdir()) == []


def test_a_roles_process_that_takes_too_long_or_dies_is_told_and_gone(tmp_path, monkeypatch):
    start_s = time.monotonic()
    assert "in time" in run_trial(str(tmp_path), 0.01)["role_error"]
    assert time.monotonic() - start_s < 30
    broken = tmp_path / "broken" / "tensorflow"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    monkeypatch.syspath_prepend(str(broken.parent))
    error = run_trial(str(tmp_path), 60.0)["role_error"]
    assert "killed by signal 4 (SIGILL)" in error
    assert "illegal instruction" in error
    (broken / "__init__.py").write_text("raise ImportError('libz.so.1: cannot open shared object file')\n")
    assert "libz.so.1" in run_trial(str(tmp_path), 60.0)["role_error"]
    assert "cannot be started" in run_trial(str(tmp_path / "none"), 60.0)["role_error"]
