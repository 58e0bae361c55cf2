"""What runs in a scoring task's Python process: one model a process, found by the digest that the driver pinned."""

import contextlib
import dataclasses
import os
import socket
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext

from sparkcv import storage
from sparkcv.errors import ImageError
from sparkcv.evaluate.thumbnail import thumbnail
from sparkcv.predict import rows
from sparkcv.predict.batches import score_rows
from sparkcv.predict.engines import NetSpec
from sparkcv.predict.fetching import fetch_model
from sparkcv.predict.limited import IsolatedPreparer, LimitedPreparer, Preparer, PreparerOrder
from sparkcv.predict.predictor import Predictor
from sparkcv.predict.rows import InputPart, InputRow, KeptColumn
from sparkcv.predict.schema import scored_schema
from sparkcv.predict.task_progress import TaskProgress
from sparkcv.predict.truth import mark
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.spark.local_dirs import application_dir

_PIECES_A_FILE = 512
IDS_SCHEMA = pa.schema([pa.field("id", pa.string()), pa.field("piece", pa.int32())])

_NET = NetSpec("tf")

# Spark keeps a Python worker for the next task (spark.python.worker.reuse): it finds its model here.
_loaded: dict[tuple[str, int, PictureRules, NetSpec], Predictor] = {}


@dataclasses.dataclass(frozen=True)
class ScoreTask:
    """What every task of a run gets to know.

    Attributes:
        pieces_url: folder that :func:`write_pieces` wrote.
        model_url: the run's own copy of the model.
        model_digest: the only model that may score this run.
        batch_size: pictures a batch.
        top_k: classes kept a picture.
        rules: how files of pictures are read, and what is rejected undecoded.
        num_threads: threads of one TensorFlow operation.
        kept: columns of the input that the scores keep.
        only_url: folder of the ids to score, by piece; None: all of a piece.
        progress_url: folder in which tasks say how far they are; None: they do not.
        cache_host: the host on which ``cache_dir`` holds the model already.
        cache_dir: a folder of the driver.
        net: how the net is run.
        picture_cpu_s: seconds of CPU time that reading one picture may take.
    """

    pieces_url: str
    model_url: str
    model_digest: str
    batch_size: int
    top_k: int
    rules: PictureRules
    num_threads: int
    cache_host: str
    cache_dir: str
    kept: tuple[KeptColumn, ...] = ()
    only_url: str | None = None
    progress_url: str | None = None
    net: NetSpec = _NET
    picture_cpu_s: float = 60.0


def write_pieces(pieces: list[list[InputPart]], url: str) -> None:
    """Write the frozen plan of a run: one line a part, some hundred pieces a file."""
    for first in range(0, len(pieces), _PIECES_A_FILE):
        lines = [
            f"{first + index} {part.to_json()}\n"
            for index, piece in enumerate(pieces[first : first + _PIECES_A_FILE])
            for part in piece
        ]
        storage.write_text(_pieces_file(url, first), "".join(lines))


def read_piece(url: str, index: int) -> list[InputPart]:
    """Read one piece of the plan."""
    lines = (line.partition(" ") for line in storage.read_text(_pieces_file(url, index)).splitlines())
    return [InputPart.from_json(text) for number, _, text in lines if int(number) == index]


def read_rows(
    url: str, index: int, kept: tuple[KeptColumn, ...] = (), only_url: str | None = None
) -> Iterator[InputRow]:
    """Return the rows of one piece of the plan; with ``only_url`` those alone whose ids stand there."""
    found = (row for part in read_piece(url, index) for row in rows.read_rows(part, kept))
    if only_url is None:
        return found
    only = _read_only(storage.join(only_url, f"piece={index}"))
    return (row for row in found if row.id in only)


def score_piece(task: ScoreTask, index: int) -> Iterator[pa.RecordBatch]:
    """Score one piece: Arrow batches of :data:`sparkcv.predict.schema.SCORED`."""
    predictor = _predictor(task)
    found = read_rows(task.pieces_url, index, task.kept, task.only_url)
    progress = None if task.progress_url is None else TaskProgress(task.progress_url, index)
    with contextlib.closing(_preparer(task, predictor)) as preparer:
        for batch in score_rows(
            found,
            lambda pictures, top_k: predictor.predict_prepared(preparer.prepare(pictures), top_k),
            digest=task.model_digest,
            batch_size=task.batch_size,
            top_k=task.top_k,
            schema=scored_schema(task.kept, has_features=task.net.features is not None),
        ):
            yield mark(_signed(batch, index), predictor.names)
            if progress is not None:
                progress.add_batch()
    if progress is not None:
        progress.close()


