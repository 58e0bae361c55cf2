"""What every route does with a request: its model, its body, and what the access log is told of it."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar, cast

from starlette.requests import Request

from sparkcv.serve.answers import Answers
from sparkcv.serve.errors import RequestError
from sparkcv.serve.model_version import ModelVersion
from sparkcv.serve.protocols.values import Interface
from sparkcv.serve.service import Service

__all__ = ["about", "body", "inflate", "interface_of", "service_of", "while_connected"]

Answer = TypeVar("Answer")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def service_of(request: Request) -> Service:
    """Return the service behind a request."""
    return cast(Service, request.app.state.service)


def about(request: Request, route: str, one: ModelVersion | None = None, pictures: int = 0) -> None:
    """Tell the access log and the metrics what a request was, and keep its model until it is answered."""
    said = request.state.about
    if one is not None and "model" not in said:  # its body may be on its way yet
        said["kept"].enter_context(one.running())
    said["route"], said["pictures"] = route, pictures
    if one is not None:
        said["model"], said["version"] = one.name, one.version


def interface_of(one: ModelVersion, answers: Answers = Answers.SCORES) -> Interface:
    """Return what an available version takes and gives; RequestError (400) where it answers with something else."""
    if one.net is not None and one.net.answers is not answers:
        raise RequestError(400, f"{one} {one.net.answers.what_it_does}, wanted POST {one.net.answers.path}")
    if one.interface is None:
        raise RequestError(503, f"{one} is not loaded", retry_after_s=1)
    return one.interface


async def body(request: Request) -> bytes:
    """Return the whole body, inflated where it is gzip or deflate; raises RequestError (413, 415, 400)."""
    data = await request.body()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return data
    if encoding not in ("gzip", "deflate"):
        raise RequestError(415, f"the content encoding {encoding[:40]!r} is not read, wanted gzip or deflate")
    return inflate(data, encoding, int(request.app.state.max_body_bytes))


def inflate(data: bytes, encoding: str, most: int) -> bytes:
    """Return what was packed as one member of gzip or deflate; raises RequestError (413, 400)."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        inflated = inflater.decompress(data, most + 1)
    except zlib.error as err:
        raise RequestError(400, f"the body is no {encoding}: {err}") from err
    if len(inflated) > most:
        raise RequestError(413, f"the request's body is over {most} bytes once it is inflated")
    if not inflater.eof:
        raise RequestError(400, f"the body is {encoding} that is cut")
    if inflater.unused_data:
        raise RequestError(400, f"{len(inflater.unused_data)} bytes stand behind the body's {encoding}, wanted none")
    return inflated


@contextlib.asynccontextmanager
async def _watched(request: Request) -> AsyncIterator[asyncio.Task[Any]]:
    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(gone())
    try:
        yield task
    finally:
        task.cancel()


async def while_connected(request: Request, work: Awaitable[Answer]) -> Answer:
    """Await ``work``, and cancel it where the client goes away; raises RequestError (499) then."""
    doing = asyncio.ensure_future(work)
    async with _watched(request) as gone:
        try:
            await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not doing.done():
                doing.cancel()
    if doing.cancelled() or not doing.done():
        with contextlib.suppress(asyncio.CancelledError, RequestError):
            await doing
        raise RequestError(499, "the client went away")
    return doing.result()
