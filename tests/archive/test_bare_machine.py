"""The archive runs where no Python and no libpython is installed."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyspark
import pytest

from sparkcv.archive import description
from tests.archive.bare_machine import BareMachine, way_in

ROOT = Path(__file__).parents[2]
SPARK_ZIPS = sorted((Path(pyspark.__file__).parent / "python/lib").glob("*.zip"))
# The words of the command in the README; they are relative to the container's folder.
PYTHON = "Python/bin/python3"
LIBRARIES = {"LD_LIBRARY_PATH": "Python/lib"}

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(way_in() is None, reason="neither root nor an ordinary user may make a mount namespace here"),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory, dist_python_zip):
    """The bare machine, with the archive unpacked as YARN does and what Spark puts beside it."""
    machine = BareMachine(tmp_path_factory.mktemp("bare") / "root", description.read(dist_python_zip)["needs"])
    with zipfile.ZipFile(dist_python_zip) as archive:
        archive.extractall(machine.container / "Python")
    for path in (machine.container / "Python").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o555)  # YARN reads no modes from a zip, and gives everything these
    subprocess.run(
        [ROOT / "build_zip.sh", "sparkcv"], check=True, capture_output=True, env=os.environ | {"PYTHON": sys.executable}
    )
    for source in (ROOT / "dist/sparkcv.zip", Path(__file__).with_name("probe.py"), *SPARK_ZIPS):
        shutil.copy(source, machine.container)
    yield machine
    shutil.rmtree(machine.root)  # 2 GB, and pytest keeps the folders of three sessions


def test_the_machine_itself_has_no_python(machine):
    files = [path.relative_to(machine.root) for path in machine.root.rglob("*") if path.is_file()]
    beside = [str(path) for path in files if path.parts[:2] != ("container", "Python")]
    assert len(beside) < 30
    assert not [path for path in beside if "python" in path and not path.startswith("container/")], beside
    done = machine.run("python3", "--version", env={})
    assert done.returncode == 127


def test_everything_that_a_job_uses_works_there(machine):
    done = machine.run(PYTHON, "probe.py", env=LIBRARIES | {"PYTHONPATH": "sparkcv.zip", "TF_CPP_MIN_LOG_LEVEL": "2"})
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("found:")]
    found = json.loads(line.removeprefix("found:"))
    assert found["prefix"] == "/container/Python"
    assert found["shape"] == [1, 8]
    assert found["child"] == ""
    assert found["misfit"] is None
    assert found["modules"].pop("sparkcv").startswith("/container/sparkcv.zip/")
    assert all(path.startswith("/container/Python/lib/") for path in found["modules"].values())
    assert [path for path in found["path"] if not path.startswith("/container")] == []
    # What is not the archive's own is what its description says.
    needs = set(description.read(machine.container / "Python")["needs"])
    assert {Path(path).name for path in found["libraries"] if not path.startswith("/container/")} <= needs


def test_pyspark_and_py4j_come_from_the_zips_that_spark_sends(machine):
    program = (
        "import pyspark.daemon, pyspark.worker, pyspark.sql.functions, pyspark.sql.pandas.types, py4j.java_gateway;"
        "print(pyspark.__file__, py4j.__file__)"
    )
    path = ":".join(zipped.name for zipped in SPARK_ZIPS)
    assert not list(machine.container.glob("Python/lib/python*/*-packages/py[s4][pj]*"))
    done = machine.run(PYTHON, "-c", program, env=LIBRARIES | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    assert all(place.startswith("/container/py") and ".zip/" in place for place in done.stdout.split())


def test_what_the_machine_has_in_a_home_folder_or_python_home_stays_out(machine):
    version = ".".join(description.read(machine.container / "Python")["python"].split(".")[:2])
    theirs = machine.root / "tmp" / ".local/lib" / f"python{version}" / "site-packages"
    theirs.mkdir(parents=True)
    (theirs / "numpy.py").write_text("raise ImportError('another numpy')")
    env = LIBRARIES | {"HOME": "/tmp", "PYTHONHOME": "/tmp"}
    done = machine.run(PYTHON, "-c", "import numpy; print(numpy.__file__)", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("/container/Python/")


def test_a_start_compiles_nothing(machine):
    done = machine.run(PYTHON, "-v", "-c", "import json, numpy", env=LIBRARIES)
    read = [line.split("'")[1] for line in done.stderr.splitlines() if line.startswith("# code object from ")]
    assert len(read) > 100
    assert all(path.endswith(".pyc") for path in read)


def test_it_is_the_carried_libraries_that_it_runs_on(machine):
    lib = machine.container / "Python/lib"
    aside = lib.rename(lib.with_name("aside"))
    lib.mkdir()
    for path in aside.iterdir():
        if path.is_dir():
            path.rename(lib / path.name)
    done = machine.run(PYTHON, "-c", "import bz2, ctypes, lzma, sqlite3, ssl, zlib", env=LIBRARIES)
    for path in aside.iterdir():
        path.rename(lib / path.name)
    aside.rmdir()
    assert done.returncode != 0
    assert "cannot open shared object file" in done.stderr