def _preparer(task: ScoreTask, predictor: Predictor) -> Preparer:
    """Return what prepares a task's pictures; a task that is tried again may have died of one of them."""
    running = TaskContext.get()
    if running is None or not running.attemptNumber():
        return LimitedPreparer(predictor.preparer, task.picture_cpu_s, task.num_threads)
    # A worker that scored for an earlier run has the same model loaded, but its copy went with that run.
    _, folder = fetch_model(task.model_url, cache_dir(task), digest=task.model_digest)
    return IsolatedPreparer(PreparerOrder(folder, predictor.engine.name, task.rules, task.picture_cpu_s))


def _signed(batch: pa.RecordBatch, index: int) -> pa.RecordBatch:
    """Say which piece and which executor the rows are of: tasks of one executor have one parent process."""
    executor = f"{socket.gethostname()}:{os.getppid()}"
    for name, value in (("_piece", pa.scalar(index, pa.int32())), ("_executor", pa.scalar(executor))):
        at = batch.schema.get_field_index(name)
        batch = batch.set_column(at, batch.schema.field(at), pa.repeat(value, batch.num_rows))
    return batch


def piece_ids(pieces_url: str, index: int) -> Iterator[pa.RecordBatch]:
    """List one piece's ids with its number: what its output is held against."""
    for part in read_piece(pieces_url, index):
        ids = list(rows.read_ids(part))
        yield pa.RecordBatch.from_pydict({"id": ids, "piece": [index] * len(ids)}, schema=IDS_SCHEMA)


def write_thumbnails(
    pieces_url: str, url: str, wanted: dict[int, dict[str, int]], rules: PictureRules, index: int
) -> Iterator[pa.RecordBatch]:
    """Draw the rows of one piece that are wanted, small, into files of the folder ``url``; no picture is returned.

    ``wanted`` has numbers by id and piece: they name the files, such as ``7.jpg``. What cannot be drawn has none.
    """
    left = dict(wanted[index])
    for part in read_piece(pieces_url, index):
        for row in rows.read_rows(part) if left else ():
            if (number := left.pop(row.id, None)) is not None:
                drawn = _thumbnail(row, rules)
                if drawn:
                    storage.write_bytes(storage.join(url, f"{number}.jpg"), drawn)
            if not left:
                break
    yield pa.RecordBatch.from_pydict({"index": [index]}, schema=pa.schema([pa.field("index", pa.int64())]))


def _thumbnail(row: rows.InputRow, rules: PictureRules) -> bytes:
    """Return a small JPEG as a person would see the picture; empty if there is none to see."""
    data = rows.load(row)
    if isinstance(data, str):
        return b""
    if row.is_record:
        return thumbnail(data, max_pixels=rules.max_pixels, orientation=row.orientation or 1)
    try:
        seen = picture_file.read(data, rules)
    except ImageError:
        return thumbnail(data, max_pixels=rules.max_pixels)
    return thumbnail(seen.encoded, max_pixels=rules.max_pixels, orientation=seen.orientation)


def count_piece(pieces_url: str, index: int) -> int:
    """Count the rows of a piece of uncounted parts, one part a piece."""
    return sum(rows.count_part(part) for part in read_piece(pieces_url, index))


def unload() -> None:
    """Close the models that this process holds."""
    while _loaded:
        _loaded.popitem()[1].close()


def _read_only(url: str) -> set[str]:
    ids: set[str] = set()
    for entry in storage.list_dir(url):
        if entry.name.endswith(".parquet"):
            with storage.open_read(entry.url) as source:
                ids.update(pq.read_table(source, columns=["id"]).column(0).to_pylist())
    return ids


def _pieces_file(url: str, index: int) -> str:
    return storage.join(url, f"pieces-{index // _PIECES_A_FILE:06d}.jsonl")


def _predictor(task: ScoreTask) -> Predictor:
    key = (task.model_digest, task.num_threads, task.rules, task.net)
    if key not in _loaded:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # oneDNN's and CUDA's news, once a worker
        unload()  # a worker that served another run gives its memory back first
        _loaded[key] = Predictor.load(
            task.model_url,
            cache_dir(task),
            digest=task.model_digest,
            engine=task.net,
            num_threads=task.num_threads,
            rules=task.rules,
        )
    return _loaded[key]


def cache_dir(task: ScoreTask) -> str:
    """Return a folder that processes of this host share and that goes with the application.

    On the driver's own host it is the driver's.
    """
    if socket.gethostname() == task.cache_host and os.path.isdir(task.cache_dir):
        return task.cache_dir
    return os.path.join(application_dir(), f"sparkcv-models-{os.geteuid()}")
