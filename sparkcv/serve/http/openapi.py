"""The OpenAPI description (3.1) of the service, made of its routes and their docstrings."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute, Route

import sparkcv
from sparkcv.serve.answers import Answers
from sparkcv.serve.http import generate
from sparkcv.style.picture_pixels import FORMATS

__all__ = ["description"]

_ERRORS = {
    "400": "what was sent cannot be used",
    "401": "the key is missing or wrong",
    "404": "no such model, version or label",
    "408": "the body did not arrive in time",
    "413": "the body is too large",
    "429": "too much is under way; come again after Retry-After seconds",
    "503": "the model is not there for the moment; come again after Retry-After seconds",
    "504": "its turn did not come in time; come again after Retry-After seconds",
}
_UPLOADS = tuple(kind.path for kind in Answers if kind is not Answers.DRAWINGS)
_FILE = {"type": "string", "format": "binary"}
_PICTURES = {
    Answers.PICTURES.path: {"content": {f"image/{name}": {"schema": _FILE} for name in FORMATS}},
    Answers.DRAWINGS.path: {"content": {"image/png": {"schema": _FILE}, "application/json": {}}},
}


def description(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Return the description of ``routes``."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                paths.setdefault(route.path, {})[method.lower()] = _operation(route, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": "sparkcv serve", "version": sparkcv.__version__},
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string", "description": "one sentence"}},
                }
            }
        },
    }


def _operation(route: Route, method: str) -> dict[str, Any]:
    summary, _, rest = (inspect.getdoc(route.endpoint) or "").partition("\n\n")
    value: dict[str, Any] = {"summary": summary.replace("\n", " "), "operationId": _identifier(route, method)}
    if rest:
        value["description"] = rest.replace("\n", " ")
    names = re.findall(r"{(\w+)}", route.path)
    if names:
        value["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if method in ("POST", "PUT"):
        value["requestBody"] = {"content": _content(route.path)}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    value["responses"] = {
        "200": {"description": "OK", **_PICTURES.get(route.path, {})},
        **{status: {"description": why, "content": error} for status, why in _ERRORS.items()},
    }
    return value


def _content(path: str) -> dict[str, Any]:
    if path == Answers.DRAWINGS.path:
        return {"application/json": {"schema": generate.SCHEMA}}
    if path in _UPLOADS:
        files = {"type": "array", "items": {"type": "string", "format": "binary"}}
        form = {"type": "object", "properties": {"image": files}}
        return {"multipart/form-data": {"schema": form}, "application/octet-stream": {}}
    if path == "/page/explain":
        return {"application/octet-stream": {}}
    return {"application/json": {"schema": {"type": "object"}}}


def _identifier(route: Route, method: str) -> str:
    return re.sub(r"\W+", "_", f"{method.lower()}_{route.path}").strip("_")
