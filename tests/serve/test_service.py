"""What is counted of requests, without a model process and without a socket."""

import asyncio
import gzip
import queue
import socket
import threading

import httpx
import numpy as np
import pytest

from sparkcv.launchers import pipe_messages as frames
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
from sparkcv.serve.worker_program import _Worker
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


def test_what_was_counted_of_a_version_that_has_gone_is_told_once_more_and_no_longer():
    one = service(catalog(versions=(1, 2)))
    metrics = one.metrics
    for version in (1, 2):
        metrics.requests.labels("m", str(version), "classify", "200").inc()
        metrics.scored("m", version, ScoreReply(np.float32([1.0]), 4, 0.1, 0.2, 0.3))
    metrics.requests.labels("", "", "classify", "404").inc()
    lines = [line for line in metrics.page(one.catalog).decode().splitlines() if 'version="1"' in line]
    kept = [line for line in metrics.page(one.catalog).decode().splitlines() if 'version="2"' in line]
    assert len(lines) == len(kept) > 40
    del one.catalog._models["m"][1]
    page = metrics.page(one.catalog).decode()
    assert [line for line in page.splitlines() if 'version="1"' in line] == lines
    page = metrics.page(one.catalog).decode()
    assert 'version="1"' not in page
    assert [line for line in page.splitlines() if 'version="2"' in line] == kept
    assert 'sparkcv_requests_total{code="404",model="",route="classify",version=""} 1.0' in page


def test_a_request_without_a_picture_that_could_be_used_is_none_that_succeeded():
    class Version:
        statistics = RequestStatistics()

        async def score(self, given, deadline_s):
            return [RequestError(400, "no picture")] * len(given)

    one = Version()
    assert len(asyncio.run(service().score(one, ModelInput(pictures=(b"a", b"b"))))) == 2
    assert (one.statistics.succeeded, one.statistics.failed, one.statistics.pictures) == (0, 1, 0)


def test_an_explanation_takes_its_place_in_the_queue_and_gives_it_back():
    class Version:
        def __init__(self):
            self.may_tell = asyncio.Event()

        async def explain(self, picture, label_id):
            await self.may_tell.wait()
            return {"label_id": label_id}

    async def several():
        one, version = Service(None, ServiceLimits(2, 1.0), ServiceMetrics()), Version()
        running = [asyncio.create_task(one.explain(version, b"picture", number)) for number in (0, 1)]
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="2 pictures are on their way, at most 2 are taken") as caught:
            await one.explain(version, b"picture", 2)
        version.may_tell.set()
        told = await asyncio.gather(*running)
        return caught.value.status, told, one.num_running

    assert asyncio.run(several()) == (429, [{"label_id": 0}, {"label_id": 1}], 0)


def test_explanations_are_made_one_after_the_other_and_one_that_nobody_waits_for_is_not_begun():
    ours, theirs = socket.socketpair()
    begun, may_end, put = queue.SimpleQueue(), threading.Event(), queue.SimpleQueue()

    def explain(message):
        begun.put(message["id"])
        assert may_end.wait(60)

    class Nothing:
        def put(self, item):
            put.put(item.number)

        def close(self):
            pass

    with ours, theirs:
        worker = _Worker(theirs)
        following = threading.Thread(target=worker._follow, args=(Nothing(), "tf", explain))
        following.start()
        for number in (1, 2, 3):
            ours.sendall(frames.pack({"kind": "explain", "id": number}))
        assert begun.get(timeout=300) == 1
        ours.sendall(frames.pack({"kind": "cancel", "id": 2}))
        ours.sendall(frames.pack({"kind": "cancel", "id": 9}))
        ours.sendall(frames.pack({"kind": "explain", "id": 4}))
        ours.sendall(frames.pack({"kind": "picture", "id": 5, "data": b"", "format": "", "deadline_s": 0.0}))
        assert put.get(timeout=300) == 5  # so all before it has been read
        assert begun.empty()
        may_end.set()
        assert [begun.get(timeout=300) for _ in range(2)] == [3, 4]
        ours.shutdown(socket.SHUT_RDWR)
        following.join(60)


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
