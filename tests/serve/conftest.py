"""A real service, started as its user starts it, on models small enough to know their answers by heart."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.predict.models import color_graph, write_folder

ROOT = Path(__file__).parents[2]
START_S = 120


@dataclasses.dataclass
class Running:
    """A running service."""

    process: subprocess.Popen
    url: str
    models: Path
    log: list
    reader: threading.Thread

    def client(self, **options):
        return httpx.Client(base_url=self.url, timeout=300, trust_env=False, **options)

    def wait(self, condition, seconds=START_S):
        """Wait until ``condition(client)`` is true."""
        with self.client() as client:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                assert self.process.poll() is None, "".join(self.log)
                try:
                    if condition(client):
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        raise AssertionError("".join(self.log))

    def end(self):
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.reader.join(10)
        self.process.stdout.close()
        return code


def ready(client):
    return client.get("/v2/health/ready").status_code == 200


def start_service(models, *flags):
    """Start a service on a folder of models with more flags; wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "jobs/serve.py", "--models_dir", str(models), "--port", "0", *flags],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    log, listening = [], threading.Event()

    def read():
        for line in process.stdout:
            log.append(line)
            if " serves the models of " in line:
                listening.set()
        listening.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert listening.wait(START_S)
    found = re.search(r"(https?://\S+)/ serves", "".join(log))
    assert found, "".join(log)
    return Running(process, found[1], Path(models), log, reader)


@pytest.fixture(scope="session")
def start():
    """The function that starts a service."""
    return start_service


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory):
    """A folder of models: colors 1 and 2, which answer with other scores."""
    root = tmp_path_factory.mktemp("served")
    write_folder(root / "colors" / "1", color_graph(16))
    write_folder(root / "colors" / "2", color_graph(16, weight=4.0))
    return root


@pytest.fixture
def models_copy(model_folders, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(model_folders, tmp_path / "models"))


@pytest.fixture(scope="module")
def served(start, model_folders, tmp_path_factory):
    """A service that the tests of a file share: both versions, no polling."""
    running = start(model_folders, "--version_policy", "all", "--poll_s", "0", "--labels", "colors:old=1")
    running.wait(lambda client: "LOADING" not in client.get("/v1/models/colors").text and ready(client))
    yield running
    assert running.end() == 0, "".join(running.log)


@pytest.fixture
def client(served):
    """An HTTP client of the shared service."""
    with served.client() as client:
        yield client


def children(process):
    """Return the worker processes of a service."""
    out = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout
    return [int(pid) for pid in out.split()]


def kill(pid):
    os.kill(pid, signal.SIGKILL)
