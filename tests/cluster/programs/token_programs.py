"""Roles that say what they see of their delegation tokens."""

import os
import stat
import time

from sparkcv.storage.hdfs import tokens


def follow(ctx):
    """Report whose tokens lie where the environment says, until the last of ``params["wanted"]`` is there."""
    path, seen, give_up_s = os.environ[tokens.VARIABLE], [], time.monotonic() + 60
    while time.monotonic() < give_up_s:
        (token,) = tokens.load(path)  # never half a file
        if token.service not in seen:
            seen.append(token.service)
            ctx.report({"seen": seen})
        if token.service == ctx.params["wanted"][-1]:
            break
        time.sleep(0.002)
    folder = os.stat(os.path.dirname(path))
    modes = [stat.S_IMODE(found.st_mode) for found in (os.stat(path), folder)]
    return {"seen": seen, "path": path, "modes": modes, "is_own": folder.st_uid == os.getuid()}


def none(ctx):
    """Tell where the tokens of a run would be that has none."""
    del ctx
    return {"path": os.environ.get(tokens.VARIABLE)}


def wait(ctx):
    """Return when asked to stop."""
    while not ctx.stop_requested():
        time.sleep(0.05)


def read_on(ctx):
    """Read a part of a file, keep it open until a moment and until a local file is there, then read all of it."""
    from sparkcv import storage

    url = ctx.params["url"]
    with storage.open_read(url) as file:
        first = file.read(1 << 20)
        ctx.report({"reads": len(first)})
        while time.time() < ctx.params["until_s"] or not os.path.exists(ctx.params["until_there"]):
            time.sleep(0.2)
        rest = file.read()
    storage.clients._clients.clear()  # the old connection is let in for ever
    whole = storage.read_bytes(url)
    storage.write_bytes(f"{url}-{ctx.role.index}", whole[:10])
    return {"is_whole": first + rest == whole, "size": len(whole)}


def work_held(path, work, index):
    """Do a piece of a stage's ``work`` whose read of the local ``path`` tells so, and waits until a folder is there."""
    from sparkcv import storage

    read = storage.read_bytes

    def read_later(url, *rest):
        if url == f"file://{path}":
            with open(f"{path}-waits", "w"):
                pass
            while not os.path.isdir(path):
                time.sleep(0.1)
        return read(url, *rest)

    storage.read_bytes = read_later
    try:
        yield from work(index)
    finally:
        storage.read_bytes = read
