"""Forms of pictures as they arrive, without a model and without a socket."""

import asyncio

import pytest
from starlette.requests import Request

from sparkcv.serve.errors import RequestError
from sparkcv.serve.http.classify import upload_form, uploaded

PICTURE = b"\xff\xd8 a picture \r\n--almost"


def part(name, data, file_name=None):
    more = "" if file_name is None else f'; filename="{file_name}"'
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + data + b"\r\n"


def request(body, size):
    """Return a request whose body comes in pieces of ``size`` bytes."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_whole_form_gives_all_files_and_fields(size):
    body = part("image", PICTURE, "a.jpg") + part("format", b"png") + part("image", b"", "b.jpg") + b"--b--\r\n"
    files, fields = asyncio.run(upload_form(request(body, size), 2))
    assert (files, fields) == ([("a.jpg", PICTURE), ("b.jpg", b"")], {"format": "png"})


@pytest.mark.parametrize("size", [1, 10_000])
@pytest.mark.parametrize(
    "kept", [b"", b"--b\r\n", part("image", PICTURE, "b.jpg")[:-9], part("image", PICTURE, "b.jpg")]
)
def test_a_form_that_is_cut_is_refused_and_loses_no_file_in_silence(kept, size):
    body = part("image", PICTURE, "a.jpg") + kept
    with pytest.raises(RequestError, match="the form is cut: the boundary that ends it is missing") as caught:
        asyncio.run(upload_form(request(body, size), 2))
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["model", "version", "label", "top_k"])
def test_a_field_that_is_read_in_the_query_alone_is_refused(name):
    body = part("image", PICTURE, "a.jpg") + part(name, b"1") + b"--b--\r\n"
    with pytest.raises(RequestError, match=rf"the form has a field '{name}', wanted it in the query") as caught:
        asyncio.run(uploaded(request(body, 10_000), 2))
    assert caught.value.status == 400


def test_other_fields_of_a_form_are_no_error():
    body = part("image", PICTURE, "a.jpg") + part("comment", b"mine") + b"--b--\r\n"
    assert asyncio.run(uploaded(request(body, 10_000), 2)) == [("a.jpg", PICTURE)]
