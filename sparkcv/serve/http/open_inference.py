"""Routes of the Open Inference Protocol, version 2, below ``/v2``, with Triton's model repository extension."""

import gzip
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import sparkcv
from sparkcv.serve.errors import RequestError, unavailable
from sparkcv.serve.http.requests import about, body, interface_of, service_of, while_connected
from sparkcv.serve.model_version import ModelVersion, State
from sparkcv.serve.protocols import open_inference as protocol
from sparkcv.serve.protocols.json_body import parse_object

__all__ = ["routes"]

_STATES = {
    State.AVAILABLE: "READY",
    State.LOADING: "LOADING",
    State.UNLOADING: "UNLOADING",
    State.END: "UNAVAILABLE",
    State.FAILED: "UNAVAILABLE",
}
_EXTENSIONS = [
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "statistics",
]


async def server(request: Request) -> Response:
    """Tell name, version and extensions of the server."""
    about(request, "v2")
    return JSONResponse({"name": "sparkcv", "version": sparkcv.__version__, "extensions": _EXTENSIONS})


async def live(request: Request) -> Response:
    """Tell whether the process is alive."""
    about(request, "v2_live")
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """Tell whether requests are taken: at least one model is loaded, and the service is not about to end."""
    about(request, "v2_ready")
    service = service_of(request)
    catalog = service.catalog
    any_ready = any(one.is_available for name in catalog.names() for one in catalog.versions(name))
    is_ready = any_ready and not service.is_draining
    return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)


async def model_ready(request: Request) -> Response:
    """Tell whether a model, or a version of it, takes requests."""
    about(request, "v2_model_ready")
    name = request.path_params["name"]
    try:
        one = service_of(request).catalog.resolve(name, request.path_params.get("version"))
    except RequestError as err:
        if err.status != 503:
            raise
        is_ready = False
    else:
        is_ready = one.process is not None and one.process.is_ready  # it may be being started again
    return JSONResponse({"name": name, "ready": is_ready}, 200 if is_ready else 503)


async def metadata(request: Request) -> Response:
    """Tell a model's versions, inputs and outputs."""
    about(request, "v2_metadata")
    one = _resolved(request)
    about(request, "v2_metadata", one)
    numbers = sorted(other.version for other in service_of(request).catalog.versions(one.name) if other.is_available)
    return JSONResponse(protocol.metadata(one.name, numbers, interface_of(one)))


async def config(request: Request) -> Response:
    """Tell a model's configuration, in the words of Triton's extension."""
    about(request, "v2_config")
    one = _resolved(request)
    about(request, "v2_config", one)
    return JSONResponse(protocol.configuration(one.name, interface_of(one)))


async def statistics(request: Request) -> Response:
    """Tell what a model's versions, or those of all models, have done since they were loaded."""
    about(request, "v2_statistics")
    catalog, path = service_of(request).catalog, request.path_params
    name, version = path.get("name"), path.get("version")
    found = [one for known in ([name] if name else catalog.names()) for one in catalog.versions(known)]
    if version is not None:
        found = [one for one in found if str(one.version) == version]
        if not found:
            raise RequestError(404, f"model {name!r} has no version {version[:40]!r}")
    return JSONResponse({"model_stats": [one.statistics.to_dict(one.name, one.version) for one in found]})


async def infer(request: Request) -> Response:
    """Score one tensor: encoded (BYTES, files of pictures) or input (FP32, pixels), in JSON or as binary data.

    The parameter classification of the output gives that many of the best classes as "score:index:label".
    """
    about(request, "v2_infer")
    one = _resolved(request)
    about(request, "v2_infer", one)
    interface = interface_of(one)
    header_length = request.headers.get(protocol.HEADER_LENGTH)
    asked = protocol.parse_infer(await body(request), header_length, interface)
    about(request, "v2_infer", one, len(asked.given))
    scores = await while_connected(request, service_of(request).probabilities(one, asked.given))
    data, json_length = protocol.infer_response(asked, one.name, one.version, scores, interface)
    headers = {} if json_length is None else {protocol.HEADER_LENGTH: str(json_length)}
    if len(data) > 1 << 14 and _takes_gzip(request.headers.get("accept-encoding", "")):
        data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
    kind = "application/json" if json_length is None else "application/octet-stream"
    return Response(data, media_type=kind, headers=headers)


async def index(request: Request) -> Response:
    """List all versions of all models with their states."""
    about(request, "v2_index")
    sent = await body(request)
    only_ready = bool(parse_object(sent).get("ready", False)) if sent.strip() else False
    catalog = service_of(request).catalog
    found: list[dict[str, Any]] = []
    for name in catalog.names():
        for one in catalog.versions(name):
            if not only_ready or one.is_available:
                reason = "not loaded, see the server's log" if one.state is State.FAILED else ""
                found.append({"name": name, "version": str(one.version), "state": _STATES[one.state], "reason": reason})
    return JSONResponse(found)


async def load(request: Request) -> Response:
    """Load a model's versions again as the folder has them now."""
    about(request, "v2_load")
    await service_of(request).catalog.load(request.path_params["name"])
    return JSONResponse({})


async def unload(request: Request) -> Response:
    """Drain and unload a model, until it is loaded again."""
    about(request, "v2_unload")
    await service_of(request).catalog.unload(request.path_params["name"])
    return JSONResponse({})


def _takes_gzip(accepted: str) -> bool:
    """Tell whether the field Accept-Encoding names gzip, and not to refuse it by ``q=0``."""
    for part in accepted.lower().split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        if name == "gzip":
            return not any(re.fullmatch(r"q=0(\.0*)?", word) for word in parameters)
    return False


def _resolved(request: Request) -> ModelVersion:
    path = request.path_params
    service = service_of(request)
    if service.is_draining:
        raise unavailable("the service is about to end")
    return service.catalog.resolve(path["name"], path.get("version"))


_WHICH = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
routes = [
    Route("/v2", server, methods=["GET"]),
    Route("/v2/health/live", live, methods=["GET"]),
    Route("/v2/health/ready", ready, methods=["GET"]),
    Route("/v2/repository/index", index, methods=["POST"]),
    Route("/v2/repository/models/{name}/load", load, methods=["POST"]),
    Route("/v2/repository/models/{name}/unload", unload, methods=["POST"]),
    Route("/v2/models/stats", statistics, methods=["GET"]),
    *(Route(f"{which}/stats", statistics, methods=["GET"]) for which in _WHICH),
    *(Route(f"{which}/ready", model_ready, methods=["GET"]) for which in _WHICH),
    *(Route(f"{which}/config", config, methods=["GET"]) for which in _WHICH),
    *(Route(f"{which}/infer", infer, methods=["POST"]) for which in _WHICH),
    *(Route(which, metadata, methods=["GET"]) for which in _WHICH),
]
