"""The server round the application: how many connections it takes, and how it ends."""

import asyncio
import contextlib
import json
import socket

from sparkcv.serve.http.server import MAX_HEAD_BYTES, GracefulServer, server_config


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def never(scope, receive, send):
    await asyncio.Event().wait()


async def served(app, talk, **options):
    """Serve while ``talk(port, server)`` runs; return its result and the server."""
    limits = {"header_timeout_s": 30.0, "body_timeout_s": 30.0, "max_connections": 9, "drain_s": 1.0, "tls": None}
    config = server_config(app, **{**limits, **options})
    server = GracefulServer(config, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        try:
            found = await talk(listener.getsockname()[1], server)
        finally:
            server.should_exit = True
            await serving
    return found, server


async def get(port):
    """Ask for / on a connection of its own, which stays open; return the status, the head, the body and its writer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    size = int(head.partition("content-length: ")[2].partition("\r")[0])
    return int(head.split()[1]), head, await reader.readexactly(size), writer


def test_so_many_connections_are_taken_and_one_more_is_told_when_to_come_again():
    async def talk(port, server):
        found = [await get(port) for _ in range(3)]
        for *_, writer in found:
            writer.close()
            await writer.wait_closed()
        return found

    (first, second, third), server = asyncio.run(served(answer, talk, max_connections=2))
    assert [first[0], second[0], third[0]] == [200, 200, 503]
    assert "retry-after: 1" in third[1]
    assert "connection: close" in third[1]
    assert json.loads(third[2]) == {"error": "there are over 2 connections, which is the most"}
    assert server.num_dropped == 0


def test_requests_that_are_not_answered_in_time_at_the_end_are_counted():
    async def talk(port, server):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not server.server_state.tasks:
            await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()

    _, server = asyncio.run(served(never, talk))
    assert server.num_dropped == 1


def test_a_head_that_does_not_end_is_refused():
    async def talk(port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in (b"GET / HTTP/1.1\r\nX-A: ", *[b"a" * 1024] * (MAX_HEAD_BYTES // 1024 + 1)):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)  # one piece a read, so that nothing lies unread where the server closes
        found = await reader.read()
        writer.close()
        return found.decode()

    found, _ = asyncio.run(served(answer, talk))
    assert found.startswith("HTTP/1.1 431 ")
    assert json.loads(found.partition("\r\n\r\n")[2]) == {"error": "the request's head is over 65536 bytes"}


async def closed(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):  # the server may have closed it first
        await writer.wait_closed()


def test_who_sends_slowly_what_is_answered_already_sees_the_answer_and_goes_on():
    async def talk(port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):  # 1.2 s, of which a head would have 0.5
            await asyncio.sleep(0.1)
            writer.write(b"x")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        found = [await answer_of(reader) for _ in range(2)]
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        found.append(await answer_of(reader))
        writer.write(b"x")
        rest = await asyncio.wait_for(reader.read(), 10)  # what is idle behind it is closed
        await closed(writer)
        return found, rest

    found, _ = asyncio.run(served(answer, talk, header_timeout_s=0.5))
    assert found == ([b"ok"] * 3, b"")


def test_a_body_that_nobody_reads_and_that_does_not_end_is_closed():
    async def talk(port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n")
        found = await answer_of(reader)
        writer.write(b"x")
        rest = await asyncio.wait_for(reader.read(), 10)
        await closed(writer)
        return found, rest

    found, _ = asyncio.run(served(answer, talk, body_timeout_s=0.2))
    assert found == (b"ok", b"")


def test_many_requests_in_one_piece_are_no_long_head():
    async def talk(port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        one = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 2000 + b"\r\n\r\n"
        writer.write(one * 60)
        await writer.drain()
        found = [await reader.readuntil(b"ok") for _ in range(60)]
        writer.close()
        await writer.wait_closed()
        return found

    found, _ = asyncio.run(served(answer, talk))
    assert all(one.startswith(b"HTTP/1.1 200 ") for one in found)


async def echo(scope, receive, send):
    """Answer with the body, and the field Upgrade if there is one."""
    body, is_whole = b"", False
    while not is_whole:
        message = await receive()
        body, is_whole = body + message["body"], not message["more_body"]
    said = scope["method"].encode() + b" " + body + b" " + dict(scope["headers"]).get(b"connection", b"")
    size = str(len(said)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]})
    await send({"type": "http.response.body", "body": said})


async def answer_of(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    return await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))


UPGRADE = (
    b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
)


def test_the_body_of_a_request_that_offers_http2_is_read(capfd):
    posted = b"POST / HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 7\r\n\r\npicture"
    chunked = b"POST / HTTP/1.1\r\n" + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n7\r\npicture\r\n0\r\n\r\n"
    got = b"GET / HTTP/1.1\r\n" + UPGRADE + b"\r\n"
    plain = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nend"

    async def talk(port, server):
        found = []
        for size in (1, 1000):  # bytes of a piece: a head that is cut anywhere, and requests that come together
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            sent = posted + got + chunked + plain
            for at in range(0, len(sent), size):
                writer.write(sent[at : at + size])
                await asyncio.sleep(0)
            found.append([await answer_of(reader) for _ in range(4)])
            writer.close()
            await writer.wait_closed()
        return found

    found, _ = asyncio.run(served(echo, talk))
    asked = b" Upgrade, HTTP2-Settings"
    assert found == [[b"POST picture" + asked, b"GET " + asked, b"POST picture" + asked, b"POST end "]] * 2
    assert "WebSocket" not in capfd.readouterr().err


def test_a_request_for_a_tunnel_is_refused():
    async def talk(port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT other:80 HTTP/1.1\r\nHost: x\r\n\r\n")
        found = await reader.read()
        writer.close()
        return found

    found, _ = asyncio.run(served(echo, talk))
    assert found.startswith(b"HTTP/1.1 400 ")
