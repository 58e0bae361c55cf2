"""What is counted of requests, without a model process and without a socket."""

import asyncio
import gzip

import httpx
import numpy as np
import pytest

from sparkcv.serve.errors import RequestError
from sparkcv.serve.guard import GuardSpec
from sparkcv.serve.http.app import make_app
from sparkcv.serve.http.requests import inflate
from sparkcv.serve.metrics import ServiceMetrics
from sparkcv.serve.model_process import ModelProcess, ScoreReply
from sparkcv.serve.model_version import State
from sparkcv.serve.protocols.values import Interface, ModelInput
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


def test_a_version_goes_when_the_uploads_that_it_was_chosen_for_are_answered():
    class Process:
        is_closed = False

        async def score_picture(self, picture, deadline_s, file_format=""):
            assert not self.is_closed
            return ScoreReply(np.float32([0.25, 0.75]), 1, 0.0, 0.0, 0.0)

        async def close(self):
            self.is_closed = True

    async def upload():
        one = service(catalog(versions=(1,)))
        version = one.catalog.resolve("m")
        process = version.process = Process()
        version.interface = Interface(1, 3, ("a", "b"), 1)
        is_sending, may_end = asyncio.Event(), asyncio.Event()

        async def body():
            is_sending.set()
            yield b"half"
            await may_end.wait()
            yield b"a picture"

        transport = httpx.ASGITransport(make_app(one, GuardSpec(100, 30.0)))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            headers = {"Content-Type": "image/png"}
            sending = asyncio.create_task(client.post("/classify", content=body(), headers=headers))
            await is_sending.wait()
            unloading = asyncio.create_task(version.unload(30.0))
            await asyncio.sleep(0.01)
            assert (version.state, process.is_closed) == (State.UNLOADING, False)
            may_end.set()
            answer = await sending
            await unloading
        return answer, version

    answer, version = asyncio.run(upload())
    assert answer.status_code == 200
    assert answer.json()["results"][0]["predictions"][0] == {"label": "b", "label_id": 1, "score": 0.75}
    assert (version.state, version.num_running) == (State.END, 0)


def test_nothing_behind_a_packed_body_is_dropped_in_silence():
    packed = gzip.compress(b"abcd")
    assert inflate(packed, "gzip", 4) == b"abcd"
    wrong = ((packed, 3, 413), (packed[:-1], 4, 400), (packed + b"x", 4, 400), (2 * packed, 8, 400), (b"", 4, 400))
    for data, most, status in wrong:
        with pytest.raises(RequestError) as caught:
            inflate(data, "gzip", most)
        assert caught.value.status == status
