"""Programs that tell which process imported them, and one that could not be forked."""

import os
import tempfile
import threading
import time

IMPORTED_BY = os.getpid()


def main(ctx):
    """Tells who it is, and stays until it is asked to stop."""
    print(f"attempt {ctx.attempt} of {ctx.role}")
    told = {"imported_by": IMPORTED_BY, "pid": os.getpid(), "agent": os.getppid(), "attempt": ctx.attempt}
    ctx.report({**told, "tmp": tempfile.gettempdir(), "session": os.getsid(0)})
    while not ctx.stop_requested():
        time.sleep(0.02)
    return {"was_stopped": True}


class _Threaded:
    """Starts a thread when it is loaded, which a fork would not have."""

    def __call__(self, ctx):
        return main(ctx)

    def for_role(self, role):
        threading.Thread(target=time.sleep, args=(120,), daemon=True).start()
        return main


threaded = _Threaded()
