"""R12: requests per CPU-second, and their times, of `sparkcv serve` beside Triton, BentoML and LitServe.

One Inception v3 SavedModel, the same pictures, float32, 1, 4 and 16 clients, one server at a time, in turn; then as
many requests a second as are 80 % of what the last of these had. Each peer has an environment of its own, made below
.venv/peers at the first run, and batches as it can; it counts only if its best class of a picture is ours. Without
photographs, drawn pictures of 500 px. ``--only front`` measures what a request costs the front process, with a net
that is a mean.
"""

import argparse
import base64
import dataclasses
import http.client
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import photographs as pictures_of
import psutil

from sparkcv import synthetic

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS_DIR = pathlib.Path(sys.prefix) / "peers"
_TENSORFLOW = "tensorflow-cpu>=2.21,<2.22"
_PACKAGES = {
    "triton": ["nvidia-pytriton==0.7.0", "numpy<2", _TENSORFLOW],
    "python-servers": ["bentoml==1.4.40", "litserve==0.2.19", "python-multipart", _TENSORFLOW],
}
_MAX_BATCH, _DELAY_MS = 16, 5
_START_S = 300
_SATURATION, _MOST_AT_ONCE = 0.8, 64


@dataclasses.dataclass(frozen=True)
class Server:
    """How to start a server, how a picture is asked for (path, headers, body), and the best class of an answer."""

    command: Sequence[str]
    ask: Callable[[bytes], tuple[str, dict[str, str], bytes]]
    best: Callable[[bytes], int]
    env: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Point:
    """What a number of clients saw."""

    requests: int
    wall_s: float
    cpu_s: float
    front_cpu_s: float
    p50_ms: float
    p99_ms: float


def main() -> int:
    """Measure each server in turn; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures_of.add_flag(parser)
    parser.add_argument("--seconds", type=float, default=10, help="of each point; a third more before it, not counted")
    parser.add_argument("--clients", default="1,4,16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--net", default="inception_v3")
    parser.add_argument("--image_size", type=int, default=299)
    parser.add_argument("--model", type=pathlib.Path, help="an exported model; not set: random weights of --net")
    parser.add_argument("--only", default="ours,openvino,triton,bentoml,litserve", help="of these, or front")
    flags = parser.parse_args()
    pictures = read_pictures(flags.photographs)
    with tempfile.TemporaryDirectory(prefix="sparkcv-r12-") as folder:
        work = pathlib.Path(folder)
        (work / "warm.jpg").write_bytes(pictures[0])
        if flags.only == "front":
            print(front_row(work, pictures[0], flags.seconds))
            return 0
        model = flags.model.resolve() if flags.model else write_model(work, flags.net, flags.image_size)
        names = flags.only.split(",")
        found: dict[tuple[str, str], list[Point]] = {}
        best: dict[str, int] = {}
        for _ in range(flags.rounds):
            for name in names:
                with Running(server(name, model, work / "warm.jpg"), pictures[0], work / f"{name}.log") as running:
                    best[name] = running.best
                    for what, point in running.points(pictures, [*map(int, flags.clients.split(","))], flags.seconds):
                        found.setdefault((what, name), []).append(point)
                        print(f"{name}, {what}: {point}", file=sys.stderr)
    if len(set(best.values())) > 1:
        print(f"the servers do not run the same net, the best classes of one picture are {best}", file=sys.stderr)
        return 1
    for row in rows(found, names):
        print(row)
    return 0


def rows(found: dict[tuple[str, str], list[Point]], names: Sequence[str]) -> list[str]:
    """Return the table's rows: what was asked by what, the servers one below the other."""
    lines = []
    for what in dict.fromkeys(what for what, _ in found):
        for name in names:
            points = found[what, name]
            rates = sorted(point.requests / point.cpu_s for point in points)
            middle = sorted(points, key=lambda point: point.p99_ms)[len(points) // 2]
            lines.append(
                f"| R12 {name}, {what}: requests a CPU-second; p50, p99 | | | "
                f"{rates[len(rates) // 2]:.2f} ({rates[0]:.2f} to {rates[-1]:.2f}) | "
                f"{middle.p50_ms:.0f}, {middle.p99_ms:.0f} ms |"
            )
    return lines


def read_pictures(folder: pathlib.Path | None) -> list[bytes]:
    """Return at most 200 photographs, or drawn pictures."""
    if folder is None:
        return [synthetic.encode(synthetic.draw(index % 8, index, 500), "jpeg") for index in range(24)]
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[:200]
    return [path.read_bytes() for path in found]


def write_model(work: pathlib.Path, net: str, size: int) -> pathlib.Path:
    """Export random weights as a model folder, by a process of its own."""
    words = [str(HERE / "serving/write_model.py"), str(work), net, str(size)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *words], check=True, env=env, stderr=subprocess.DEVNULL)
    return work / "models" / "net"


