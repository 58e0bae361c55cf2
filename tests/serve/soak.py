"""Mixed load while versions change and processes are killed: ``python -m tests.serve.soak --minutes 10``.

Clients send small, large and broken pictures, cut their uploads, send them slowly, or go away before the answer. What
must hold: each request that was accepted gets its true answer, or 503 or 429; memory stays; SIGTERM under load leaves
nothing unanswered. The table goes to ``--output``; the exit code is 1 if something did not hold.
"""

import argparse
import base64
import collections
import contextlib
import dataclasses
import io
import itertools
import json
import pathlib
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

import httpx
import numpy as np
import psutil
from PIL import Image

from tests.predict.models import COLORS, color_graph, write_folder
from tests.serve.conftest import children, kill, ready, start_service

SIDE = 16
GROWTH = 1.25, 40e6  # of the front process, from the first third of the samples to the last
_WAIT_S = 180


def weight_of(version):
    """Return the weight of a version's net, which tells its scores from another's."""
    return 2.0 + version % 5


def thirds(values):
    """Return the medians of the first and of the last third."""
    third = max(1, len(values) // 3)
    return statistics.median(values[:third]), statistics.median(values[-third:])


def encode(color, image_format, size):
    """Return a plain picture's file; a large one has noise, as a photograph has, and a megabyte."""
    pixels = np.full((*size, 3), COLORS[color], np.uint8)
    if size[0] > 1000:
        noise = np.random.default_rng(1).integers(0, 60, pixels.shape, np.uint8)
        pixels = np.where(pixels > 127, pixels - noise, pixels + noise)
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, image_format)
    return sink.getvalue()


@dataclasses.dataclass
class Found:
    """What clients saw: answers by kind of client and code, and what must not be."""

    codes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    wrong: list = dataclasses.field(default_factory=list)
    unanswered: list = dataclasses.field(default_factory=list)  # ids of requests that were sent whole
    versions: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    seconds: list = dataclasses.field(default_factory=list)


