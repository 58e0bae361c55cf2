"""Flags that tie a net to its pictures."""

import pytest

from sparkcv.driver.net_flags import is_gray


@pytest.mark.parametrize(
    ("model_name", "preprocessing_name", "use_grayscale", "expected"),
    [
        ("charnet", None, False, True),
        ("charnet", "inception", False, False),
        ("lenet", "charnet", False, True),
        ("lenet", None, False, False),
        ("lenet", None, True, True),
    ],
)
def test_one_channel_is_asked_for_by_flag_or_by_a_preprocessing_of_grey(
    model_name, preprocessing_name, use_grayscale, expected
):
    assert is_gray(model_name, preprocessing_name, use_grayscale) is expected
