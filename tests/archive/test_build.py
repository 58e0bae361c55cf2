"""build_zip.sh, run as a user runs it, on a checkout that needs little."""

import hashlib
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sparkcv.archive import description
from tests.archive.bare_machine import way_in
from tests.archive.checkout import Checkout

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_archive_holds_the_interpreter_and_what_is_needed_alone(built):
    names = built.names()
    site = description.read(built.python_zip)["site"]
    assert {"bin/python3", f"bin/{VERSION}", f"lib/{VERSION}/os.py", description.NAME} <= set(names)
    assert any(name.startswith(f"lib/{VERSION}/lib-dynload/_ssl.") for name in names)
    packages = {name.removeprefix(f"{site}/").split("/")[0] for name in names if name.startswith(f"{site}/")}
    packages = {name for name in packages if not name.endswith((".dist-info", ".libs"))}
    assert packages == {"numpy", "jinja2", "markupsafe"}  # neither this package nor a link to it, nor pip, nor pyspark
    assert not [name for name in names if "/tests/" in name or name.endswith((".a", ".h", ".exe"))]
    assert not [name for name in names if name.startswith(("lib/libc.", "lib/ld-", "lib/libm.", "lib/libstdc++"))]


def test_every_member_is_a_plain_file_that_hadoop_can_read_as_a_stream(built):
    with zipfile.ZipFile(built.python_zip) as archive:
        members = archive.infolist()
        assert archive.testzip() is None
    for member in members:
        assert stat.S_ISREG(member.external_attr >> 16), member
        assert not member.flag_bits & 0x08  # a size told behind the data
        assert not member.filename.startswith("/")
        assert ".." not in member.filename.split("/")
    modes = {member.filename: stat.S_IMODE(member.external_attr >> 16) for member in members}
    assert modes["bin/python3"] == modes[f"bin/{VERSION}"] == 0o755
    assert modes[f"lib/{VERSION}/os.py"] == 0o644


def test_every_module_comes_compiled_and_needs_no_look_at_its_source(built):
    with zipfile.ZipFile(built.python_zip) as archive:
        names = set(archive.namelist())
        (path,) = (name for name in names if name.startswith(f"lib/{VERSION}/__pycache__/os."))
        assert archive.read(path)[4:8] == b"\x01\0\0\0"  # by digest, unchecked
    sources = {name for name in names if name.endswith(".py")}
    assert len([name for name in names if name.endswith(".pyc")]) == len(sources)


def test_it_says_what_is_large_and_what_is_not_in_it(built):
    assert "dist/sparkcv.zip: " in built.said
    for words in ("numpy", "left out: pyspark", "with glibc 2.", "packed"):
        assert words in built.said


def test_a_second_build_finds_nothing_to_do(built):
    before = built.python_zip.stat()
    done = built.build()
    assert "dist/Python.zip: unchanged" in done.stdout
    assert built.python_zip.stat() == before


def test_the_same_input_makes_the_same_bytes(built, tmp_path):
    other = Checkout(tmp_path / "other", built.dependencies, source=built.folder)
    one_processor = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    private = ["sh", "-c", 'umask 077; exec "$@"', "sh", *one_processor]
    done = other.build(before=private, TZ="Asia/Tokyo", PYTHONHASHSEED="7", LC_ALL="C", LANG="C")
    assert done.returncode == 0, done.stderr
    assert digest(other.python_zip) == digest(built.python_zip)
    assert digest(other.sparkcv_zip) == digest(built.sparkcv_zip)


def test_a_damaged_zip_is_built_again(tmp_path):
    checkout = Checkout(tmp_path / "checkout", [])
    assert checkout.build("python").returncode == 0
    assert not checkout.sparkcv_zip.exists()
    whole = digest(checkout.python_zip)
    os.truncate(checkout.python_zip, 1000)
    assert "unchanged" not in checkout.build("python").stdout
    assert digest(checkout.python_zip) == whole


