"""A program that is stopped by Ctrl-C, as by its user."""

import signal
import subprocess
import sys


def stopped(words, once, **options):
    """Start Python with ``words``, send SIGINT behind a line that begins with ``once``; return code and last words."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *words], stdout=pipe, stderr=pipe, text=True, **options) as process:
        try:
            assert any(line.startswith(once) for line in process.stdout)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=300)[1]
        finally:
            process.kill()
    assert "Traceback" not in said
    return process.returncode, said.splitlines()[-1]
