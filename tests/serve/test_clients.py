"""Clients that people have: tritonclient and KServe's, each from an environment of its own, and curl."""

import fcntl
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

CLIENTS = pathlib.Path(__file__).with_name("clients")
PACKAGES = {"triton": "tritonclient[http]==2.73.0", "kserve": "kserve==0.21.0"}
THIRDS = [pytest.approx(1 / 3, abs=1e-6)] * 3

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="session")
def python_with():
    """Returns the Python of an environment that has a client; it is made once, and kept beside the project's own."""

    def make(name):
        folder = pathlib.Path(sys.prefix) / "clients"
        folder.mkdir(exist_ok=True)
        target = folder / PACKAGES[name].translate(str.maketrans("[]=", "---"))
        with open(folder / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (target / "done").exists():
                shutil.rmtree(target, ignore_errors=True)
                subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
                pip = [target / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                subprocess.run([*pip, PACKAGES[name]], check=True)
                (target / "done").touch()
        return str(target / "bin" / "python")

    return make


@pytest.fixture
def red(picture, tmp_path):
    path = tmp_path / "red.jpg"
    path.write_bytes(picture("red"))
    return str(path)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def is_red(row):
    return row[0] > 0.9 and sum(row) == pytest.approx(1, abs=1e-5)


def test_tritonclient(served, python_with, red):
    found = run(python_with("triton"), str(CLIENTS / "triton.py"), served.url.removeprefix("http://"), red)
    assert (found["live"], found["ready"], found["model_ready"]) == (True, True, [True, True])
    assert "binary_tensor_data" in found["extensions"]
    assert found["versions"] == ["1", "2"]
    assert {(one["version"], one["state"]) for one in found["index"]} == {("1", "READY"), ("2", "READY")}
    assert len(found["pictures"]) == 6
    assert all(is_red(row) for rows in found["pictures"] for row in rows)
    assert found["pixels"] == [["7", [THIRDS]], "0.333333:0:red"] * 2
    assert found["inputs"] == ["encoded", "input"]
    everything, (first,) = found["statistics"]
    assert sorted(one["version"] for one in everything) == ["1", "2"]
    assert first["inference_stats"]["success"]["count"] >= 2
    assert "there is no model 'dogs'" in found["unknown"]


def test_kserves_client(served, python_with, red):
    found = run(python_with("kserve"), str(CLIENTS / "kserve_client.py"), served.url, red)
    assert found["v1"] == [True, True]
    assert found["v2"] == [True, True, True]
    assert is_red(found["predictions"][0])
    assert found["outputs"] == [[THIRDS], [THIRDS]]
    assert is_red(found["picture"][0])


def test_curl(served, red):
    found = run("curl", "--silent", "-F", f"image=@{red}", f"{served.url}/classify")
    assert found["results"][0]["predictions"][0]["label"] == "red"