def test_the_small_zip_alone_needs_no_package(tmp_path):
    checkout = Checkout(tmp_path / "checkout", ["a-package-that-nobody-has"])
    done = checkout.build("sparkcv")
    assert done.returncode == 0, done.stderr
    assert not checkout.python_zip.exists()
    names = zipfile.ZipFile(checkout.sparkcv_zip).namelist()
    assert "sparkcv/__init__.py" in names
    assert not [name for name in names if "__pycache__" in name]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """A Python that has none of the packages."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, capture_output=True)
    return str(folder / "bin" / "python")


def test_a_python_without_packages_builds_the_small_zip(tmp_path, bare_python):
    checkout = Checkout(tmp_path / "checkout", ["numpy"])
    done = checkout.build("sparkcv", PYTHON=bare_python)
    assert done.returncode == 0, done.stderr
    assert checkout.sparkcv_zip.exists()


@pytest.mark.parametrize(
    ("dependencies", "told"),
    [
        (["pyelftools>=0.32"], "lacks the package pyelftools that pyproject.toml needs; wanted an environment made by"),
        ([], "lacks the package pyelftools that tells which libraries Python.zip has to bring; wanted an environment"),
    ],
)
def test_a_python_without_packages_is_told_what_the_large_zip_needs(tmp_path, bare_python, dependencies, told):
    done = Checkout(tmp_path / "checkout", dependencies).build("python", PYTHON=bare_python)
    assert done.returncode == 2
    assert done.stderr.startswith(f"build_zip.sh: {bare_python} {told}")
    assert len(done.stderr.splitlines()) == 1


def test_a_lacking_package_is_named_with_who_needs_it(tmp_path):
    checkout = Checkout(tmp_path / "checkout", ["a-package-that-nobody-has>=1"])
    done = checkout.build()
    assert done.returncode == 2
    assert done.stderr.startswith(f"build_zip.sh: {sys.executable} lacks the package a-package-that-nobody-has that py")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("direct_url.json", json.dumps({"url": "file:///src", "dir_info": {"editable": True}}), "editable from file:"),
        ("RECORD", "thing.py,sha256=0,10\n", "thing.py of the package thing 1.0 cannot be read (No such file"),
        ("INSTALLER", "apt", "thing 1.0 has no list of its files (RECORD), wanted one installed by pip"),
    ],
)
def test_a_package_that_cannot_be_copied_is_refused(tmp_path, file, text, told):
    installed = tmp_path / "site" / "thing-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    (installed / file).write_text(text)
    done = Checkout(tmp_path / "checkout", ["thing"]).build("python", PYTHONPATH=str(installed.parent))
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_python_that_is_too_old_or_missing_is_refused(tmp_path):
    done = Checkout(tmp_path / "checkout", []).build(PYTHON="/no/python")
    assert done.returncode == 2
    assert "/no/python is missing or too old, wanted Python 3.11 or newer" in done.stderr


@pytest.mark.skipif(way_in() is None, reason="neither root nor an ordinary user may mount a small disk here")
def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path):
    checkout = Checkout(tmp_path / "checkout", ["markupsafe"])
    dist = checkout.folder / "dist"
    dist.mkdir()
    script = 'mount -t tmpfs -o size=2m none "$1"; shift; "$@"; code=$?; ls -A "$0"; exit $code'
    done = checkout.build("python", before=[*way_in(), "sh", "-c", script, str(dist), str(dist)])
    assert done.returncode == 1
    assert "build_zip.sh: dist is full: no space left for all of Python.zip, wanted 1 GB free" in done.stderr
    assert done.stdout.splitlines()[-1] == ".lock"


def test_what_cannot_be_read_is_one_sentence(tmp_path):
    checkout = Checkout(tmp_path / "checkout", [])
    (checkout.folder / "pyproject.toml").unlink()
    (checkout.folder / "pyproject.toml").mkdir()
    done = checkout.build("python")
    assert done.returncode == 1
    assert done.stderr == "build_zip.sh: [Errno 21] Is a directory: 'pyproject.toml'\n"


KILLED = """
import os
from sparkcv.archive import build, bytecode
from sparkcv.archive.entry import ArchiveEntry

def die(entries):
    os._exit(9)

if __name__ == "__main__":
    bytecode._compile_all = die
    build._build_python = lambda target: list(bytecode.compiled([ArchiveEntry.of_data("x.py", "x", b"x = 1")]))
    raise SystemExit(build.main(["python"]))
"""


def test_a_process_that_is_killed_while_it_compiles_is_told(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)
    done = subprocess.run([sys.executable, "killed.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("build_zip.sh: a process that compiles modules was killed; wanted 1 GB of memory")


def test_help_says_how_to_submit(tmp_path):
    done = Checkout(tmp_path / "checkout", []).build("--help")
    assert done.returncode == 0
    assert "--archives hdfs:///user/$USER/Python.zip#Python" in done.stdout
