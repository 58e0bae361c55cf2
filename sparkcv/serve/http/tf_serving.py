"""Routes of TensorFlow Serving's REST interface, below ``/v1/models``."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparkcv.serve.errors import RequestError
from sparkcv.serve.http.requests import about, body, interface_of, service_of, while_connected
from sparkcv.serve.model_version import ModelVersion, State
from sparkcv.serve.protocols import tf_serving as protocol
from sparkcv.serve.protocols.values import ModelInput
from sparkcv.serve.service import ranked

__all__ = ["routes"]

_TOP = 10
_STATES = {State.FAILED: "END"}


async def models(request: Request) -> Response:
    """List the names of the models."""
    about(request, "v1_models")
    return JSONResponse({"models": service_of(request).catalog.names()})


async def status(request: Request) -> Response:
    """Tell the state of a model's versions, or of the one that version or label names."""
    catalog, name = service_of(request).catalog, request.path_params["name"]
    about(request, "v1_status")
    version, label = request.path_params.get("version"), request.path_params.get("label")
    versions = catalog.versions(name)
    if label is not None:
        rule = catalog.labels(name).get(label)
        version = str(rule.version) if rule is not None else "-"
    if version is not None:
        versions = [one for one in versions if str(one.version) == version]
        if not versions:
            raise RequestError(404, f"model {name!r} has no such version or label")
    value: dict[str, Any] = {"model_version_status": [_said(one) for one in versions]}
    value |= {"name": name, "ready": any(one.is_available for one in versions)}
    return JSONResponse(value, 200 if value["ready"] else 503)


async def metadata(request: Request) -> Response:
    """Tell a model's inputs and outputs."""
    about(request, "v1_metadata")
    one = _resolved(request)
    about(request, "v1_metadata", one)
    return JSONResponse(protocol.metadata(one.name, one.version, interface_of(one)))


async def predict(request: Request) -> Response:
    """Score: instances (rows) or inputs (columns), each the bytes of a picture as b64, or pixels.

    The answer has the probabilities of all classes, as predictions or outputs.
    """
    about(request, "v1_predict")
    one = _resolved(request)
    about(request, "v1_predict", one)
    asked = protocol.parse_predict(await body(request), interface_of(one))
    scores = await _scores(request, one, asked.given, "v1_predict")
    return JSONResponse(protocol.predict_response(asked, scores))


async def classify(request: Request) -> Response:
    """Classify: examples with the feature encoded, the bytes of a picture as b64; labels and scores, best first."""
    about(request, "v1_classify")
    one = _resolved(request)
    about(request, "v1_classify", one)
    interface = interface_of(one)
    given = protocol.parse_classify(await body(request), interface)
    scores = await _scores(request, one, given, "v1_classify")
    best = [[(label, score) for _, label, score in ranked(row, interface.labels, _TOP)] for row in scores]
    return JSONResponse(protocol.classify_response(best))


async def _scores(request: Request, one: ModelVersion, given: ModelInput, route: str) -> Any:
    about(request, route, one, len(given))
    return await while_connected(request, service_of(request).probabilities(one, given))


def _resolved(request: Request) -> ModelVersion:
    path = request.path_params
    return service_of(request).catalog.resolve(path["name"], path.get("version"), path.get("label"))


def _said(one: ModelVersion) -> dict[str, Any]:
    code, message = ("OK", "") if one.state is not State.FAILED else ("UNKNOWN", "not loaded, see the server's log")
    return {
        "version": str(one.version),
        "state": _STATES.get(one.state, one.state.value),
        "status": {"error_code": code, "error_message": message},
    }


_WHICH = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}", "/v1/models/{name}/labels/{label}")
routes = [
    Route("/v1/models", models, methods=["GET"]),
    *(Route(f"{which}:predict", predict, methods=["POST"]) for which in _WHICH),
    *(Route(f"{which}:classify", classify, methods=["POST"]) for which in _WHICH),
    *(Route(f"{which}/metadata", metadata, methods=["GET"]) for which in _WHICH),
    *(Route(which, status, methods=["GET"]) for which in _WHICH),
]
