"""Every route of a real service, asked over a real socket: the right value, and the sentence for what is wrong."""

import base64
import gzip
import io
import json
import socket
import struct
import threading
import urllib.parse
import zlib

import httpx
import numpy as np
import pytest
from PIL import Image

from sparkcv.predict.predictor import Predictor

pytestmark = pytest.mark.tensorflow
V2 = "/v2/models/colors/infer"


@pytest.fixture(scope="module")
def expected(model_folders, picture, tmp_path_factory):
    """The Predictor's own probabilities of a red JPEG, by version."""
    found = {}
    for version in (1, 2):
        folder = str(model_folders / "colors" / str(version))
        with Predictor.load(folder, str(tmp_path_factory.mktemp("cache"))) as predictor:
            (pixels,) = predictor.decode([picture("red")])
            found[version] = predictor.score(pixels[None])[0]
    return found


def b64(data):
    return base64.b64encode(data).decode()


def upload(client, *files, **query):
    return client.post("/classify", files=[("image", (name, data)) for name, data in files], params=query)


def test_a_form_of_pictures_of_which_a_bad_one_costs_only_itself(client, picture, expected):
    answer = upload(client, ("a.jpg", picture("red")), ("b.txt", b"hello"), ("c.png", picture("blue", "PNG")), top_k=2)
    assert answer.status_code == 200
    value = answer.json()
    assert (value["model"], value["version"], len(value["digest"])) == ("colors", 2, 64)
    first, second, third = value["results"]
    assert [one["label"] for one in first["predictions"]] == ["red", "green"]
    assert first["predictions"][0]["score"] == pytest.approx(float(expected[2][0]), abs=1e-6)
    assert second == {"file": "b.txt", "error": "format not read: text"}
    assert third["predictions"][0]["label"] == "blue"


def test_one_picture_as_the_whole_body(client, picture):
    answer = client.post("/classify", content=picture("green"), headers={"Content-Type": "image/jpeg"})
    assert answer.json()["results"][0]["predictions"][0]["label"] == "green"


@pytest.mark.parametrize("query", [{"version": "1"}, {"label": "old"}])
def test_a_version_by_number_and_label(client, picture, expected, query):
    value = upload(client, ("a.jpg", picture("red")), **query).json()
    assert value["version"] == 1
    assert value["results"][0]["predictions"][0]["score"] == pytest.approx(float(expected[1][0]), abs=1e-6)


