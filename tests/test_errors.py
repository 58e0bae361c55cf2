"""The error tree, by the names of its classes."""

import pytest

from sparkcv import errors


def test_an_error_is_found_by_the_name_of_its_class():
    assert errors.by_name("DataError") is errors.DataError
    assert errors.by_name("SparkcvError") is errors.SparkcvError


@pytest.mark.parametrize("name", ["", "EXIT_OK", "by_name", "annotations", "ValueError", "__doc__", "NoSuchError"])
def test_what_is_no_error_of_the_tree_is_none(name):
    assert errors.by_name(name) is None
