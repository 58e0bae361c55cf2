"""A reader that looks at everything visible in a run's folder, over and over, and notes whatever is half written."""

import json
import re
import threading

from sparkcv import storage
from sparkcv.errors import CheckpointError, MissingFileError
from sparkcv.records import tfrecord
from sparkcv.rundir import checkpoint

_PAUSE_S = 0.05


class Reader:
    """A context manager: a thread that reads while the block runs; ``faults`` has what it found, ``rounds`` counts.

    A file that goes between two looks is no fault, as long as what spoke of it has gone, too.
    """

    def __init__(self, url: str) -> None:
        self._url, self._over = url, threading.Event()
        self._thread = threading.Thread(target=self._look_on)
        self._lengths: dict[str, int] = {}
        self.faults: list[str] = []
        self.seen: set[str] = set()
        self.rounds = 0

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        try:
            while not self._over.wait(_PAUSE_S):
                if storage.exists(self._url):
                    self._look()
                    self.rounds += 1
        except Exception as err:  # noqa: BLE001 - it must not die unheard
            self.faults.append(f"the reader failed: {type(err).__name__}: {err}")

    def _look(self) -> None:
        for entry in storage.walk(self._url):
            name = entry.url[len(self._url) + 1 :]
            if entry.name.startswith("."):
                continue  # hidden by the custom of every listing on HDFS: what is aside
            self.seen.add(re.sub(r"\d+", "N", entry.name))
            try:
                self._check(name, storage.read_bytes(entry.url))
            except MissingFileError:
                if storage.exists(entry.url):
                    self.faults.append(f"{name} is listed, and cannot be read")
            except (ValueError, CheckpointError) as err:
                self.faults.append(f"{name}: {err}")

    def _check(self, name: str, data: bytes) -> None:
        if name.endswith(".json"):
            value = json.loads(data)
            if name.startswith("model.ckpt-"):
                self._check_vouched(name, value)
        elif name.endswith((".jsonl", ".log")):
            self._check_grows(name, data)
            if data and not data.endswith(b"\n"):
                raise ValueError(f"ends inside a line: {data[-80:]!r}")
            if name.endswith(".jsonl"):
                for line in data.splitlines():
                    json.loads(line or b"0")
        elif name.startswith("events."):
            self._check_grows(name, data)
            for _ in tfrecord.read_records(data, name):
                pass
        elif name == "checkpoint":
            self._check_pointer(data.decode())

    def _check_grows(self, name: str, data: bytes) -> None:
        if data and len(data) < self._lengths.get(name, 0):
            raise ValueError(f"shrank from {self._lengths[name]} to {len(data)} bytes")
        self._lengths[name] = max(len(data), self._lengths.get(name, 0))

    def _check_vouched(self, name: str, manifest: dict) -> None:
        prefix = name.removesuffix(".json")
        found = checkpoint.Found(manifest["step"], f"{self._url}/{prefix}", manifest=manifest)
        try:
            checkpoint.verify(found)
        except MissingFileError as err:
            if storage.exists(f"{self._url}/{name}"):
                raise ValueError(f"it vouches for what is not there: {err}") from err

    def _check_pointer(self, text: str) -> None:
        prefixes = re.findall(r'_path[s]?: "(.*)"', text)
        if not prefixes or not text.endswith("\n"):
            raise ValueError(f"is half: {text!r}")
        for prefix in prefixes:
            if not storage.exists(f"{self._url}/{prefix}.json") and self._pointer() == text:
                raise ValueError(f"names {prefix}, which is not there")

    def _pointer(self) -> str:
        return storage.read_text(f"{self._url}/checkpoint")
