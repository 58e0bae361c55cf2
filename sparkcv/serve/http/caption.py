"""``POST /caption``: pictures as a form's files, captions back; a bad one costs only its own entry."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparkcv.config.caption_net import MOST_BEAMS
from sparkcv.serve.answers import Answers
from sparkcv.serve.errors import RequestError
from sparkcv.serve.http.classify import milliseconds, only_model, top_k_of, uploaded
from sparkcv.serve.http.requests import about, interface_of, service_of, while_connected
from sparkcv.serve.protocols.values import pictures_input

__all__ = ["routes"]


async def caption(request: Request) -> Response:
    """Tell captions of pictures: multipart/form-data with one file or many, or one picture as the whole body.

    Query: model (where several are served), version or label, top_k (all unless given). The answer has an entry for
    each picture, in their order: its file's name and either captions with their probabilities, best first, or an error.
    """
    about(request, "caption")
    service = service_of(request)
    query = request.query_params
    name = query.get("model") or only_model(service.catalog.names())
    one = service.catalog.resolve(name, query.get("version"), query.get("label"))
    about(request, "caption", one)
    interface = interface_of(one, Answers.CAPTIONS)
    top_k = top_k_of(query.get("top_k", str(MOST_BEAMS)), MOST_BEAMS)
    files = await uploaded(request, interface.max_batch)
    about(request, "caption", one, len(files))
    given = pictures_input([data for _, data in files], interface)
    answers = await while_connected(request, service.score(one, given))
    entries: list[dict[str, Any]] = []
    for (file_name, _), answer in zip(files, answers, strict=True):
        if isinstance(answer, RequestError):
            entries.append({"file": file_name, "error": answer.message})
            continue
        told = [{"text": text, "p": p} for text, p in answer.captions[:top_k]]
        entries.append({"file": file_name, "captions": told, "ms": milliseconds(answer)})
    value: dict[str, Any] = {"model": one.name, "version": one.version, "digest": one.digest, "results": entries}
    status = 200 if any("captions" in entry for entry in entries) else 400
    if status == 400:
        value["error"] = f"no picture could be used; the first: {entries[0]['error']}"
    return JSONResponse(value, status)


routes = [Route("/caption", caption, methods=["POST"])]