class Clients:
    """One thread for each kind of client, and two more of those that send small pictures."""

    def __init__(self, running, seed):
        self.found, self._running, self._over = Found(), running, threading.Event()
        self._small = {name: encode(name, "PNG", (30, 20)) for name in COLORS}
        self._large = {name: encode(name, "JPEG", (1500, 1100)) for name in COLORS}
        self._ids = itertools.count()
        url = httpx.URL(running.url)
        self._address = (url.host, url.port)
        kinds = (self.small, self.small, self.small, self.large, self.broken, self.pixels, self.columns)
        kinds += (self.cut, self.slow, self.gone)
        self._threads = [
            threading.Thread(target=self._repeat, args=(kind, random.Random(f"{seed} {index}")))
            for index, kind in enumerate(kinds)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(_WAIT_S)
            assert not thread.is_alive(), "a request hangs"

    def _repeat(self, kind, rng):
        with self._running.client() as client:
            while not self._over.is_set():
                kind(client, rng)
                self._over.wait(rng.uniform(0, 0.05))

    def _ask(self, client, kind, path, **options):
        """Send a request; return its answer if it has status 200."""
        name, begin_s = f"{kind}-{next(self._ids)}", time.monotonic()
        try:
            answer = client.post(path, headers={"X-Request-Id": name, **options.pop("headers", {})}, **options)
        except httpx.ConnectError:
            self.found.codes[kind, "refused"] += 1
            return None
        except httpx.TransportError as err:
            self.found.codes[kind, "no answer"] += 1
            self.found.unanswered.append((name, repr(err)))
            return None
        self.found.codes[kind, answer.status_code] += 1
        self.found.seconds.append(time.monotonic() - begin_s)
        wanted = (200, 400) if kind == "broken" else (200,)
        if answer.status_code not in (*wanted, 429, 503):
            self.found.wrong.append((name, answer.status_code, answer.text[:200]))
        if answer.status_code in (429, 503) and "Retry-After" not in answer.headers:
            self.found.wrong.append((name, "no Retry-After"))
        return answer if answer.status_code == 200 else None

    def _check(self, name, version, scores):
        """Compare scores of a plain picture with those of the version that answered."""
        exponents = np.exp(weight_of(version) * np.where(np.arange(3) == list(COLORS).index(name), 1.0, -1.0))
        if not np.allclose(scores, exponents / exponents.sum(), atol=2e-3):
            self.found.wrong.append((name, version, list(scores)))
        self.found.versions[version] += 1

    def small(self, client, rng):
        name = rng.choice(list(COLORS))
        files = [("image", ("a.png", self._small[name])), ("image", ("b.txt", b"hello"))]
        answer = self._ask(client, "small", "/classify", files=files)
        if answer is not None:
            good, bad = answer.json()["results"]
            rows = {one["label"]: one["score"] for one in good.get("predictions", ())}
            self._check(name, answer.json()["version"], [rows.get(label, 0) for label in COLORS])
            if "error" not in bad:
                self.found.wrong.append(bad)

    def large(self, client, rng):
        name = rng.choice(list(COLORS))
        answer = self._ask(client, "large", "/classify", files={"image": ("a.jpg", self._large[name])})
        if answer is not None and answer.json()["results"][0]["predictions"][0]["label"] != name:
            self.found.wrong.append(answer.text[:200])

    def broken(self, client, rng):
        data = self._small["red"][: rng.randint(0, 60)]
        answer = self._ask(client, "broken", "/classify", files={"image": ("a.png", data)})
        if answer is not None:
            self.found.wrong.append(("a broken picture", answer.text[:200]))

    def pixels(self, client, rng):
        name = rng.choice(list(COLORS))
        raw = np.broadcast_to(np.array(COLORS[name], "<f4") / 127.5 - 1, (2, SIDE, SIDE, 3)).tobytes()
        tensor = {"name": "input", "datatype": "FP32", "shape": [2, SIDE, SIDE, 3]}
        head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(raw)}}]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        answer = self._ask(client, "pixels", "/v2/models/colors/infer", content=head + raw, headers=headers)
        if answer is not None:
            value = answer.json()
            self._check(name, int(value["model_version"]), value["outputs"][0]["data"][:3])

    def columns(self, client, rng):
        name = rng.choice(list(COLORS))
        value = {"inputs": {"encoded": [{"b64": base64.b64encode(self._small[name]).decode()}]}}
        answer = self._ask(client, "columns", "/v1/models/colors:predict", json=value)
        if answer is not None and int(np.argmax(answer.json()["outputs"][0])) != list(COLORS).index(name):
            self.found.wrong.append(answer.text[:200])

    def _connect(self, kind, data, pause_s, share):
        """Send a head and a share of a body in pieces; return the answer's code, or what came instead."""
        name = f"{kind}-{next(self._ids)}"
        head = f"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(data)}\r\n"
        try:
            with socket.create_connection(self._address, timeout=60) as connection:
                connection.sendall(f"{head}X-Request-Id: {name}\r\n\r\n".encode())
                sent = data[: int(len(data) * share)]
                with contextlib.suppress(ConnectionError):  # an answer that comes before the body is whole
                    for at in range(0, len(sent), 20):
                        connection.sendall(sent[at : at + 20])
                        time.sleep(pause_s)
                if kind == "gone":
                    linger = struct.pack("ii", 1, 0)  # a reset, not an orderly end
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if kind != "slow":
                    return "left"
                got = connection.recv(12)[9:].decode()
        except ConnectionRefusedError:
            return "refused"
        except OSError as err:
            got = repr(err)
        if got.isdigit():
            return int(got)
        if kind == "slow":
            self.found.unanswered.append((name, got))
        return "no answer"

    def cut(self, client, rng):
        self.found.codes["cut", self._connect("cut", self._small["red"], 0, rng.random())] += 1

    def gone(self, client, rng):
        self.found.codes["gone", self._connect("gone", self._small["red"], 0, 1)] += 1

    def slow(self, client, rng):
        code = self._connect("slow", self._small["red"], 0.1, 1)
        self.found.codes["slow", code] += 1
        if code not in (200, 429, 503, "refused", "no answer"):
            self.found.wrong.append(("slow", code))


@dataclasses.dataclass
class Report:
    """What came of a run."""

    found: Found
    seconds: float
    num_changes: int
    num_kills: int
    memory: list
    exit_code: int
    problems: list

    def table(self):
        """Return the page that is kept."""
        first, last = (part / 1e6 for part in thirds(self.memory))
        ordered = sorted(self.found.seconds)
        quantiles = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 for share in (0.5, 0.99, 1)]
        rows = [
            ("minutes", f"{self.seconds / 60:.1f}"),
            ("version changes, processes killed", f"{self.num_changes}, {self.num_kills}"),
            ("answers", str(sum(count for (_, code), count in self.found.codes.items() if isinstance(code, int)))),
            ("true answers of 503, of 429", ", ".join(str(self._count(code)) for code in (503, 429))),
            ("versions that answered", str(len(self.found.versions))),
            ("wrong answers", str(len(self.found.wrong))),
            ("request to answer: median, 99 %, longest", ", ".join(f"{one:.0f} ms" for one in quantiles)),
            ("memory of the front: first third, last third", f"{first:.0f} MB, {last:.0f} MB"),
            ("SIGTERM under load: exit code", str(self.exit_code)),
            ("what did not hold", "; ".join(self.problems) or "nothing"),
        ]
        kinds = sorted({kind for kind, _ in self.found.codes})
        each = [
            (
                kind,
                ", ".join(
                    f"{code}: {n}" for (one, code), n in sorted(self.found.codes.items(), key=str) if one == kind
                ),
            )
            for kind in kinds
        ]
        lines = [f"| {name} | {value} |" for name, value in rows]
        lines += ["", "| client | answers |", "|--|--|", *(f"| {name} | {value} |" for name, value in each)]
        return "\n".join(["| of the run | |", "|--|--|", *lines]) + "\n"

    def _count(self, code):
        return sum(count for (_, one), count in self.found.codes.items() if one == code)


