"""What bounds the preparing of one picture, so that none can hold up a stage or take its worker along for good.

A decoder in C can neither be interrupted nor caught. So a first attempt has a timer of the kernel, which ends the
process where one picture takes too much CPU time; Spark then tries the task again, as it does where a decoder has
crashed. A later attempt prepares each picture in a process of its own, and what that process dies of is the reason of
the one picture that did it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from sparkcv import logs
from sparkcv.errors import ModelError
from sparkcv.launchers import pipe_messages
from sparkcv.launchers.python_module import start_module
from sparkcv.predict.preparing import Picture, PreparedPicture, RecordPicture, Reject
from sparkcv.preprocess.picture_file import PictureRules

__all__ = ["IsolatedPreparer", "LimitedPreparer", "Preparer", "PreparerOrder", "cpu_limit"]

_MODULE = "sparkcv.programs.prepare_pictures"


class Preparer(Protocol):
    """See :class:`sparkcv.predict.preparing.PicturePreparer`."""

    def prepare(self, pictures: Sequence[Picture]) -> list[PreparedPicture | Reject]:
        """Prepare each picture, or say why that cannot be."""

    def close(self) -> None:
        """Give back what is not the model's own; calling it again does nothing."""


@contextlib.contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """End this process by SIGPROF where the block takes more than so many seconds of CPU time, all threads together.

    CPU time, as a busy host must not cost a picture. The timer is the kernel's: no lock of Python's can hold it up.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


class LimitedPreparer:
    """Prepares in this process, which ends where a picture takes more than ``limit_s`` seconds of CPU time."""

    def __init__(self, inner: Preparer, limit_s: float, num_threads: int = 1) -> None:
        self._inner, self._limit_s, self._num_threads = inner, limit_s, max(1, num_threads)

    def prepare(self, pictures: Sequence[Picture]) -> list[PreparedPicture | Reject]:
        """Prepare each picture, or say why that cannot be."""
        prepared: list[PreparedPicture | Reject] = []
        for at in range(0, len(pictures), self._num_threads):
            some = pictures[at : at + self._num_threads]
            with cpu_limit(self._limit_s * len(some)):
                prepared += self._inner.prepare(some)
        return prepared

    def close(self) -> None:
        """Do nothing: what prepares belongs to the model, which stays for the next task."""


@dataclasses.dataclass(frozen=True)
class PreparerOrder:
    """What a process is to prepare pictures for.

    Attributes:
        folder: the model's, on this host.
        engine: what runs the net: the decoder goes with it.
        rules: how files of pictures are read.
        limit_s: seconds of CPU time that one picture may take.
    """

    folder: str
    engine: str
    rules: PictureRules
    limit_s: float

    def to_json(self) -> str:
        """Return one line of JSON that :meth:`from_json` reads."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> PreparerOrder:
        """Read what :meth:`to_json` gave."""
        value: dict[str, Any] = json.loads(line)
        return cls(**{**value, "rules": PictureRules.from_json(value["rules"])})


class IsolatedPreparer:
    """Prepares pictures one by one in a process of their own; a context manager, which ends the process.

    A picture that the process dies of is a :class:`Reject`, ``crashed`` or ``too slow``; the next one gets a new
    process. Raises ModelError if the process does not come up.
    """

    def __init__(self, order: PreparerOrder, module: str = _MODULE) -> None:
        self._order, self._module = order, module
        self._process: Any = None

    def prepare(self, pictures: Sequence[Picture]) -> list[PreparedPicture | Reject]:
        """Prepare each picture, bytes or a record's, or say why that cannot be."""
        return [self._prepare(picture) for picture in pictures]

    def close(self) -> None:
        """End the process; calling it again does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> IsolatedPreparer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, picture: Picture) -> PreparedPicture | Reject:
        is_record = isinstance(picture, RecordPicture)
        data = picture.encoded if isinstance(picture, RecordPicture) else picture
        turned = picture.orientation if isinstance(picture, RecordPicture) else None
        answer = self._ask({"data": data, "is_record": is_record, "orientation": turned})
        if answer is None:
            code = self._process.wait()
            self.close()
            return Reject(_died_of(code, self._order.limit_s))
        if "reason" in answer:
            return Reject(answer["reason"])
        pixels = np.frombuffer(answer["pixels"], "<f4").reshape(answer["shape"])
        return PreparedPicture(pixels, answer["damaged"], answer["has_more_frames"])

    def _ask(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if self._process is None:
            self._process = self._start()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(pipe_messages.pack(message))
            self._process.stdin.flush()
        return pipe_messages.read(self._process.stdout)

    def _start(self) -> Any:
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        pipe = subprocess.PIPE
        with tempfile.TemporaryFile() as said:
            words = [self._order.to_json()]
            process: Any = start_module(self._module, words, env, stdin=pipe, stdout=pipe, stderr=said)
            if pipe_messages.read(process.stdout) is None:  # it says that it is ready
                process.kill()
                process.communicate()
                said.seek(0)
                last = said.read().decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"
                raise ModelError(
                    f"the process that prepares pictures for {self._order.folder!r} did not come up, it ended with"
                    f" {process.returncode}: {logs.clean(last)[:300]}"
                )
        return process


def _died_of(code: int, limit_s: float) -> str:
    if code == -signal.SIGPROF:
        return f"too slow: reading it takes more than {limit_s:g} s of CPU time"
    try:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        how = f"signal {-code}"
    return f"crashed: the process that reads it ended with {how}"
