"""A worker process as the front process sees it: started, asked, and started again where it dies."""

import asyncio
import contextlib
import dataclasses
import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from sparkcv import logs
from sparkcv.diagnosis.log_filter import is_noise
from sparkcv.errors import ModelError, StorageError
from sparkcv.launchers import pipe_messages as frames
from sparkcv.serve.answers import Answers
from sparkcv.serve.errors import RequestError, unavailable

__all__ = ["ModelProcess", "ScoreReply", "WorkerOrder"]

_LOAD_TIMEOUT_S = 600.0
_KILL_AFTER_S = 10.0
_RESTART_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
_STABLE_S = 60.0
_LATE_S = 10.0  # behind a deadline: what is computed by then may still come
_EXPLAIN_S = 120.0
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class WorkerOrder:
    """What a worker process is to load, and how it is to score; ``sizes`` are those of a generator's nets."""

    model_url: str
    cache_dir: str
    digest: str
    engine: str
    num_threads: int
    max_batch_size: int
    max_delay_s: float
    max_pixels: int
    background: tuple[int, int, int]
    max_stylized_pixels: int
    answers: Answers = Answers.SCORES
    sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class ScoreReply:
    """A worker's answer to one picture: scores, captions with their probabilities, or a picture.

    The times are in seconds. ``picture`` are the bytes of a file in ``file_format``: jpeg, png or webp.
    """

    scores: NDArray[np.float32]
    batch_size: int
    decode_s: float
    wait_s: float
    model_s: float
    captions: tuple[tuple[str, float], ...] = ()
    picture: bytes = b""
    file_format: str = ""