def server(name: str, model: pathlib.Path, warm: pathlib.Path) -> Server:
    """Return how a server is started; its port is put in for PORT."""
    saved = str(model / "saved_model")
    words = [saved, "PORT", str(_MAX_BATCH), str(_DELAY_MS), str(warm)]
    if name in ("ours", "openvino"):
        serve = [
            sys.executable,
            str(ROOT / "jobs/serve.py"),
            "--models_dir",
            str(model),
            "--port",
            "PORT",
            "--poll_s",
            "0",
        ]
        serve += ["--engine", "openvino" if name == "openvino" else "tf", "--max_batch_size", str(_MAX_BATCH)]
        return Server([*serve, "--max_delay_ms", str(_DELAY_MS)], _as_body, _of_classify)
    if name == "triton":
        # Triton's Python backend loads whichever libpython the system has, which fails on another release's library.
        env = {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}
        return Server([python_of("triton"), str(HERE / "serving/triton_peer.py"), *words], _as_tensor, _of_tensor, env)
    python = python_of("python-servers")
    if name == "litserve":
        return Server([python, str(HERE / "serving/litserve_peer.py"), *words], _as_form, _of_scores)
    env = {"PEER_MODEL": saved, "PEER_PICTURE": str(warm), "PEER_BATCH": str(_MAX_BATCH)}
    env |= {"PYTHONPATH": str(HERE / "serving"), "BENTOML_DO_NOT_TRACK": "True"}
    return Server([python, "-m", "bentoml", "serve", "bentoml_peer:Net", "--port", "PORT"], _as_json, _of_scores, env)


