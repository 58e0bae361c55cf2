"""What is told of an operation that failed is its reason, wherever TensorFlow's message has it."""

import pytest

from sparkcv.inputs.graph_error import gist

AT = "Detected at node 'X' defined at (most recent call last):\n    File \"/a.py\", line 7, in <module>\nNode: 'X'\n"
RESTORING = "Restoring from checkpoint failed. This is most likely due to a mismatch. Original error:\n\n"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            f"Graph execution error:\n\n{AT}Unknown image file format.\n\t [[{{{{node X}}}}]]",
            "Unknown image file format.",
        ),
        ("Graph execution error:\n\nUnknown image file format.\n\t [[{{node X}}]]", "Unknown image file format."),
        (
            f"{RESTORING}Graph execution error:\n\n{AT}Key w not found\n\nOriginal stack trace for 'X':\n  y",
            "Key w not found",
        ),
        ("Socket closed", "Socket closed"),
        ("Graph execution error:\n\n", "no reason given"),
        ("a" * 400, "a" * 300),
    ],
)
def test_the_reason_is_told(message, told):
    assert gist(message) == told
