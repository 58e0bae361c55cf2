"""The file of delegation tokens that this process and its children log in to HDFS with, replaced under their hands.

hdfs-native reads the file anew for every connection, so a newer one in its place is all that a client needs, also one
that is open. Nobody but this user can read it, and it goes with the block.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from types import TracebackType

from sparkcv.storage.hadoop import load_conf
from sparkcv.storage.hdfs import tokens

__all__ = ["TokenFile", "inherited"]

_NAME = "tokens"
_KEPT_BACK = ("YARN_AM_RM_TOKEN",)  # by it an ApplicationMaster asks for containers, and a role must not


class TokenFile:
    """A context manager; ``folder`` is this user's own, on this machine.

    From the first ``put`` on HADOOP_TOKEN_FILE_LOCATION leads there, until the block ends.
    """

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(os.path.abspath(folder), _NAME)
        self._others = [token for token in _inherited() if token.kind not in (tokens.HDFS_KIND, *_KEPT_BACK)]
        self._before: str | None = None
        self._is_there = False
        self._lock = threading.Lock()

    def __enter__(self) -> TokenFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        with self._lock:
            if self._is_there:
                if self._before is None:
                    os.environ.pop(tokens.VARIABLE, None)
                else:
                    os.environ[tokens.VARIABLE] = self._before
                self._is_there = False
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def put(self, data: bytes) -> None:
        """Put the bytes of a token file, which is whole, in place of the last; raises OSError if the disk is full.

        The tokens for other services that this process was started with stay beside those.
        """
        if self._others:
            data = tokens.dump([*tokens.parse(data), *self._others])
        with self._lock:
            aside = f"{self.path}.{secrets.token_hex(4)}"
            try:
                with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(data)
                os.replace(aside, self.path)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(aside)
                raise
            if not self._is_there:
                self._before = os.environ.get(tokens.VARIABLE)
                os.environ[tokens.VARIABLE] = self.path
                self._is_there = True


def inherited() -> bytes:
    """Return the tokens for HDFS that this process was started with, as the bytes of a file; b"" without any."""
    found = tokens.aliased(_inherited(), load_conf())
    return tokens.dump(found) if found else b""


def _inherited() -> list[tokens.Token]:
    try:
        return tokens.held()
    except (OSError, ValueError):  # storage tells of it when it is needed
        return []
