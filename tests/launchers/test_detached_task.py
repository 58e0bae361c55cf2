"""The process beside a Spark task ends with the executor, at whatever moment that ends."""

import signal
import subprocess
import sys

CODE = """
import os, psutil, time
from sparkcv.launchers import detached_task

class Ending(psutil.Process):
    '''A process that ends between two questions.'''

    def status(self):
        raise psutil.NoSuchProcess(self.pid)

psutil.Process = Ending
detached_task._end_with(os.getppid())
time.sleep(30)
"""


def test_it_ends_with_an_executor_that_ends_while_it_looks():
    assert subprocess.run([sys.executable, "-c", CODE], timeout=300).returncode == -signal.SIGKILL
