import os

import pytest

from sparkcv.errors import StorageError
from sparkcv.predict.rows import InputRow, load


def test_bytes_and_reasons_come_as_they_are():
    assert load(InputRow("a", data=b"x")) == b"x"
    assert load(InputRow("a", data=b"")) == b""
    assert load(InputRow("a", reason="null: path")) == "null: path"


def test_a_file_is_read(tmp_path):
    (tmp_path / "a b#?.jpg").write_bytes(b"x")
    assert load(InputRow("a", url=str(tmp_path / "a b#?.jpg"))) == b"x"


def test_a_row_whose_file_cannot_be_read_says_why(tmp_path):
    assert load(InputRow("a", url=str(tmp_path / "none.jpg"))).startswith("missing")
    assert load(InputRow("a", url=str(tmp_path))).startswith("no file: a folder")
    (tmp_path / "loop").symlink_to(tmp_path / "none")
    assert load(InputRow("a", url=str(tmp_path / "loop"))).startswith("missing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_denied_file_says_so(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").chmod(0)
    assert load(InputRow("a", url=str(tmp_path / "a.jpg"))).startswith("denied")


def test_a_store_that_does_not_answer_is_no_fault_of_the_row():
    with pytest.raises(StorageError, match=r"^the row 'a' cannot be read: cannot open 'nosuchscheme:"):
        load(InputRow("a", url="nosuchscheme://host/a.jpg"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/a.jpg", "no file system: a package is missing, "),
        ("/" + "x" * 300 + ".jpg", "no path: File name too long"),
        ("/" + "x/" * 3000, "no path: File name too long"),
    ],
)
def test_a_path_that_no_store_here_can_have_costs_its_row(url, said):
    assert load(InputRow("a", url=url)).startswith(said)


def test_a_link_in_a_circle_costs_its_row(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert load(InputRow("a", url=str(tmp_path / "a"))) == "no path: Too many levels of symbolic links"


def test_a_pipe_is_a_reject_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert load(InputRow("a", url=str(tmp_path / "a.jpg"))) == "no file: a pipe, socket or device"
    assert load(InputRow("a", url="/dev/zero")) == "no file: a pipe, socket or device"