def python_of(name: str) -> str:
    """Return the Python of a peer's environment, which is made once."""
    folder = PEERS_DIR / name
    if not (folder / "done").exists():
        if not (folder / "bin/python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *_PACKAGES[name]], check=True)
        (folder / "done").touch()
    return str(folder / "bin/python")


class Running:
    """A server for a while; a context manager. ``best`` is its best class of the picture, once it answers."""

    def __init__(self, server: Server, picture: bytes, log: pathlib.Path) -> None:
        self.best = -1
        self._server, self._log = server, log
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._picture = picture
        command = [str(self._port) if word == "PORT" else word for word in server.command]
        env = {**os.environ, **server.env, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        with log.open("wb") as out:
            self._process = subprocess.Popen(command, env=env, stdout=out, stderr=out, start_new_session=True)

    def __enter__(self) -> "Running":
        deadline_s = time.monotonic() + _START_S
        while True:
            said = b""
            try:
                status, said = self._once(
                    http.client.HTTPConnection("127.0.0.1", self._port, timeout=60), self._picture
                )
                if status == 200:
                    self.best = self._server.best(said)
                    return self
            except (OSError, http.client.HTTPException):
                pass
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.__exit__()
                told = self._log.read_text(errors="replace")[-2000:]
                raise SystemExit(f"{self._process.args} does not answer: {said[:200]!r}; it said: {told}")
            time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        tree = self._tree()
        for process in tree:
            process.terminate()
        _, alive = psutil.wait_procs(tree, 10)
        for process in alive:
            process.kill()
        self._process.wait()

    def points(self, pictures: Sequence[bytes], clients: Sequence[int], seconds: float) -> Iterator[tuple[str, Point]]:
        """Measure with each number of clients, then at a share of the last one's rate."""
        for number in clients:
            point = self.measure(pictures, number, seconds)
            yield f"{number} clients", point
        rate = _SATURATION * point.requests / point.wall_s
        yield f"{_SATURATION:.0%} of saturation", self._point(lambda: self._paced(pictures, rate, seconds))

    def measure(self, pictures: Sequence[bytes], num_clients: int, seconds: float) -> Point:
        """Ask without a pause from ``num_clients`` threads."""
        self._load(pictures, num_clients, seconds / 3)
        return self._point(lambda: self._load(pictures, num_clients, seconds))

    def _point(self, load: Callable[[], list[float]]) -> Point:
        before, front, begin_s = self._cpu_s(), self._front_cpu_s(), time.monotonic()
        times = sorted(load())
        wall_s, cpu_s = time.monotonic() - begin_s, self._cpu_s() - before
        at = [times[min(len(times) - 1, int(share * len(times)))] * 1000 for share in (0.5, 0.99)]
        return Point(len(times), wall_s, cpu_s, self._front_cpu_s() - front, *at)

    def _load(self, pictures: Sequence[bytes], num_clients: int, seconds: float) -> list[float]:
        times: list[float] = []
        end_s = time.monotonic() + seconds

        def client(index: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            while time.monotonic() < end_s:
                index += num_clients
                begin_s = time.monotonic()
                self._want(connection, pictures[index % len(pictures)])
                times.append(time.monotonic() - begin_s)
            connection.close()

        threads = [threading.Thread(target=client, args=(index,)) for index in range(num_clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return times

    def _paced(self, pictures: Sequence[bytes], rate: float, seconds: float) -> list[float]:
        """Ask ``rate`` times a second whatever is still unanswered; times are from when each was to be asked."""
        begin_s = time.monotonic()

        def client(index: int) -> float:
            due_s = begin_s + index / rate
            time.sleep(max(0.0, due_s - time.monotonic()))
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            self._want(connection, pictures[index % len(pictures)])
            connection.close()
            return time.monotonic() - due_s

        with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            return list(pool.map(client, range(max(1, int(rate * seconds)))))

    def _want(self, connection: http.client.HTTPConnection, picture: bytes) -> None:
        status, said = self._once(connection, picture)
        if status != 200:
            raise RuntimeError(f"{self._process.args} answered {status}: {said[:200]!r}")

    def _once(self, connection: http.client.HTTPConnection, picture: bytes) -> tuple[int, bytes]:
        path, headers, body = self._server.ask(picture)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _tree(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _cpu_s(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._tree())

    def _front_cpu_s(self) -> float:
        return sum(psutil.Process(self._process.pid).cpu_times()[:2])


def front_row(work: pathlib.Path, picture: bytes, seconds: float) -> str:
    """Return the CPU of the front process a request, with a net that costs next to nothing."""
    code = (
        "import sys; from tests.predict.models import color_graph, write_folder\n"
        "write_folder(sys.argv[1], color_graph(16))"
    )
    model = work / "models" / "colors"
    subprocess.run([sys.executable, "-c", code, str(model)], check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    points = []
    with Running(server("openvino", model, work / "warm.jpg"), picture, work / "front.log") as running:
        points = [running.measure([picture], clients, seconds) for clients in (1, 4, 16)]
    each = ", ".join(f"{1000 * point.front_cpu_s / point.requests:.2f}" for point in points)
    return f"| R12 CPU of the front process a request, 1, 4, 16 clients | <= 1.5 ms | | {each} ms | |"


def _as_body(picture: bytes) -> tuple[str, dict[str, str], bytes]:
    return "/classify?top_k=1", {"Content-Type": "image/jpeg"}, picture


def _as_form(picture: bytes) -> tuple[str, dict[str, str], bytes]:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return "/predict", {"Content-Type": "multipart/form-data; boundary=b"}, head + picture + b"\r\n--b--\r\n"


def _as_json(picture: bytes) -> tuple[str, dict[str, str], bytes]:
    text = base64.urlsafe_b64encode(picture).decode()
    return "/predict", {"Content-Type": "application/json"}, json.dumps({"encoded": [text]}).encode()


def _as_tensor(picture: bytes) -> tuple[str, dict[str, str], bytes]:
    tail = struct.pack("<I", len(picture)) + picture
    tensor = {"name": "encoded", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(tail)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return "/v2/models/net/infer", {"Inference-Header-Content-Length": str(len(head))}, head + tail


def _of_classify(answer: bytes) -> int:
    return int(json.loads(answer)["results"][0]["predictions"][0]["label_id"])


def _of_scores(answer: bytes) -> int:
    """Return the best of a row of scores, in a list of rows or under ``probabilities``."""
    value = json.loads(answer)
    return int(np.argmax(value["probabilities"] if isinstance(value, dict) else value[0]))


def _of_tensor(answer: bytes) -> int:
    size = json.loads(answer[: answer.index(b"}]}") + 3])["outputs"][0]["parameters"]["binary_data_size"]
    return int(np.argmax(np.frombuffer(answer[-size:], "<f4")))


if __name__ == "__main__":
    sys.exit(main())