def run(seconds, num_changes, num_kills, seed=1):
    """Serve, load, change, kill and end; return the report."""
    with tempfile.TemporaryDirectory(prefix="sparkcv-soak-") as folder:
        models = pathlib.Path(folder) / "models"
        _write(models, 1)
        running = start_service(models, "--poll_s", "0.3", "--max_delay_ms", "5")
        try:
            running.wait(ready)
            return _run(running, seconds, num_changes, num_kills, random.Random(seed))
        finally:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()
                running.reader.join(30)
            running.process.stdout.close()


def _run(running, seconds, num_changes, num_kills, rng):
    begin_s, memory, problems = time.monotonic(), [], []
    events = ["change"] * num_changes + ["kill"] * num_kills
    rng.shuffle(events)
    front, version = psutil.Process(running.process.pid), 1
    with Clients(running, rng.random()) as clients:
        found = clients.found
        for index, event in enumerate([*events, "end"]):
            due_s = begin_s + seconds * (index + 1) / (len(events) + 1)
            while (left_s := due_s - time.monotonic()) > 0:
                memory.append(front.memory_info().rss)
                time.sleep(min(1.0, left_s))
            if event == "kill":
                _wait(lambda: _kill_one(running.process, rng), problems, "there was no process to kill")
            elif event == "change":
                version += 1
                _write(running.models, version)
                _wait(lambda number=version: found.versions[number], problems, f"version {version} never answered")
        answered = sum(found.codes.values())
        _wait(lambda: sum(found.codes.values()) > answered + 20, problems, "the load has stopped")
        lost_before = list(found.unanswered)
        running.process.terminate()
        try:
            code = running.process.wait(_WAIT_S)
        except subprocess.TimeoutExpired:
            code = -1
    running.reader.join(30)
    accepted = {}
    for line in list(running.log):
        if line.startswith("{"):
            said = json.loads(line)
            accepted[said["request_id"]] = said["status"]
    for name, why in lost_before:
        problems.append(f"{name} was not answered: {why}")
    # Behind SIGTERM a connection may be closed before its next request is read; what was read has a line in the log.
    for name, why in found.unanswered[len(lost_before) :]:
        if name in accepted:
            problems.append(f"{name} was accepted and not answered: {why}, the log says {accepted[name]}")
    if found.wrong:
        problems.append(f"{len(found.wrong)} wrong answers, such as {found.wrong[0]}")
    bad = sorted({code for code in accepted.values() if code >= 500 and code != 503})
    if bad:
        problems.append(f"the service answered {bad}")
    if code:
        problems.append(f"the service ended with exit code {code}")
    log = "".join(line for line in running.log if not line.startswith("{"))
    if "Traceback" in log:
        problems.append(f"the log has a traceback: {log[log.index('Traceback') :][-2000:]}")
    first, last = thirds(memory)
    if last > GROWTH[0] * first + GROWTH[1]:
        problems.append(f"the front process grew from {first / 1e6:.0f} to {last / 1e6:.0f} MB")
    return Report(found, time.monotonic() - begin_s, num_changes, num_kills, memory, code, problems)


def _kill_one(process, rng):
    """Kill a worker process; return whether there was one, as one may be gone or not be started again yet."""
    workers = children(process)
    with contextlib.suppress(ProcessLookupError):
        if workers:
            kill(rng.choice(workers))
            return True
    return False


def _write(models, version):
    """Make a version appear, whole."""
    aside = models.with_name("aside")
    write_folder(aside, color_graph(SIDE, weight=weight_of(version)))
    (models / "colors").mkdir(parents=True, exist_ok=True)
    aside.rename(models / "colors" / str(version))


def _wait(condition, problems, what):
    deadline_s = time.monotonic() + _WAIT_S
    while not condition():
        if time.monotonic() > deadline_s:
            problems.append(what)
            return
        time.sleep(0.1)


def main():
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default="bench/SERVE_SOAK.md")
    flags = parser.parse_args()
    report = run(60 * flags.minutes, flags.changes, flags.kills, flags.seed)
    command = f"python -m tests.serve.soak --minutes {flags.minutes:g} --seed {flags.seed}"
    text = f"# The service under load and faults\n\n`{command}`\n\n{report.table()}"
    pathlib.Path(flags.output).write_text(text)
    sys.stdout.write(text)
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
