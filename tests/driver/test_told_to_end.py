import logging
import os
import signal

import pytest

from sparkcv.driver.told_to_end import preempted, sigterm_raised
from sparkcv.errors import ClusterError, PreemptedError


def kill():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_sigterm_is_raised_where_it_comes():
    before = signal.getsignal(signal.SIGTERM), logging.getLogger().level
    with pytest.raises(PreemptedError, match="told to end by SIGTERM while no roles ran"), sigterm_raised():
        kill()
    assert (signal.getsignal(signal.SIGTERM), logging.getLogger().level) == before


def wait_for_java():
    try:
        kill()
    except Exception as err:
        raise ClusterError("the Spark stage failed: Error while receiving") from err


def test_what_others_make_of_it_is_still_that():
    with pytest.raises(PreemptedError, match="told to end by SIGTERM while no roles ran"), sigterm_raised():
        wait_for_java()
    said = pytest.raises(PreemptedError, match=r"told to end by SIGTERM and stopped: nothing was published$")
    with said, sigterm_raised(), preempted(lambda: "and stopped: nothing was published"):
        wait_for_java()


def test_other_errors_stay_as_they_are():
    with pytest.raises(ClusterError, match="lost"), sigterm_raised(), preempted(lambda: "x"):
        raise ClusterError("lost")
    with pytest.raises(PreemptedError, match=r"^saved$"), sigterm_raised(), preempted(lambda: "x"):
        raise PreemptedError("saved")
    with sigterm_raised():
        pass
    with pytest.raises(ClusterError, match="lost"), preempted(lambda: "x"):
        raise ClusterError("lost")
