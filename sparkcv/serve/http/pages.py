"""The page for people, and what it asks for: models, and why a picture got its label. No request leaves the server."""

import base64
import time
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sparkcv.serve.errors import RequestError, whole_number
from sparkcv.serve.http.openapi import description
from sparkcv.serve.http.requests import about, interface_of, service_of, while_connected
from sparkcv.serve.model_version import ModelVersion
from sparkcv.serve.protocols.values import pictures_input
from sparkcv.serve.service import ranked

__all__ = ["routes"]

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TOP, _WORDS = 5, 40


async def home(request: Request) -> Response:
    """Show the page; a client that wants JSON (KServe's v1 live) gets {"status": "alive"}."""
    about(request, "page")
    accepted = request.headers.get("accept", "")
    if "text/html" not in accepted:
        return JSONResponse({"status": "alive"})
    return HTMLResponse(_source("page.html"), headers={"Content-Security-Policy": _POLICY})


async def script(request: Request) -> Response:
    """Return the page's own script."""
    about(request, "page")
    return Response(_source("page.js"), media_type="text/javascript")


async def generate_script(request: Request) -> Response:
    """Return the script of the page's part that makes pictures."""
    about(request, "page")
    return Response(_source("generate.js"), media_type="text/javascript")


async def models(request: Request) -> Response:
    """Tell the page of all models: versions, states, digests, accuracy, requests, latency."""
    about(request, "page_models")
    service = service_of(request)
    catalog = service.catalog
    value = [
        {
            "name": name,
            "labels": {label: [rule.version, rule.share] for label, rule in catalog.labels(name).items()},
            "versions": [_said(service.metrics, one) for one in catalog.versions(name)],
        }
        for name in catalog.names()
    ]
    return JSONResponse({"models": value})


async def explain(request: Request) -> Response:
    """Classify one picture, the whole body, and show it as the model saw it with a map of what mattered.

    Query: model, version, label_id (the class that the map is of; not given: the best).
    """
    service = service_of(request)
    query = request.query_params
    about(request, "page_explain")
    one = service.catalog.resolve(query.get("model", ""), query.get("version"))
    about(request, "page_explain", one, 1)
    interface = interface_of(one)
    label_id = query.get("label_id")
    wanted = None if label_id is None else whole_number(label_id)
    if label_id is not None and wanted is None:
        raise RequestError(400, f"label_id is {label_id[:40]!r}, wanted a number")
    picture = await request.body()
    begin_s = time.monotonic()
    (answer,) = await while_connected(request, service.score(one, pictures_input([picture], interface)))
    if isinstance(answer, RequestError):
        raise answer
    whole_s = time.monotonic() - begin_s
    found = await while_connected(request, service.explain(one, picture, wanted))
    return JSONResponse(
        {
            "model": one.name,
            "version": one.version,
            "digest": one.digest,
            "top": [list(best) for best in ranked(answer.scores, interface.labels, _TOP)],
            "ms": {
                "decode": 1000 * answer.decode_s,
                "wait": 1000 * answer.wait_s,
                "model": 1000 * answer.model_s,
                "all": 1000 * whole_s,
            },
            "seen": _data_url(found["seen"]),
            "map": _data_url(found["map"]),
            "map_kind": found["map_kind"],
            "map_label": interface.labels[found["label_id"]],
        }
    )


async def metrics(request: Request) -> Response:
    """Return Prometheus metrics."""
    about(request, "metrics")
    service = service_of(request)
    return Response(service.metrics.page(service.catalog), media_type="text/plain; version=0.0.4; charset=utf-8")


async def openapi(request: Request) -> Response:
    """Return the OpenAPI description of all routes."""
    about(request, "openapi")
    return JSONResponse(description(request.app.routes))


async def docs(request: Request) -> Response:
    """Show the OpenAPI description as a page."""
    about(request, "docs")
    return HTMLResponse(_source("docs.html"), headers={"Content-Security-Policy": _POLICY})


async def docs_script(request: Request) -> Response:
    """Return that page's own script."""
    about(request, "docs")
    return Response(_source("docs.js"), media_type="text/javascript")


routes = [
    Route("/", home, methods=["GET"]),
    Route("/page.js", script, methods=["GET"]),
    Route("/generate.js", generate_script, methods=["GET"]),
    Route("/page/models", models, methods=["GET"]),
    Route("/page/explain", explain, methods=["POST"]),
    Route("/metrics", metrics, methods=["GET"]),
    Route("/openapi.json", openapi, methods=["GET"]),
    Route("/docs", docs, methods=["GET"]),
    Route("/docs.js", docs_script, methods=["GET"]),
]


def _said(metrics: Any, one: ModelVersion) -> dict[str, Any]:
    manifest, net = one.manifest, one.net
    generator = net.generator if net is not None else None
    return {
        "version": one.version,
        "state": one.state.value,
        "digest": one.digest,
        "words": generator.texts.some_words(_WORDS) if generator is not None else [],
        "max_pictures": one.interface.max_batch if one.interface is not None else 0,
        "path": net.answers.path if net is not None else "",
        "net": net.name if net is not None else "",
        "classes": manifest.num_classes if manifest is not None else 0,
        "image_size": manifest.image_size if manifest is not None else 0,
        "accuracy": one.accuracy,
        "step": manifest.step if manifest is not None else None,
        "engine": one.process.engine if one.process is not None else "",
        "requests": one.statistics.requests,
        "failed": one.statistics.failed,
        "pictures": one.statistics.pictures,
        "memory_bytes": one.process.rss_bytes() if one.process is not None else 0,
        "latency": metrics.latency(one.name, one.version),
    }


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}" if png else ""


def _source(name: str) -> str:
    return resources.files("sparkcv.serve").joinpath("templates", name).read_text("utf-8")
