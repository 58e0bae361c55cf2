"""A worker process as the front sees it: one that does not answer, and one that dies again and again."""

import asyncio
import dataclasses
import socket
import time

import pytest

from sparkcv.errors import ModelError, StorageError
from sparkcv.serve import model_process
from sparkcv.serve.errors import RequestError
from sparkcv.serve.model_process import ModelProcess
from tests.predict.models import write_folder
from tests.serve.test_catalog import ORDER


class Silent(ModelProcess):
    """Its other end is a socket of the test."""

    def __init__(self):
        super().__init__("m version 1", ORDER)
        self.ends = []

    async def _launch(self):
        ours, theirs = socket.socketpair()
        self.ends.append(theirs)
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self.writer = self._writer
        return reader

    def end(self):
        self.ends[-1].close()


def test_a_process_that_does_not_answer_costs_503_and_no_hang(monkeypatch):
    monkeypatch.setattr(model_process, "_LATE_S", 0.05)

    async def ask():
        process = Silent()
        await process.start()
        try:
            await process.score_picture(b"picture", time.monotonic())
        finally:
            closing = asyncio.create_task(process.close())
            await asyncio.sleep(0)
            process.end()
            await closing

    with pytest.raises(RequestError, match="the process of m version 1 does not answer") as caught:
        asyncio.run(ask())
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)


def test_closing_while_a_process_waits_to_be_started_again_ends_at_once_and_starts_none():
    async def close():
        process = Silent()
        await process.start()
        for number in (1, 2):  # the first is started again at once, the second after a pause
            process.end()
            while process.num_deaths < number or (number == 1 and len(process.ends) < 2):
                await asyncio.sleep(0.001)
        await asyncio.wait_for(process.close(), 30)
        return len(process.ends)

    assert asyncio.run(close()) == 2


def test_where_nobody_reads_what_processes_say_a_version_can_go(monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    async def close():
        lines = asyncio.StreamReader()
        lines.feed_data(b"one\ntwo\n")
        lines.feed_eof()
        process = Silent()
        await process.start()
        process._saying = asyncio.create_task(model_process._tell(lines))
        closing = asyncio.create_task(process.close())
        await asyncio.sleep(0)
        process.end()
        await closing
        assert process.writer.transport.get_extra_info("socket").fileno() == -1
        return lines.at_eof()  # or the process would wait for a reader

    with monkeypatch.context() as patched:
        patched.setattr(model_process.sys, "stderr", Gone())
        assert asyncio.run(close())


@pytest.mark.parametrize(("is_there", "kind"), [(False, StorageError), (True, ModelError)])
def test_a_store_that_fails_is_told_apart_from_a_model_that_is_wrong(tmp_path, is_there, kind):
    model, cache = str(tmp_path / "model"), str(tmp_path / "cache")
    if is_there:
        write_folder(tmp_path / "model", b"graph")

    async def start():
        process = ModelProcess("m version 1", dataclasses.replace(ORDER, model_url=model, cache_dir=cache, digest="x"))
        try:
            await process.start()
        finally:
            await process.close()

    with pytest.raises(kind, match=model):
        asyncio.run(start())
