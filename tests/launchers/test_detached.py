"""A launch that cannot start everything leaves nothing of it behind."""

import operator
import threading

import psutil
import pytest

from sparkcv.launchers.detached import DetachedLaunch


class Body:
    """Waits for all others; the second time that it is sent, the disk is full."""

    num_sent = 0

    def __reduce__(self):
        self.num_sent += 1
        if self.num_sent == 2:
            raise OSError(28, "No space left on device")
        return operator.methodcaller, ("exchange", "here")


def test_a_launch_that_fails_half_way_ends_what_it_started():
    with pytest.raises(OSError, match="No space left"):
        DetachedLaunch(None, "two on the driver", 2, Body(), (), (0, 1), ("127.0.0.1", "127.0.0.1"))
    assert not [one for one in psutil.Process().children() if "detached_task" in " ".join(one.cmdline())]
    assert not [thread for thread in threading.enumerate() if thread.name == "sparkcv-slots"]
