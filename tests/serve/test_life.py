"""Versions that come, go and break, processes that are killed, and the end, while clients go on asking."""

import collections
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from sparkcv.predict import scored_picture
from tests.predict.models import color_graph, write_folder
from tests.serve.conftest import ROOT, START_S, children, kill, ready

pytestmark = pytest.mark.tensorflow


class Load:
    """Clients that upload pictures without a pause, and what they were answered."""

    def __init__(self, running, picture, count=3):
        self.codes, self.versions, self.wrong = collections.Counter(), collections.Counter(), []
        self._running, self._pictures = running, {name: picture(name) for name in ("red", "green", "blue")}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(index,)) for index in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, index):
        names = list(self._pictures)
        with self._running.client() as client:
            while not self._over.is_set():
                index += 1
                name = names[index % 3]
                files = [("image", ("a.jpg", self._pictures[name])), ("image", ("b.txt", b"hello"))]
                try:
                    answer = client.post("/classify", files=files)
                except httpx.TransportError:
                    self.codes["no answer"] += 1
                    return
                self.codes[answer.status_code] += 1
                if answer.status_code == 200:
                    good, bad = answer.json()["results"]
                    self.versions[answer.json()["version"]] += 1
                    if good["predictions"][0]["label"] != name or "error" not in bad:
                        self.wrong.append(answer.json())

    def wait(self, condition):
        deadline = time.monotonic() + START_S
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert condition(), self.codes


@pytest.fixture
def living(start, models_copy):
    """A service with a folder of models that is looked at often."""
    running = start(models_copy, "--poll_s", "0.2")
    running.wait(ready)
    yield running
    if running.process.poll() is None:
        assert running.end() == 0, "".join(running.log)


