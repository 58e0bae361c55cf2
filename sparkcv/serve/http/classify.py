"""``POST /classify``: pictures as a form's files, labels and scores back; a bad one costs only its own entry."""

from collections.abc import AsyncGenerator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparkcv import logs
from sparkcv.serve.errors import RequestError, whole_number
from sparkcv.serve.http.requests import about, interface_of, service_of, while_connected
from sparkcv.serve.model_process import ScoreReply
from sparkcv.serve.protocols.values import pictures_input
from sparkcv.serve.service import ranked

__all__ = ["milliseconds", "only_model", "routes", "top_k_of", "upload_form", "uploaded"]

_FORM = "multipart/form-data"
_OF_QUERY = ("model", "version", "label", "top_k")
_WANTED = (
    "wanted multipart/form-data with files, such as curl -F image=@x.jpg, or one picture as the body with its type, "
    "such as curl -H 'Content-Type: image/jpeg' --data-binary @x.jpg"
)


async def classify(request: Request) -> Response:
    """Classify pictures: multipart/form-data with one file or many, or one picture as the whole body.

    Query: model (where several are served), version or label, top_k. The answer has an entry for each picture, in
    their order: its file's name and either predictions, best first, or an error.
    """
    about(request, "classify")
    service = service_of(request)
    query = request.query_params
    name = query.get("model") or only_model(service.catalog.names())
    one = service.catalog.resolve(name, query.get("version"), query.get("label"))
    about(request, "classify", one)
    interface = interface_of(one)
    top_k = top_k_of(query.get("top_k", "5"), len(interface.labels))
    files = await uploaded(request, interface.max_batch)
    about(request, "classify", one, len(files))
    given = pictures_input([data for _, data in files], interface)
    answers = await while_connected(request, service.score(one, given))
    entries: list[dict[str, Any]] = []
    for (file_name, _), answer in zip(files, answers, strict=True):
        if isinstance(answer, RequestError):
            entries.append({"file": file_name, "error": answer.message})
            continue
        best = ranked(answer.scores, interface.labels, top_k)
        entries.append(
            {
                "file": file_name,
                "predictions": [{"label": label, "label_id": index, "score": score} for index, label, score in best],
                "ms": milliseconds(answer),
            }
        )
    status = 200 if any("predictions" in entry for entry in entries) else 400
    value: dict[str, Any] = {"model": one.name, "version": one.version, "digest": one.digest, "results": entries}
    if status == 400:
        value["error"] = f"no picture could be used; the first: {entries[0]['error']}"
    return JSONResponse(value, status)


routes = [Route("/classify", classify, methods=["POST"])]


def milliseconds(answer: ScoreReply) -> dict[str, float]:
    """Return how long each stage of a picture took."""
    stages = (("decode", answer.decode_s), ("wait", answer.wait_s), ("model", answer.model_s))
    return {name: round(1000 * seconds, 2) for name, seconds in stages}


def only_model(names: list[str]) -> str:
    """Return the one model that is served; raises RequestError (400, 503) for several, or none."""
    if not names:
        raise RequestError(503, "no model is loaded yet", retry_after_s=1)
    if len(names) > 1:
        raise RequestError(400, f"several models are served, wanted ?model= with one of: {', '.join(names[:20])}")
    return names[0]


def top_k_of(text: str, most: int) -> int:
    """Return how many answers of a picture are wanted, ``most`` at most; raises RequestError (400)."""
    number = whole_number(text)
    if not number:
        raise RequestError(400, f"top_k is {text[:40]!r}, wanted a number from 1 to {most}")
    return min(number, most)


async def uploaded(request: Request, most: int) -> list[tuple[str, bytes]]:
    """Return the names and bytes of the uploaded files; raises RequestError (400, 415).

    The model is chosen before the body is read, so a field of the form that names another one would be lost.
    """
    files, fields = await upload_form(request, most)
    for name in _OF_QUERY:
        if name in fields:
            raise RequestError(400, f"the form has a field {name!r}, wanted it in the query, as ?{name}=...")
    return files


class _WholeForm(MultiPartParser):
    """A form's parser that knows whether the end came: Starlette's leaves out the file that is cut, in silence."""

    is_whole = False

    def on_end(self) -> None:
        """See the boundary behind the last part."""
        self.is_whole = True


async def upload_form(request: Request, most: int) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
    """Return the same, and the form's other fields by name."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        data = await request.body()
        if not data:
            raise RequestError(400, f"the body is empty; {_WANTED}")
        return [("", data)], {}
    if kind != _FORM:
        raise RequestError(415, f"the content type is {kind[:80]!r}; {_WANTED}")
    parser: _WholeForm

    async def stream() -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            yield chunk
        if not parser.is_whole:  # told from here, so that the parser closes its files
            raise RequestError(400, "the form is cut: the boundary that ends it is missing")

    # One more than is taken, so that too many are told by their number.
    parser = _WholeForm(request.headers, stream(), max_files=most + 1, max_fields=100, max_part_size=1 << 16)
    try:
        form = await parser.parse()
    except MultiPartException as err:
        raise RequestError(400, f"the form cannot be read: {err.message}") from err
    try:
        uploads = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        files = [(logs.clean(upload.filename or "")[:200], await upload.read()) for upload in uploads]
    finally:
        await form.close()
    if not files:
        raise RequestError(400, f"the form has no file; {_WANTED}")
    return files, fields
