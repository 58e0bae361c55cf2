"""What stands before every route: request ids, the access log, limits of bodies and times, keys.

As plain ASGI, so that no body passes through a wrapper twice.
"""

import asyncio
import contextlib
import dataclasses
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from sparkcv import logs
from sparkcv.serve.errors import RequestError
from sparkcv.serve.metrics import ServiceMetrics

__all__ = ["Guard", "GuardSpec", "error_response"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# What tells nothing: health for whoever restarts the service, and the pages, which ask for the key themselves.
_OPEN_PATHS = (
    "/",
    "/page.js",
    "/generate.js",
    "/docs",
    "/docs.js",
    "/openapi.json",
    "/v2/health/live",
    "/v2/health/ready",
)
_LINGER_BYTES = 1 << 30  # of a body that is too large are received and dropped at most
_log = logs.get(__name__)
_access = logging.getLogger("sparkcv.serve.access")


@dataclasses.dataclass(frozen=True)
class GuardSpec:
    """Limits and keys.

    Attributes:
        max_body_bytes: of a request.
        upload_timeout_s: from a request's head to the end of its body.
        api_key, admin_key: for inference and for admin calls; "" asks for none.
    """

    max_body_bytes: int
    upload_timeout_s: float
    api_key: str = ""
    admin_key: str = ""


class Guard:
    """ASGI middleware round the routes; ``is_admin`` tells admin calls by method and path."""

    def __init__(
        self, app: App, spec: GuardSpec, metrics: ServiceMetrics, is_admin: Callable[[str, str], bool]
    ) -> None:
        self._app, self._spec, self._metrics, self._is_admin = app, spec, metrics, is_admin

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass a request on, within limits, and tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        begin_s, given = time.monotonic(), headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        kept = contextlib.ExitStack()  # what the request's end lets go
        said: dict[str, Any] = {"status": 0, "request_id": request_id, "kept": kept}
        scope.setdefault("state", {})["about"] = said

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                said["status"] = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            elif said["status"] == 413 and not said.get("is_whole"):
                # Were the connection closed while its client still sends, that client would not see the answer.
                await send({**message, "more_body": True})
                await _discard(receive, self._spec.upload_timeout_s)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            self._check(scope, headers)
            await self._app(scope, self._limited(receive, begin_s, said), tell)
        except RequestError as err:
            if not said["status"]:
                await error_response(err)(scope, receive, tell)
        except _GoneError:
            said["status"] = 499  # nginx's code for a client that went away; Starlette has sent it 500 in vain
        except Exception:  # noqa: BLE001 - one request's bug is no other's
            _log.exception("a bug of the service, request %s", request_id)
        finally:
            kept.close()
            self._tell(scope, said, request_id, time.monotonic() - begin_s)

    def _check(self, scope: Mapping[str, Any], headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._spec.max_body_bytes:
            raise _too_large(self._spec.max_body_bytes)
        if scope["path"] in _OPEN_PATHS:
            return
        admin = self._is_admin(scope["method"], scope["path"])
        key = self._spec.admin_key if admin else self._spec.api_key
        if admin and not key and self._spec.api_key:
            raise RequestError(403, "admin calls are off: the service has a key for inference and none for them")
        if key and not _has_key(headers, key):
            what = "admin calls" if admin else "inference"
            raise RequestError(401, f"wanted the key for {what}, as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")

    def _limited(self, receive: Receive, begin_s: float, said: dict[str, Any]) -> Receive:
        """Return ``receive`` that counts a body's bytes and does not wait for ever for them."""
        total = 0

        async def limited() -> Message:
            nonlocal total
            if said.get("is_whole"):
                return await receive()  # the client's going away, for who waits for it
            left_s = begin_s + self._spec.upload_timeout_s - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), max(0.01, left_s))
            except TimeoutError:
                limit = f"{self._spec.upload_timeout_s:g} s"
                raise RequestError(408, f"the request's body did not arrive within {limit}") from None
            if message["type"] == "http.disconnect":
                raise _GoneError
            total += len(message.get("body", b""))
            said["is_whole"] = not message.get("more_body", False)
            if total > self._spec.max_body_bytes:
                raise _too_large(self._spec.max_body_bytes)
            return message

        return limited

    def _tell(self, scope: Mapping[str, Any], said: Mapping[str, Any], request_id: str, seconds: float) -> None:
        route = str(said.get("route", "other"))
        model, version = str(said.get("model", "")), str(said.get("version", ""))
        self._metrics.requests.labels(model, version, route, str(said["status"])).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        client = scope.get("client") or ("", 0)
        _access.info(
            "%s",
            json.dumps(
                {
                    "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "request_id": request_id,
                    "client": client[0],
                    "method": scope["method"],
                    "path": logs.clean(scope["path"][:200]),
                    "status": said["status"],
                    "ms": round(1000 * seconds, 1),
                    "model": model,
                    "version": version,
                    "pictures": said.get("pictures", 0),
                }
            ),
        )


class _GoneError(Exception):
    """The client went away before its request was whole."""


def error_response(err: RequestError) -> JSONResponse:
    """Return an error as every protocol here has it: ``{"error": SENTENCE}``."""
    headers = {} if err.retry_after_s is None else {"Retry-After": str(err.retry_after_s)}
    if err.status in (408, 413):
        headers["Connection"] = "close"
    if err.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": err.message}, err.status, headers)


async def _discard(receive: Receive, seconds: float) -> None:
    """Receive what is left of a body, within limits, and drop it."""
    total = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while total < _LINGER_BYTES:
                message = await receive()
                total += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break


def _has_key(headers: Headers, key: str) -> bool:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    given = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return hmac.compare_digest(given.encode("utf-8"), key.encode("utf-8"))


def _too_large(most: int) -> RequestError:
    return RequestError(413, f"the request's body is over {most} bytes")
