"""What waits for a store, beside the event loop: the end of a service waits for asyncio's threads, not for these."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["in_background"]

Answer = TypeVar("Answer")


async def in_background(work: Callable[..., Answer], *given: Any) -> Answer:
    """Return what ``work`` gives, or raise what it raises; a store that does not answer may hold it up for minutes."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[Answer] = loop.create_future()

    def run() -> None:
        try:
            answer = work(*given)
        except BaseException as err:  # noqa: BLE001 - who waits is told
            tell(told.set_exception, err)
        else:
            tell(told.set_result, answer)

    def tell(how: Callable[[Any], None], what: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if told.done() else how(what))

    threading.Thread(target=run, name="sparkcv-store", daemon=True).start()
    return await told
