"""Which lines of a role are left out of the driver's log: those that TensorFlow writes at every start."""

import pytest

from sparkcv.diagnosis.log_filter import is_noise


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        ("WARNING: All log messages before absl::InitializeLog() is called are written to STDERR", True),
        ("I0000 00:00:1796060417.601457    5377 cudart_stub.cc:31] Could not find cuda drivers on your machine", True),
        ("E0000 00:00:1796060418.086676    5377 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA", True),
        (
            "E0000 00:00:1796064111.221890   18442 util.cc:131] oneDNN supports DT_UINT8 only on platforms with"
            " AVX-512. Falling back to the default Eigen-based implementation if present.",
            True,
        ),
        ("E0000 00:00:1796064111.221890   18442 session.cc:7] the device has no memory left", False),
        ("step 30: loss 1.6009, learning rate 0.00397, 346.2 images/s", False),
        ("Traceback (most recent call last):", False),
    ],
)
def test_only_what_tensorflow_says_at_every_start_is_left_out(line, left_out):
    assert is_noise(line) is left_out
