"""The archive's description of itself, by which one that does not fit is recognised."""

import json
import platform
import sys
import zipfile

import pytest

from sparkcv.archive import description
from sparkcv.errors import DataError, MissingFileError


def test_the_description_says_what_is_in_the_archive(built):
    told = description.read(built.python_zip)
    assert told["python"] == platform.python_version()
    assert told["packages"].keys() == {"numpy", "jinja2", "markupsafe"}
    assert "libc.so.6" in told["needs"]
    assert len(told["digest"]) == 64
    assert description.misfit(told) is None  # it was built here


def test_it_is_the_same_from_the_zip_and_from_where_that_was_unpacked(built, tmp_path):
    with zipfile.ZipFile(built.python_zip) as archive:
        archive.extract(description.NAME, tmp_path)
    assert description.read(tmp_path) == description.read(built.python_zip)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"python": "3.10.4"},
            "the archive holds Python 3.10.4 and the driver runs {python}; wanted the same minor version: run "
            "build_zip.sh with the driver's Python, or submit with --deploy-mode cluster",
        ),
        ({"platform": "linux-riscv64"}, "the archive was built for linux-riscv64, this machine is {platform}"),
        (
            {"glibc": "2.99"},
            "the archive needs glibc 2.99, this machine has {glibc}; wanted it built on a system no newer than the "
            "oldest node",
        ),
    ],
)
def test_an_archive_that_does_not_fit_is_recognised(built, changed, told):
    archive = description.read(built.python_zip)
    here = {"python": archive["python"], "platform": archive["platform"], "glibc": platform.libc_ver()[1]}
    assert description.misfit(archive | changed) == told.format(**here)


def test_another_patch_release_or_an_older_glibc_fits(built):
    archive = description.read(built.python_zip)
    major, minor = sys.version_info[:2]
    assert description.misfit(archive | {"python": f"{major}.{minor}.99", "glibc": "2.9"}) is None


def test_a_python_that_is_no_archive_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=rf"has no {description.NAME}, wanted an archive made by build_zip.sh"):
        description.read(tmp_path)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("bin/python3", "")
    with pytest.raises(MissingFileError, match=r"other.zip has no sparkcv-archive.json"):
        description.read(tmp_path / "other.zip")


def test_a_broken_description_is_told(tmp_path):
    (tmp_path / "cut.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"cut.zip cannot be read as an archive"):
        description.read(tmp_path / "cut.zip")
    for text, told in (("{", "is no description"), ("[]", "is no description"), (json.dumps({"python": "3"}), "lacks")):
        (tmp_path / description.NAME).write_text(text)
        with pytest.raises(DataError, match=told):
            description.read(tmp_path)
