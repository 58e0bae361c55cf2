"""Admin calls of our own: labels of versions, and the way back to the version before."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparkcv.serve.errors import RequestError
from sparkcv.serve.http.requests import about, body, service_of
from sparkcv.serve.protocols.json_body import parse_object
from sparkcv.serve.repository import LabelRule

__all__ = ["is_admin", "routes"]


def is_admin(method: str, path: str) -> bool:
    """Tell whether a request changes what is served, for which there may be a key of its own."""
    return path.startswith(("/admin/", "/v2/repository/")) and method != "GET"


async def set_label(request: Request) -> Response:
    """Name a version: {"version": 3, "share": 0.1}, the share of requests without a version that it gets."""
    about(request, "admin_label")
    value, path = parse_object(await body(request)), request.path_params
    version, share = value.get("version"), value.get("share", 0.0)
    if type(version) is not int or type(share) not in (int, float):
        raise RequestError(400, 'the body must be such as {"version": 3, "share": 0.1}')
    service_of(request).catalog.set_label(path["name"], path["label"], LabelRule(version, share))
    return JSONResponse({"model": path["name"], "label": path["label"], "version": version, "share": share})


async def delete_label(request: Request) -> Response:
    """Take a label away."""
    about(request, "admin_label")
    path = request.path_params
    service_of(request).catalog.set_label(path["name"], path["label"], None)
    return JSONResponse({})


async def rollback(request: Request) -> Response:
    """Give requests without a version to the version before the one that has them now."""
    about(request, "admin_rollback")
    name = request.path_params["name"]
    return JSONResponse({"model": name, "version": service_of(request).catalog.rollback(name)})


async def release(request: Request) -> Response:
    """Give requests without a version to the newest version again."""
    about(request, "admin_release")
    service_of(request).catalog.release(request.path_params["name"])
    return JSONResponse({})


async def refresh(request: Request) -> Response:
    """Look at the folder of models now."""
    about(request, "admin_refresh")
    catalog = service_of(request).catalog
    await catalog.refresh()
    if catalog.problem:
        raise RequestError(503, "the folder of models cannot be read, see the server's log", retry_after_s=5)
    return JSONResponse({})


routes = [
    Route("/admin/models/{name}/labels/{label}", set_label, methods=["PUT", "POST"]),
    Route("/admin/models/{name}/labels/{label}", delete_label, methods=["DELETE"]),
    Route("/admin/models/{name}/rollback", rollback, methods=["POST"]),
    Route("/admin/models/{name}/release", release, methods=["POST"]),
    Route("/admin/refresh", refresh, methods=["POST"]),
]