class ModelProcess:
    """One worker process, and the next one where it dies.

    Attributes:
        num_deaths: processes that died on their own.
        engine: what runs the net, once it is loaded.
    """

    def __init__(self, name: str, order: WorkerOrder) -> None:
        self._name, self._order = name, order
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._following: asyncio.Task[None] | None = None
        self._saying: asyncio.Task[None] | None = None
        self._is_closing = False
        self.num_deaths = 0
        self.engine = ""

    @property
    def is_ready(self) -> bool:
        """Whether pictures can be sent."""
        return self._writer is not None

    @property
    def pid(self) -> int:
        """The process, 0 if there is none now."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    def rss_bytes(self) -> int:
        """Return the resident memory of the process, 0 if there is none now."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss) if self.pid else 0
        except psutil.Error:
            return 0

    async def start(self) -> None:
        """Start the process and wait until its model is loaded; raises ModelError with its sentence if it is not.

        Raises StorageError instead where the process could not read what it is to load.
        """
        reader = await self._launch()
        self._following = asyncio.create_task(self._follow(reader))

    async def close(self) -> None:
        """End the process; what it has been sent is answered first. Twice is fine."""
        self._is_closing = True
        writer = self._writer
        if writer is not None:
            self._writer = None
            with contextlib.suppress(OSError):
                writer.write_eof()
        elif self._following is not None:
            self._following.cancel()  # it starts a process again that nobody wants any more
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        process = self._process
        if process is not None and process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), _KILL_AFTER_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        for task in (self._following, self._saying):
            if task is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if writer is not None:
            writer.close()  # its socket, which would stay open until the garbage is collected

    async def score_picture(self, picture: bytes, deadline_s: float, file_format: str = "") -> ScoreReply:
        """Score the bytes of a picture's file; raises RequestError where it cannot be used or the process died.

        A picture that is made of it is wanted back in ``file_format``; "": in its own.
        """
        message = {"kind": "picture", "data": picture, "deadline_s": deadline_s, "format": file_format}
        return _reply(await self._ask(message, deadline_s))

    async def score_pixels(self, pixels: NDArray[np.float32], deadline_s: float) -> ScoreReply:
        """Score pixels ``[size, size, channels]``; raises as :meth:`score_picture`."""
        data = np.ascontiguousarray(pixels, "<f4").tobytes()
        message = {"kind": "pixels", "data": data, "shape": list(pixels.shape), "deadline_s": deadline_s}
        return _reply(await self._ask(message, deadline_s))

    async def explain(self, picture: bytes, label_id: int | None) -> dict[str, Any]:
        """Return the picture as the model saw it, and the map of what mattered; see explaining.py."""
        message = {"kind": "explain", "picture": picture, "label_id": label_id}
        return await self._ask(message, time.monotonic() + _EXPLAIN_S)

    async def _ask(self, message: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        writer = self._writer
        if writer is None:
            how = "has ended" if self._is_closing else "is being started again"
            raise unavailable(f"the process of {self._name} {how}")
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            writer.write(frames.pack({"id": number, **message}))
            async with asyncio.timeout(max(0.0, deadline_s - time.monotonic()) + _LATE_S):
                await writer.drain()
                reply = await future
        except TimeoutError:  # before OSError, which it is too
            self._cancel(writer, number)
            raise unavailable(f"the process of {self._name} does not answer") from None
        except OSError:
            raise unavailable(f"the process of {self._name} has died") from None
        except asyncio.CancelledError:
            self._cancel(writer, number)
            raise
        finally:
            self._waiting.pop(number, None)
        if reply["status"] != 200:
            raise RequestError(
                reply["status"], reply["reason"], retry_after_s=1 if reply["status"] in (503, 504) else None
            )
        return reply

    def _cancel(self, writer: asyncio.StreamWriter, number: int) -> None:
        if self._writer is writer and not writer.is_closing():
            writer.write(frames.pack({"id": number, "kind": "cancel"}))

    async def _launch(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "sparkcv.serve.worker_program",
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the front process, which drains
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2")},
            )
        self._saying = asyncio.create_task(_tell(self._process.stderr))
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            writer.write(frames.pack(dataclasses.asdict(self._order)))
            said = await asyncio.wait_for(_read(reader), _LOAD_TIMEOUT_S)
        except BaseException:
            writer.close()
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            raise
        if said is None or not said.get("ready"):
            writer.close()
            code = await self._process.wait()
            if said and said["is_storage"]:
                raise StorageError(said["error"])
            raise ModelError(said["error"] if said else f"its process ended with {_ending(code)} while it was loaded")
        self._writer, self.engine = writer, str(said["engine"])
        return reader

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        """Hand replies to who waits for them; start the process again where it dies."""
        num_tries = 0
        while True:
            begin_s = time.monotonic()
            while (reply := await _read(reader)) is not None:
                future = self._waiting.get(reply["id"])
                if future is not None and not future.done():
                    future.set_result(reply)
            self._fail_waiting()
            if self._is_closing:
                return
            self.num_deaths += 1
            if self._process is not None:
                _log.warning("the process of %s died: %s", self._name, _ending(await self._process.wait()))
            num_tries = 0 if time.monotonic() - begin_s > _STABLE_S else num_tries
            restarted = await self._restarted(num_tries)
            if restarted is None:
                return
            reader, num_tries = restarted

    async def _restarted(self, num_tries: int) -> tuple[asyncio.StreamReader, int] | None:
        while not self._is_closing:
            await asyncio.sleep(_RESTART_PAUSES_S[min(num_tries, len(_RESTART_PAUSES_S) - 1)])
            num_tries += 1
            try:
                return await self._launch(), num_tries
            except (ModelError, OSError, TimeoutError) as err:
                _log.error("the process of %s cannot be started again: %s", self._name, err)
        return None

    def _fail_waiting(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(unavailable(f"the process of {self._name} has died"))


async def _tell(lines: asyncio.StreamReader | None) -> None:
    """Pass on what a process says, but for what TensorFlow says at every start."""
    while lines is not None:
        try:
            line = (await lines.readline()).decode("utf-8", "replace").rstrip()
            if not line and lines.at_eof():
                return
        except ValueError:  # a line beyond the reader's limit
            continue
        if line and not is_noise(line):
            with contextlib.suppress(OSError):  # of who reads ours no more; the process must not wait for a reader
                sys.stderr.write(logs.clean(line) + "\n")


async def _read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    try:
        return frames.unpack(await reader.readexactly(frames.length_of(await reader.readexactly(frames.HEAD.size))))
    except (asyncio.IncompleteReadError, OSError):
        return None


def _reply(message: dict[str, Any]) -> ScoreReply:
    decode_s, wait_s, model_s = message["times"]
    captions = tuple((str(text), float(p)) for text, p in message["captions"])
    scores, made = np.frombuffer(message["scores"], "<f4"), (message["picture"], message["format"])
    return ScoreReply(scores, message["batch"], decode_s, wait_s, model_s, captions, *made)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
