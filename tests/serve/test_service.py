"""What is counted of requests, without a model process and without a socket."""

import asyncio

import httpx
import pytest

from sparkcv.serve.errors import RequestError
from sparkcv.serve.guard import GuardSpec
from sparkcv.serve.http.app import make_app
from sparkcv.serve.metrics import ServiceMetrics
from sparkcv.serve.model_process import ModelProcess
from sparkcv.serve.protocols.values import ModelInput
from sparkcv.serve.service import Service, ServiceLimits
from sparkcv.serve.statistics import RequestStatistics
from tests.serve.test_catalog import ORDER, catalog

ROUTES = {
    "/classify": "classify",
    "/caption": "caption",
    "/stylize": "stylize",
    "/generate": "generate",
    "/page/explain?model=m": "page_explain",
    "/v1/models/m:predict": "v1_predict",
    "/v1/models/m:classify": "v1_classify",
    "/v2/models/m/infer": "v2_infer",
}


def service(of=None):
    return Service(of, ServiceLimits(9, 1.0), ServiceMetrics())


def posted(one, path):
    async def ask():
        transport = httpx.ASGITransport(make_app(one, GuardSpec(100, 1.0)))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.post(path, content=b"x", headers={"Content-Type": "image/png"})

    return asyncio.run(ask()).status_code


@pytest.mark.parametrize("path", ROUTES)
def test_a_request_that_fails_is_counted_for_its_route_and_its_model(path):
    one = service(catalog(versions=(1,)))  # loaded by nobody, so it has no interface
    assert posted(one, path) == 503
    counted = f'sparkcv_requests_total{{code="503",model="m",route="{ROUTES[path]}",version="1"}} 1.0'
    assert counted in one.metrics.page(one.catalog).decode()


@pytest.mark.parametrize("path", ROUTES)
def test_a_request_for_a_model_that_there_is_not_is_counted_for_its_route(path):
    one = service(catalog())
    assert posted(one, path) in (404, 503)
    assert f'model="",route="{ROUTES[path]}",version=""}} 1.0' in one.metrics.page(one.catalog).decode()


def test_a_request_without_a_picture_that_could_be_used_is_none_that_succeeded():
    class Version:
        statistics = RequestStatistics()

        async def score(self, given, deadline_s):
            return [RequestError(400, "no picture")] * len(given)

    one = Version()
    assert len(asyncio.run(service().score(one, ModelInput(pictures=(b"a", b"b"))))) == 2
    assert (one.statistics.succeeded, one.statistics.failed, one.statistics.pictures) == (0, 1, 0)


def test_a_model_whose_process_is_being_started_again_is_not_ready():
    one = service(catalog(versions=(1,)))
    one.catalog.resolve("m").process = ModelProcess("m version 1", ORDER)  # not started

    async def ask():
        transport = httpx.ASGITransport(make_app(one, GuardSpec(100, 1.0)))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/v2/models/m/ready")

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()) == (503, {"name": "m", "ready": False})
