"""The application: all routes behind the guard."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from sparkcv.serve.errors import RequestError
from sparkcv.serve.guard import App, Guard, GuardSpec, error_response
from sparkcv.serve.http import admin, caption, classify, generate, open_inference, pages, stylize, tf_serving
from sparkcv.serve.service import Service

__all__ = ["make_app"]

_SENTENCES = {404: "there is nothing at this path; /docs lists what there is", 405: "this path does not take {method}"}


def make_app(service: Service, spec: GuardSpec) -> App:
    """Return the ASGI application of a service; it starts and ends nothing."""
    routes = [
        *pages.routes,
        *classify.routes,
        *caption.routes,
        *stylize.routes,
        *generate.routes,
        *tf_serving.routes,
        *open_inference.routes,
        *admin.routes,
    ]
    handlers = {RequestError: _told, 404: _missing, 405: _missing, Exception: _bug}
    app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]
    app.state.service, app.state.max_body_bytes = service, spec.max_body_bytes
    return Guard(app, spec, service.metrics, admin.is_admin)


async def _told(request: Request, err: RequestError) -> Response:
    return error_response(err)


async def _bug(request: Request, err: Exception) -> Response:
    return error_response(RequestError(500, f"a bug of the service, request {request.state.about['request_id']}"))


async def _missing(request: Request, err: Exception) -> Response:
    status = int(getattr(err, "status_code", 404))
    return error_response(RequestError(status, _SENTENCES[status].format(method=request.method)))
