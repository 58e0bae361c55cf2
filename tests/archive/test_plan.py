"""What is needed, what goes along, and when a rebuild is due."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparkcv.archive import elf, libraries, packages, plan, requirements
from sparkcv.archive.entry import ArchiveEntry
from sparkcv.errors import MissingFileError, UsageError


@pytest.mark.parametrize(
    ("marker", "extra", "expected"),
    [
        ("", "", True),
        ('sys_platform == "linux"', "", True),
        ('sys_platform == "win32" and python_version < "3.12"', "", False),
        ('(sys_platform == "win32" or os_name == "posix") and extra == "s3"', "s3", True),
        ('(sys_platform == "win32" or os_name == "posix") and extra == "s3"', "", False),
        ('python_version >= "3.9"', "", True),  # as numbers: 3.11 is above 3.9
        ('"3.9" > python_version', "", False),
        ('python_full_version >= "3.11.0"', "", True),
        ('python_version ~= "3.2"', "", True),
        ('implementation_name === "cpython"', "", True),
        ('platform_system not in "Windows Darwin"', "", True),
        ("'linux' in sys_platform", "", True),
    ],
)
def test_a_marker_is_true_as_pep_508_says(marker, extra, expected):
    assert requirements.holds(marker, extra) is expected


@pytest.mark.parametrize("marker", ["os_name", "__import__('os')", "os_name == ", "nothing == 'x'", "os_name is 'x'"])
def test_what_is_no_marker_is_refused_and_never_run(marker):
    with pytest.raises(UsageError, match=r"the environment marker .* cannot be read, wanted one as in PEP 508"):
        requirements.holds(marker)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install packages by name: requirements, into a folder on the path."""

    def install(**wanted: list[str]) -> None:
        for name, lines in wanted.items():
            info = tmp_path / "site" / f"{name}-1.0.dist-info"
            info.mkdir(parents=True)
            needs = "".join(f"Requires-Dist: {line}\n" for line in lines)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
            (info / "RECORD").write_text(f"{name}.py,,\n{name}/tests/test.py,,30\n{name}/include/c.h,,40\n../x,,50\n")
            (tmp_path / "site" / f"{name}.py").write_text("")

    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return install


def test_the_closure_follows_markers_extras_and_circles_and_leaves_out_what_it_is_told(installed):
    installed(
        first=["Second_One[fast]>=1,<2 ; python_version >= '3'", "never; sys_platform == 'win32'"],
        second_one=["first", "quick (>=1) ; extra == 'fast'", "slow; extra == 'slow'", "jvm"],
        quick=[],
        jvm=["only-of-jvm"],
    )
    found = requirements.closure(["first"], {"jvm"})
    assert list(found) == ["first", "quick", "second-one"]


def test_a_lacking_package_is_told_with_who_needs_it(installed):
    installed(first=["second"])
    with pytest.raises(UsageError, match=r"lacks the package second that first needs; wanted an environment made by"):
        requirements.closure(["first"])


def test_a_pyproject_without_dependencies_is_told(tmp_path):
    with pytest.raises(MissingFileError, match="is not there, wanted the project's dependencies"):
        requirements.declared(tmp_path / "pyproject.toml")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(UsageError, match=r"names no dependencies .*, wanted a list in \[project\]"):
        requirements.declared(tmp_path / "pyproject.toml")


def test_a_package_goes_without_tests_headers_and_scripts(installed):
    installed(first=[])
    (package,) = requirements.closure(["first"]).values()
    entries, left_out = packages.files(package, "lib/site")
    assert [entry.name for entry in entries] == ["lib/site/first.py"]
    assert left_out == {"tests": 30, "first/include": 40}


def test_a_changed_file_or_requirement_makes_another_plan(installed, tmp_path):
    installed(first=[], second=[])
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text("[project]\ndependencies = ['first']\n")
    before = plan.make(pyproject).digest()
    assert plan.make(pyproject).digest() == before
    os.utime(tmp_path / "site/first.py", ns=(1, 1))
    touched = plan.make(pyproject).digest()
    pyproject.write_text("[project]\ndependencies = ['first', 'second']\n")
    assert len({before, touched, plan.make(pyproject).digest()}) == 3


def test_the_needs_of_a_program_are_those_that_the_loader_finds():
    program = Path(shutil.which("sh")).resolve()
    found = elf.read(program)
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert found.is_dynamic
    assert "libc.so.6" in found.needed
    assert all(name in told for name in found.needed)
    assert (2, 2) < found.glibc < (3, 0)


@pytest.mark.parametrize("size", [5, 20, 64, 300, 5000])
def test_what_is_no_whole_elf_file_has_no_needs(tmp_path, size):
    (tmp_path / "text.so").write_text("INPUT(libm.so.6)" * 10)
    assert elf.read(tmp_path / "text.so") is None
    (tmp_path / "cut.so").write_bytes(Path(shutil.which("sh")).resolve().read_bytes()[:size])
    assert elf.read(tmp_path / "cut.so") is None


def test_a_library_that_the_machine_lacks_is_told_and_one_of_glibc_is_never_carried():
    program = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    found = libraries.gather([ArchiveEntry.of_file("bin/python", "python", program)])
    assert "libc.so.6" in found.of_the_machine
    assert found.glibc > (2, 2)
    assert not found.missing
    assert not [entry.name for entry in found.carried if Path(entry.name).name.startswith(("libc.", "libm.", "ld-"))]
