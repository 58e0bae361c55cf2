"""labels.txt: TF-Slim's file, read as TF-Slim reads it, refused where TF-Slim would go on with nonsense."""

import pytest

from sparkcv.errors import ShardError
from sparkcv.records import labels


def test_names_come_back_in_order_of_their_label(tmp_path):
    labels.write_labels(str(tmp_path), ["cat", "a:b", "dög", " spaced "])
    assert (tmp_path / "labels.txt").read_text() == "0:cat\n1:a:b\n2:dög\n3: spaced \n"
    assert labels.read_labels(str(tmp_path)) == ("cat", "a:b", "dög", " spaced ")


def test_slims_file_may_be_unordered_with_blank_lines_and_carriage_returns():
    assert labels.parse_labels("1:b\r\n\n0:a\r\n", "x") == ("a", "b")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'x' is empty, wanted one line"),
        ("\n\n", "'x' is empty, wanted one line"),
        ("0:a\nb\n", "'x' line 2 is 'b', wanted 'index:name'"),
        ("a:b\n", "'x' line 1 is 'a:b', wanted 'index:name'"),
        ("-1:b\n", "'x' line 1 is '-1:b'"),
        ("\u0663:b\n", "wanted 'index:name'"),
        pytest.param("9" * 5000 + ":b\n", "'x' line 1 is '9999", id="5000 digits"),
        ("0:a\n0:b\n", "'x' line 2 names label 0 again"),
        ("0:a\n2:b\n", "'x' has 2 lines, but none for label 1"),
        ("1:a\n2:b\n", "'x' has 2 lines, but none for label 0"),
    ],
)
def test_a_file_that_leaves_a_label_unclear_is_refused(text, sentence):
    with pytest.raises(ShardError, match=sentence):
        labels.parse_labels(text, "x")


def test_a_missing_file_says_what_it_should_hold(tmp_path):
    with pytest.raises(ShardError, match=r"has no labels.txt, wanted one line 'index:name' a class"):
        labels.read_labels(str(tmp_path))


def test_a_mark_that_windows_editors_write_is_no_part_of_the_first_line(tmp_path):
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbf0:a\r\n1:b\r\n")
    assert labels.read_labels(str(tmp_path)) == ("a", "b")


def test_a_file_of_tensorflow_datasets_has_a_class_a_line_and_none_of_blank_ones(tmp_path):
    (tmp_path / "label.labels.txt").write_bytes("\ufeffa \r\n\nb\u2028c\n\n".encode())
    assert labels.read_labels(str(tmp_path)) == ("a", "b\u2028c")
