"""``POST /stylize``: a picture in, the same picture in the style of a trained net out, of the same size."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sparkcv.serve.answers import Answers
from sparkcv.serve.errors import RequestError
from sparkcv.serve.http.classify import milliseconds, only_model, upload_form
from sparkcv.serve.http.requests import about, interface_of, service_of, while_connected
from sparkcv.serve.protocols.values import ModelInput
from sparkcv.style.picture_pixels import FORMATS

__all__ = ["routes"]

_KINDS = {f"image/{name}": name for name in FORMATS}
_ANY = ("*/*", "image/*")


async def stylize(request: Request) -> Response:
    """Stylize a picture: multipart/form-data with one file, or the picture as the whole body; a picture comes back.

    Query, or fields of the form: model (where several are served), version or label, and format: jpeg, png or webp. Not
    given, the header Accept says the format; where it takes any, it is the picture's own, or PNG where that is not
    written. The answer has the size of the picture, upright, and tells the model and its digest in the headers X-Model,
    X-Model-Version and X-Model-Digest, and how long each stage took in Server-Timing.
    """
    about(request, "stylize")
    service = service_of(request)
    files, fields = await upload_form(request, 1)
    fields.update(request.query_params)
    name = fields.get("model") or only_model(service.catalog.names())
    one = service.catalog.resolve(name, fields.get("version"), fields.get("label"))
    about(request, "stylize", one, len(files))
    interface_of(one, Answers.PICTURES)
    if len(files) > 1:
        raise RequestError(400, f"the form has {len(files)} files, wanted one: a picture comes back for a picture")
    wanted = _format(fields.get("format", ""), request.headers.get("accept", ""))
    given = ModelInput(pictures=(files[0][1],), file_format=wanted)
    (answer,) = await while_connected(request, service.score(one, given))
    if isinstance(answer, RequestError):
        raise answer
    stages = ", ".join(f"{stage};dur={ms}" for stage, ms in milliseconds(answer).items())
    told = {"X-Model": one.name, "X-Model-Version": str(one.version), "X-Model-Digest": one.digest}
    headers = {**told, "Server-Timing": stages, "X-Content-Type-Options": "nosniff"}
    return Response(answer.picture, headers=headers, media_type=f"image/{answer.file_format}")


routes = [Route("/stylize", stylize, methods=["POST"])]


def _format(given: str, accept: str) -> str:
    """Return the format that is wanted, "" for the picture's own; raises RequestError (400, 406)."""
    if given:
        if given not in FORMATS:
            raise RequestError(400, f"format is {given[:40]!r}, wanted one of {', '.join(FORMATS)}")
        return given
    ranked = sorted((_preference(part) for part in accept.split(",") if part.strip()), reverse=True)
    for weight, _, kind in ranked:
        if weight > 0 and (kind in _ANY or kind in _KINDS):
            return _KINDS.get(kind, "")
    if ranked:
        raise RequestError(406, f"Accept is {accept[:80]!r}, wanted one of {', '.join(_KINDS)}, or */*")
    return ""


def _preference(part: str) -> tuple[float, bool, str]:
    """Return the weight of a part of Accept, whether it names a format, and its type."""
    kind, *parameters = (word.strip().lower() for word in part.split(";"))
    weight = next((word.removeprefix("q=") for word in parameters if word.startswith("q=")), "1")
    try:
        return float(weight), kind in _KINDS, kind
    except ValueError:
        return 0.0, False, kind
