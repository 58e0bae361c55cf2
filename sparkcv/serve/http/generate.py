"""``POST /generate``: captions as JSON, pictures back: a PNG, or JSON with all of them."""

import base64
import io
import itertools
import urllib.parse

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparkcv.errors import DataError
from sparkcv.serve import generating
from sparkcv.serve.answers import Answers
from sparkcv.serve.errors import RequestError
from sparkcv.serve.http.classify import only_model
from sparkcv.serve.http.requests import about, body, interface_of, service_of, while_connected
from sparkcv.serve.protocols.generate import PicturesAsked, parse
from sparkcv.serve.protocols.values import pictures_input
from sparkcv.text2image import picture_request
from sparkcv.text2image.picture_grid import grid
from sparkcv.text2image.picture_request import PictureRequest

__all__ = ["SCHEMA", "routes"]

_MOST_UNKNOWN = 2000  # characters of a header: with all others, proxies take 4,096 or 8,192 bytes
_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
SCHEMA = {
    "type": "object",
    "properties": {
        "caption": _TEXT,
        "captions": {"type": "array", "items": _TEXT},
        "to_caption": {**_TEXT, "description": "the pictures lead from caption to it in equal steps"},
        "num_pictures": {**_NUMBER, "default": 1, "description": "of each caption, or on the way to to_caption"},
        "seed": {**_NUMBER, "default": 0, "description": "the same gives the same pictures"},
        "columns": {**_NUMBER, "description": "pictures in a line of the grid; not given: num_pictures"},
    },
}
"""The body, for the description of all routes."""


async def generate(request: Request) -> Response:
    """Make pictures of captions: JSON such as {"caption": "a red ring", "num_pictures": 4, "seed": 1}.

    Or "captions", a list. With "to_caption" the pictures lead from one caption to the other. Query: model (where
    several are served), version or label. The answer is a PNG, of one picture or a grid, and the header
    X-Unknown-Words names words that the nets do not know; with Accept: application/json it is JSON with each picture.
    """
    about(request, "generate")
    service = service_of(request)
    query = request.query_params
    name = query.get("model") or only_model(service.catalog.names())
    one = service.catalog.resolve(name, query.get("version"), query.get("label"))
    about(request, "generate", one)
    interface = interface_of(one, Answers.DRAWINGS)
    generator = one.net.generator if one.net is not None else None
    if generator is None:
        raise RequestError(503, f"{one} is not loaded", retry_after_s=1)
    wanted = parse(await body(request), interface.max_batch)
    try:
        made = picture_request.request(generator.texts, wanted.captions, wanted.to_caption, wanted.num_pictures)
    except DataError as err:
        raise RequestError(400, str(err)) from err
    about(request, "generate", one, len(made.rows))
    given = pictures_input([generating.asked(row, wanted.seed) for row in made.rows], interface)
    pictures = []
    for answer in await while_connected(request, service.score(one, given)):
        if isinstance(answer, RequestError):
            raise answer
        pictures.append(answer.picture)
    if "application/json" not in request.headers.get("accept", ""):
        return _one_png(pictures, wanted, made)
    value = {
        "model": one.name,
        "version": one.version,
        "digest": one.digest,
        "step": generator.step,
        "seed": wanted.seed,
        "unknown_words": made.unknown,
        "pictures": [
            {"caption": caption, "png": base64.b64encode(png).decode("ascii")}
            for caption, png in zip(made.captions, pictures, strict=True)
        ],
    }
    return JSONResponse(value)


routes = [Route("/generate", generate, methods=["POST"])]


def _one_png(pictures: list[bytes], wanted: PicturesAsked, made: PictureRequest) -> Response:
    """Return the one picture, or all of them as a grid."""
    data = pictures[0]
    if len(pictures) > 1:
        pixels = [np.asarray(Image.open(io.BytesIO(png))) for png in pictures]
        sink = io.BytesIO()
        grid(pixels, wanted.columns or wanted.num_pictures).save(sink, "PNG")
        data = sink.getvalue()
    words = dict.fromkeys(word for unknown in made.unknown.values() for word in unknown)
    told = {"X-Unknown-Words": _of_header(list(words))} if words else {}
    return Response(data, media_type="image/png", headers=told)


def _of_header(words: list[str]) -> str:
    """Return the first of the words, percent-encoded, as many as a header takes."""
    quoted = [urllib.parse.quote(word) for word in words]
    lengths = itertools.accumulate(len(word) + 1 for word in quoted)
    return ",".join(word for word, end in zip(quoted, lengths, strict=True) if end <= _MOST_UNKNOWN)