def test_tensorflow_servings_forms(client, picture, expected):
    red = {"b64": b64(picture("red"))}
    for path, version in (("", 2), ("/versions/1", 1), ("/labels/old", 1)):
        answer = client.post(f"/v1/models/colors{path}:predict", json={"instances": [red, {"encoded": red}]})
        assert answer.json()["predictions"] == pytest.approx(np.tile(expected[version], (2, 1)), abs=1e-6)
    outputs = client.post("/v1/models/colors:predict", json={"inputs": {"encoded": [red]}}).json()["outputs"]
    assert outputs == pytest.approx(expected[2][None], abs=1e-6)
    results = client.post("/v1/models/colors:classify", json={"examples": [{"encoded": red}]}).json()["results"]
    assert [label for label, _ in results[0]] == ["red", "green", "blue"]
    status = client.get("/v1/models/colors").json()["model_version_status"]
    assert [(one["version"], one["state"]) for one in status] == [("2", "AVAILABLE"), ("1", "AVAILABLE")]
    assert client.get("/v1/models/colors/labels/old").json()["model_version_status"][0]["version"] == "1"
    signature = client.get("/v1/models/colors/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert set(signature["serving_default"]["inputs"]) == {"encoded", "input"}


def test_pixels_are_scored_as_they_are(client, model_folders, tmp_path):
    pixels = np.random.default_rng(1).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    with Predictor.load(str(model_folders / "colors" / "2"), str(tmp_path)) as predictor:
        wanted = predictor.score(pixels)
    got = client.post("/v1/models/colors:predict", json={"instances": pixels.tolist()}).json()["predictions"]
    assert got == pytest.approx(wanted, abs=1e-6)
    raw = pixels.astype("<f4").tobytes()
    tensor = {"name": "input", "datatype": "FP32", "shape": [2, 16, 16, 3]}
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
    answer = client.post(V2, content=head + raw, headers={"Inference-Header-Content-Length": str(len(head))})
    assert answer.json()["outputs"][0]["data"] == pytest.approx(wanted.ravel(), abs=1e-6)


def test_open_inference_in_json_binary_and_gzip(client, picture, expected):
    red = picture("red")
    tail = struct.pack("<I", len(red)) + red
    tensor = {"name": "encoded", "datatype": "BYTES", "shape": [1]}
    plain = client.post(V2, json={"id": "a", "inputs": [tensor | {"data": [b64(red)]}]}).json()
    assert plain["id"] == "a"
    assert plain["outputs"][0]["data"] == pytest.approx(expected[2], abs=1e-6)
    value = {"inputs": [tensor | {"parameters": {"binary_data_size": len(tail)}}]}
    head = json.dumps(value | {"parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    for encode, encoding in ((bytes, "identity"), (gzip.compress, "gzip"), (zlib.compress, "deflate")):
        answer = client.post(V2, content=encode(head + tail), headers=headers | {"Content-Encoding": encoding})
        length = int(answer.headers["Inference-Header-Content-Length"])
        assert np.frombuffer(answer.content[length:], "<f4") == pytest.approx(expected[2], abs=1e-6)
    classes = {"name": "probabilities", "parameters": {"classification": 1}}
    best = client.post(V2, json={"inputs": [tensor | {"data": [b64(red)]}], "outputs": [classes]}).json()
    assert best["outputs"][0]["data"][0].endswith(":0:red")


def test_health_metadata_and_index(client):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/colors/ready").json() == {"name": "colors", "ready": True}
    assert client.get("/v2/models/colors/versions/1/ready").status_code == 200
    assert client.get("/v2/models/colors").json()["versions"] == ["1", "2"]
    assert {one["version"]: one["state"] for one in client.post("/v2/repository/index").json()} == {
        "1": "READY",
        "2": "READY",
    }
    assert client.get("/", headers={"Accept": "application/json"}).json() == {"status": "alive"}


def test_statistics_in_the_form_of_tritons_extension(client, picture):
    before = client.get("/v2/models/colors/versions/1/stats").json()["model_stats"][0]
    files = [("image", ("a.jpg", picture("red")))] * 2
    assert client.post("/classify?version=1", files=files).status_code == 200
    assert client.post("/v1/models/colors/versions/1:predict", json={"instances": [{"b64": "AA=="}]}).status_code == 400
    (after,) = client.get("/v2/models/colors/versions/1/stats").json()["model_stats"]
    assert (after["name"], after["version"]) == ("colors", "1")
    assert after["inference_count"] == before["inference_count"] + 2
    assert after["execution_count"] > before["execution_count"]
    assert after["last_inference"] > before["last_inference"]
    for kind in ("success", "fail"):
        assert after["inference_stats"][kind]["count"] == before["inference_stats"][kind]["count"] + 1
        assert after["inference_stats"][kind]["ns"] > before["inference_stats"][kind]["ns"]
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]
    assert sum(one["batch_size"] * one["compute_infer"]["count"] for one in after["batch_stats"]) >= 2
    assert [one["version"] for one in client.get("/v2/models/colors/stats").json()["model_stats"]] == ["2", "1"]
    assert len(client.get("/v2/models/stats").json()["model_stats"]) == 2
    for path, sentence in (("colors/versions/9", "has no version '9'"), ("dogs", "there is no model 'dogs'")):
        answer = client.get(f"/v2/models/{path}/stats")
        assert answer.status_code == 404
        assert sentence in answer.json()["error"]


def test_why_it_says_so(client, picture):
    value = client.post("/page/explain", content=picture("red"), params={"model": "colors"}).json()
    assert value["top"][0][1] == "red"
    for name in ("seen", "map"):
        kind, _, data = value[name].partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (320, 320)
    assert value["map_kind"] == "occlusion map"
    pixel = Image.open(io.BytesIO(base64.b64decode(value["seen"].partition(",")[2]))).getpixel((160, 160))
    assert pixel == pytest.approx((255, 0, 0), abs=4)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "sentence"),
    [
        ("POST", "/classify", {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "the content type is"),
        ("POST", "/classify", {"files": {}, "data": {"a": "b"}}, 415, "the content type is"),
        ("POST", "/classify", {"content": b"x"}, 415, "or one picture as the body with its type, such as curl -H"),
        ("POST", "/classify", {"content": b"", "headers": {"Content-Type": "image/png"}}, 400, "the body is empty"),
        (
            "POST",
            "/classify",
            {"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
            400,
            "the form",
        ),
        ("POST", "/classify?top_k=0", {"files": {"image": b"x"}}, 400, "top_k is '0', wanted a number from 1 to 3"),
        (
            "POST",
            "/classify?model=dogs",
            {"files": {"image": b"x"}},
            404,
            "there is no model 'dogs'; there are: colors",
        ),
        ("POST", "/classify?version=9", {"files": {"image": b"x"}}, 404, "has no version '9'; it has: 2, 1"),
        ("POST", f"/classify?version={'9' * 5000}", {"files": {"image": b"x"}}, 404, "has no version '9999"),
        ("POST", f"/classify?top_k={'9' * 5000}", {"files": {"image": b"x"}}, 400, "top_k is '9999"),
        ("POST", "/classify?label=new", {"files": {"image": b"x"}}, 404, "has no label 'new'; it has: old"),
        (
            "POST",
            "/classify",
            {"files": {"image": ("a", b"hello")}},
            400,
            "no picture could be used; the first: format",
        ),
        ("POST", "/v1/models/dogs:predict", {"json": {}}, 404, "there is no model 'dogs'"),
        ("POST", "/v1/models/colors:predict", {"content": b"{"}, 400, "the body is not JSON"),
        ("POST", "/v1/models/colors:predict", {"json": {"instances": [{"b64": "AA=="}]}}, 400, "picture 0: format not"),
        ("POST", V2, {"content": b"x" * 9, "headers": {"Content-Encoding": "gzip"}}, 400, "the body is no gzip"),
        ("POST", V2, {"content": b"x" * 9, "headers": {"Content-Encoding": "br"}}, 415, "wanted gzip or deflate"),
        (
            "POST",
            V2,
            {"content": gzip.compress(b"0" * 20_000_000), "headers": {"Content-Encoding": "gzip"}},
            413,
            "over",
        ),
        ("POST", V2, {"content": gzip.compress(b"{}")[:-9], "headers": {"Content-Encoding": "gzip"}}, 400, "is cut"),
        ("POST", "/v1/models/colors:predict", {"content": b"x" * 10_000_001}, 413, "over 10000000 bytes"),
        ("GET", "/v1/models/colors/labels/none", {}, 404, "no such version or label"),
        ("GET", "/nothing", {}, 404, "there is nothing at this path"),
        ("DELETE", "/classify", {}, 405, "this path does not take DELETE"),
        ("PUT", "/admin/models/colors/labels/x", {"json": {"version": 9}}, 404, "has no version 9"),
        ("PUT", "/admin/models/colors/labels/x", {"json": {"version": "1"}}, 400, "the body must be such as"),
        ("PUT", "/admin/models/colors/labels/x", {"json": {"version": 1, "share": 7}}, 400, "wanted 0 to 1"),
        ("PUT", "/admin/models/colors/labels/x", {"json": {"version": 1, "share": 10**400}}, 400, "wanted 0 to 1"),
        ("DELETE", "/admin/models/colors/labels/x", {}, 404, "has no label 'x'"),
        ("POST", "/v2/repository/models/dogs/load", {}, 404, "there is no model 'dogs'"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(client, method, path, options, status, sentence):
    answer = client.request(method, path, **options)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert sentence in error
    assert "\n" not in error
    assert "/tmp" not in error
    assert "Traceback" not in error


def test_who_sends_too_much_may_finish_and_sees_the_answer(served):
    address = urllib.parse.urlsplit(served.url)
    body = b"x" * 30_000_000
    for head in (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked"):
        data = body if "Length" in head else f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        with socket.create_connection((address.hostname, address.port), 60) as connection:
            connection.sendall(f"POST /v1/models/colors:predict HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
            connection.sendall(data)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 413 "), head
        assert answer.endswith(b'"the request\'s body is over 10000000 bytes"}')


def test_too_many_pictures_of_one_request(client, picture):
    answer = upload(client, *[("a.jpg", picture("red"))] * 65)
    assert answer.status_code == 400


def test_a_bomb_is_not_decoded(client):
    from sparkcv import synthetic

    bomb = synthetic.png_bomb() if hasattr(synthetic, "png_bomb") else None
    if bomb is None:
        sink = io.BytesIO()
        Image.new("1", (30_000, 30_000)).save(sink, "PNG")
        bomb = sink.getvalue()
    answer = upload(client, ("bomb.png", bomb))
    assert "too large" in answer.json()["results"][0]["error"]


def test_a_shared_label_gets_its_share_and_a_rollback_is_one_call(served, picture):
    with served.client() as client:
        client.put("/admin/models/colors/labels/canary", json={"version": 1, "share": 0.5})
        got = [upload(client, ("a.jpg", picture("red"))).json()["version"] for _ in range(60)]
        assert 10 < got.count(1) < 50
        client.delete("/admin/models/colors/labels/canary")
        assert client.post("/admin/models/colors/rollback").json()["version"] == 1
        assert upload(client, ("a.jpg", picture("red"))).json()["version"] == 1
        assert client.post("/admin/models/colors/rollback").status_code == 409
        client.post("/admin/models/colors/release")
        assert upload(client, ("a.jpg", picture("red"))).json()["version"] == 2


def test_the_page_of_models_tells_what_was_done(client, picture):
    upload(client, ("a.jpg", picture("red")))
    (model,) = client.get("/page/models").json()["models"]
    version = model["versions"][0]
    assert (version["version"], version["state"], version["net"]) == (2, "AVAILABLE", "colors")
    assert version["requests"] >= 1
    assert sum(share for _, share in version["latency"]) == pytest.approx(1)
    assert version["latency"][-1][0] is None


def test_metrics_tell_what_was_done(client, picture):
    upload(client, ("a.jpg", picture("red")))
    text = client.get("/metrics").text
    assert 'sparkcv_requests_total{code="200",model="colors",route="classify",version="2"}' in text
    assert 'sparkcv_stage_seconds_count{model="colors",stage="decode",version="2"}' in text
    assert 'sparkcv_model_memory_bytes{model="colors",version="1"}' in text


def test_the_access_log_is_json_with_the_requests_id_and_no_forged_line(served, picture):
    with served.client() as client:
        answer = client.get("/v1/models/colors", headers={"X-Request-Id": "mine-1"})
        assert answer.headers["X-Request-Id"] == "mine-1"
        answer = client.get("/v1/a%0Ab%1b[31m", headers={"X-Request-Id": "bad id"})
        own = answer.headers["X-Request-Id"]
    served.wait(lambda client: any(own in line for line in served.log), 10)
    said = {value["request_id"]: value for value in map(json.loads, (x for x in served.log if x.startswith("{")))}
    assert said["mine-1"]["status"] == 200
    assert said[own]["path"] == "/v1/a\\nb\\x1b[31m"


def test_the_openapi_page_has_every_route(client):
    value = client.get("/openapi.json").json()
    assert value["openapi"].startswith("3.1")
    for path in ("/classify", "/v1/models/{name}:predict", "/v2/models/{name}/infer", "/metrics"):
        assert path in value["paths"]
    assert "multipart/form-data" in value["paths"]["/classify"]["post"]["requestBody"]["content"]


def test_slow_heads_are_closed_and_block_nobody(start, model_folders, picture):
    running = start(model_folders, "--poll_s", "0", "--header_timeout_s", "1", "--upload_timeout_s", "2")
    try:
        running.wait(lambda client: client.get("/v2/health/ready").status_code == 200)
        host, port = httpx.URL(running.url).host, httpx.URL(running.url).port
        slow = [socket.create_connection((host, port)) for _ in range(100)]
        for connection in slow:
            connection.sendall(b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-")
        with running.client() as client:
            assert upload(client, ("a.jpg", picture("red"))).status_code == 200
        for connection in slow:
            connection.settimeout(20)
            assert connection.recv(100) == b""
            connection.close()
        with socket.create_connection((host, port)) as connection:
            connection.settimeout(20)
            connection.sendall(b"POST /v1/models/colors:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")
    finally:
        assert running.end() == 0


def test_a_full_queue_is_429_with_a_time_to_come_again(start, model_folders, picture):
    running = start(model_folders, "--poll_s", "0", "--max_queue", "4", "--max_delay_ms", "1500")
    try:
        running.wait(lambda client: client.get("/v2/health/ready").status_code == 200)
        answers = []

        def ask():
            with running.client() as client:
                answers.append(upload(client, *[("a.jpg", picture("red"))] * 2))

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = [answer.status_code for answer in answers]
        assert set(codes) == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.headers["Retry-After"] == "1"
        assert "at most 4 are taken" in refused.json()["error"]
    finally:
        assert running.end() == 0


def test_a_bug_is_told_by_its_request_alone(caplog):
    import asyncio

    from sparkcv.serve.guard import GuardSpec
    from sparkcv.serve.http.app import make_app
    from sparkcv.serve.metrics import ServiceMetrics
    from sparkcv.serve.service import Service, ServiceLimits

    app = make_app(Service(None, ServiceLimits(1, 1.0), ServiceMetrics()), GuardSpec(100, 1.0))  # no catalog to ask

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/v1/models", headers={"X-Request-Id": "mine-2"})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()) == (500, {"error": "a bug of the service, request mine-2"})
    assert "AttributeError" in caplog.text


def test_an_upload_that_is_cut_is_logged_as_a_client_that_went_away(served, picture):
    url = httpx.URL(served.url)
    with socket.create_connection((url.host, url.port)) as connection:
        head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100\r\n"
        connection.sendall(head + b"X-Request-Id: cut-1\r\n\r\n" + picture("red", "PNG")[:50])
    served.wait(lambda client: any('"cut-1"' in line for line in served.log), 30)
    (line,) = (line for line in served.log if '"cut-1"' in line)
    assert json.loads(line)["status"] == 499