def test_what_a_version_copied_to_this_machine_goes_with_it(start, models_copy, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    running = start(models_copy, "--poll_s", "0")
    try:
        running.wait(ready)
        kept = []
        for number in (3, 4):
            write_folder(models_copy / "colors" / str(number), color_graph(16, weight=float(number)))
            with running.client() as client:
                assert client.post("/admin/refresh").status_code == 200
                assert states(client) == {str(number): "READY"}
            kept.append(len(list((tmp_path / "scratch").glob("sparkcv-serve-*/models/**/model.json"))))
    finally:
        assert running.end() == 0, "".join(running.log)
    assert not any("deprecated" in line for line in running.log)
    assert kept == [1, 1]  # the copy of the one that is loaded
    assert list((tmp_path / "scratch").glob("sparkcv-serve-*")) == []


def states(client):
    return {one["version"]: one["state"] for one in client.post("/v2/repository/index").json()}


def test_a_new_version_takes_over_and_a_broken_one_does_not_and_no_request_is_lost(living, picture):
    with Load(living, picture) as load:
        load.wait(lambda: load.versions[2] > 5)
        write_folder(living.models / "colors" / "3", color_graph(16, weight=6.0))
        load.wait(lambda: load.versions[3] > 5)
        living.wait(lambda client: states(client) == {"3": "READY"})  # the old one is drained and gone
        write_folder(living.models / "broken", color_graph(16))
        shutil.move(living.models / "broken", living.models / "colors" / "4")
        write_folder(living.models / "spoilt", color_graph(16))
        (living.models / "spoilt" / "frozen_inference_graph.pb").write_bytes(b"not the graph")
        shutil.move(
            living.models / "spoilt", living.models / "colors" / "5"
        )  # whole at once: it may be looked at any time
        living.wait(lambda client: states(client).get("5") == "UNAVAILABLE")
        before = load.versions[3] + load.versions[4]
        load.wait(lambda: load.versions[3] + load.versions[4] > before + 5)
        assert load.versions[5] == 0
    assert set(load.codes) == {200}
    assert load.wrong == []
    assert any("version 5 is not loaded: the model file" in line for line in living.log)


def test_a_version_that_computes_something_else_than_at_its_export_is_refused(living, picture):
    scores = np.array([0.5, 0.25, 0.25], np.float32)
    for number, wanted in ((3, scores[::-1]), (4, red_scores(6.0))):
        folder = living.models.with_name(f"made-{number}")
        folder.mkdir()
        scored_picture.write(str(folder), picture("red", "PNG"), np.ascontiguousarray(wanted))
        (folder / "evaluation.json").write_text('{"accuracy": 0.875}')
        write_folder(folder, color_graph(16, weight=6.0))
        folder.rename(living.models / "colors" / str(number))
        living.wait(lambda client, number=number: states(client).get(str(number)) in ("READY", "UNAVAILABLE"))
    living.wait(lambda client: states(client).get("4") == "READY")
    said = "version 3 is not loaded: it computes something else than at its export: of the picture in scored_picture"
    assert any(said in line and "wanted 0." in line for line in living.log)
    with living.client() as client:
        (model,) = client.get("/page/models").json()["models"]
    assert {one["version"]: one["accuracy"] for one in model["versions"]}[4] == 0.875


def red_scores(weight):
    exponents = np.exp(weight * np.array([1.0, -1.0, -1.0]))
    return (exponents / exponents.sum()).astype(np.float32)


def test_a_killed_process_costs_503_at_most_and_is_started_again(living, picture):
    with Load(living, picture) as load:
        for _ in range(3):
            done = load.codes[200]
            load.wait(lambda done=done: load.codes[200] > done + 5)
            (worker,) = children(living.process)
            kill(worker)
    assert set(load.codes) <= {200, 503}
    assert load.wrong == []
    assert any("died: signal SIGKILL" in line for line in living.log)
    living.wait(lambda client: client.post("/classify", files={"image": picture("red")}).status_code == 200)


def test_a_folder_that_disappears_changes_nothing_and_comes_back(living, picture):
    aside = living.models.with_name("aside")
    living.models.rename(aside)
    living.wait(lambda client: any("the folder of models cannot be read" in line for line in living.log))
    with living.client() as client:
        assert client.post("/classify", files={"image": picture("red")}).status_code == 200
        assert client.post("/admin/refresh").status_code == 503
    aside.rename(living.models)
    living.wait(lambda client: client.post("/admin/refresh").status_code == 200)


def test_unload_gives_the_process_back_and_load_brings_it_again(living, picture):
    with living.client() as client:
        (worker,) = children(living.process)
        assert client.post("/v2/repository/models/colors/unload").status_code == 200
        assert not os.path.exists(f"/proc/{worker}")
        assert client.post("/classify", files={"image": picture("red")}).status_code == 503
        assert client.get("/v2/models/colors/ready").status_code == 503
        assert client.post("/v2/repository/models/colors/load").status_code == 200
        assert client.post("/classify", files={"image": picture("red")}).status_code == 200


def test_sigterm_under_load_answers_all_that_was_accepted(start, model_folders, picture):
    running = start(model_folders, "--poll_s", "0", "--max_delay_ms", "300")
    running.wait(ready)
    with Load(running, picture, count=6) as load:
        load.wait(lambda: load.codes[200] > 12)
        begun = running.process
        begun.send_signal(signal.SIGTERM)
        assert begun.wait(60) == 0
    running.end()
    # A connection that is refused or closed between two requests had none under way.
    assert set(load.codes) <= {200, "no answer"}
    assert load.wrong == []
    assert any("every accepted request was answered" in line for line in running.log)


def test_keys_for_inference_and_admin_calls(start, model_folders, picture, tmp_path):
    for name, key in (("api", "inference-key-0123456789"), ("admin", "admin-key-0123456789ab")):
        (tmp_path / name).write_text(key + "\n")
        (tmp_path / name).chmod(0o600)
    running = start(
        model_folders,
        "--poll_s",
        "0",
        "--api_key_file",
        str(tmp_path / "api"),
        "--admin_key_file",
        str(tmp_path / "admin"),
    )
    try:
        running.wait(ready)
        with running.client() as client:
            ask = {"files": {"image": picture("red")}}
            assert client.post("/classify", **ask).status_code == 401
            wrong = {"Authorization": "Bearer inference-key-0123456780"}
            assert client.post("/classify", headers=wrong, **ask).status_code == 401
            for headers in (
                {"Authorization": "Bearer inference-key-0123456789"},
                {"X-API-Key": "inference-key-0123456789"},
            ):
                assert client.post("/classify", headers=headers, **ask).status_code == 200
                assert client.post("/admin/refresh", headers=headers).status_code == 401
            assert client.post("/admin/refresh", headers={"X-API-Key": "admin-key-0123456789ab"}).status_code == 200
            assert client.get("/metrics").status_code == 401
            assert client.get("/", headers={"Accept": "text/html"}).status_code == 200
        for secret in ("inference-key-0123456789", "admin-key-0123456789ab"):
            assert secret not in "".join(running.log)
            assert secret.encode() not in Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
    finally:
        assert running.end() == 0


def test_tls_by_certificate_files(start, model_folders, picture, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    running = start(model_folders, "--poll_s", "0", "--tls_cert_file", str(cert), "--tls_key_file", str(key))
    try:
        assert running.url.startswith("https://")
        with httpx.Client(base_url=running.url, verify=str(cert), timeout=300, trust_env=False) as client:
            deadline = time.monotonic() + START_S
            while client.get("/v2/health/ready").status_code != 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert client.post("/classify", files={"image": picture("red")}).status_code == 200
    finally:
        assert running.end() == 0


def make_certificate(cert, key):
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(private, hashes.SHA256())
    )
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(private.private_bytes(*form))


@pytest.mark.parametrize(
    ("flags", "code", "sentence"),
    [
        (["--models_dir", "{tmp}/none"], 1, "no folder of models at"),
        (["--models_dir", "{tmp}"], 1, "no exported model in"),
        (["--models_dir", "{models}", "--version_policy", "newest"], 2, "--version_policy: got 'newest'"),
        (["--models_dir", "{models}", "--labels", "a"], 2, "--labels: got 'a'"),
        (["--models_dir", "{models}", "--tls_cert_file", "x"], 2, "go together"),
        (["--models_dir", "{models}", "--tls_cert_file", "x", "--tls_key_file", "x"], 1, "No such file"),
        (["--models_dir", "{models}", "--tls_cert_file", "{open}", "--tls_key_file", "{open}"], 2, "no certificate"),
        (["--models_dir", "{models}", "--api_key_file", "{tmp}/none"], 1, "--api_key_file: no file at"),
        (["--models_dir", "{models}", "--api_key_file", "{open}"], 2, "others may read"),
        (["--models_dir", "{models}", "--api_key_file", "{short}"], 2, "has no key of at least 16"),
        (["--models_dir", "{models}", "--host", "192.0.2.1"], 1, "cannot listen there"),
        (["--models_dir", "{models}", "--prot", "1"], 2, "did you mean --port?"),
    ],
)
def test_what_cannot_be_served_is_told_before_a_port_is_taken(model_folders, tmp_path, flags, code, sentence):
    (tmp_path / "open").write_text("a key that others may read")
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "short").write_text("short")
    (tmp_path / "short").chmod(stat.S_IRUSR)
    names = {"tmp": tmp_path, "models": model_folders, "open": tmp_path / "open", "short": tmp_path / "short"}
    words = [flag.format(**names) for flag in flags]
    done = subprocess.run(
        [sys.executable, "jobs/serve.py", "--port", "0", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert sentence in last
    assert "Traceback" not in done.stderr
