"""``model.json``: what an exported model is, and the digest by which every other process knows it.

The file names each other file of the folder with its sha256, and holds its own digest, over everything else in it.
It is written in one canonical form and accepted in no other, so one changed byte anywhere in a model folder is found.
Nothing here imports TensorFlow: the driver checks models too.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sparkcv import storage
from sparkcv.config.normalization import NEEDS_STATISTICS, NORMALIZATIONS, OWN
from sparkcv.config.pictures import JPEG_ARITHMETIC
from sparkcv.errors import DataError, MissingFileError, ModelError, UsageError, nearest
from sparkcv.predict import contract
from sparkcv.preprocess.normalization import Normalization
from sparkcv.records import labels
from sparkcv.records.statistics import Statistics

FILE_NAME = "model.json"
FROZEN_GRAPH = "frozen_inference_graph.pb"
LABELS = "labels.txt"
SAVED_MODEL = "saved_model"
PICTURES = "pictures"
END_POINTS = "end_points"
STATISTICS = "statistics.npz"

SCHEMA = 1
_SAVED_MODELS = ("saved_model.pb", f"{SAVED_MODEL}/saved_model.pb")
_BLOCK_BYTES = 1 << 20
_MAX_JSON_BYTES = 1 << 20
_WANTED = (
    f"wanted a folder with {FILE_NAME} that says what the graph takes and gives, which `sparkcv export"
    " --checkpoint_path CHECKPOINT --model_dir FOLDER` writes of the checkpoint that it was made of, or"
    f" {contract.FILE_NAME} beside a SavedModel"
)


@dataclasses.dataclass(frozen=True)
class ModelManifest:
    """An exported model.

    Attributes:
        model_name: the net, by slim's name.
        image_size: side of the square input in pixels.
        num_classes: columns of the probabilities; line ``i`` of labels.txt names column ``i``.
        preprocessing: name of the preprocessing that makes the frozen graph's input of a picture's bytes.
        use_grayscale: the input has one channel, not three.
        labels_offset: what training took off the labels at rest; labels.txt here has it taken off already.
        batch_size: the graph's fixed batch size, or None for any.
        step: global step of the checkpoint; -1 where its name does not tell.
        run: URL of the checkpoint that was exported.
        created: UTC, ISO 8601.
        inputs: for each way in, its tensor, shape and meaning; for people and other programs.
        outputs: likewise for each way out.
        files: relative name -> ``{"sha256": hex, "bytes": count}``.
    """

    model_name: str
    image_size: int
    num_classes: int
    preprocessing: str
    use_grayscale: bool
    labels_offset: int
    batch_size: int | None
    step: int
    run: str
    created: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]

    @property
    def channels(self) -> int:
        """Channels of the input: 3, or 1 with ``use_grayscale``."""
        return 1 if self.use_grayscale else 3

    @property
    def jpeg_arithmetic(self) -> str:
        """How JPEG is decoded, which a model exported before this could be chosen does not say: ``fast``."""
        pictures = self.inputs.get(PICTURES)
        return str(pictures.get("jpeg_arithmetic", "fast")) if isinstance(pictures, Mapping) else "fast"

    def end_point(self, name: str) -> str:
        """Return the operation of the frozen graph that has an end point's maps, or its values where it has no area.

        Raises UsageError, which names the nearest, where there is no such end point.
        """
        known = self.outputs.get(END_POINTS)
        if not isinstance(known, Mapping) or not known:
            raise UsageError(
                f"--features: got {name!r}, but the {FILE_NAME} of this {self.model_name} names no end points: it was"
                " exported before they were; wanted a model that is exported again"
            )
        if name not in known:
            hint = nearest(name, known, otherwise=f"; wanted one of {', '.join(sorted(known))}", shown="{!r}")
            raise UsageError(f"--features: {self.model_name} has no end point {name!r}{hint}")
        return str(known[name]["operation"])

    @property
    def normalization(self) -> str:
        """How pixels are normalized, which a model exported before this could be chosen does not say: ``own``."""
        pictures = self.inputs.get(PICTURES)
        return str(pictures.get("normalization", OWN)) if isinstance(pictures, Mapping) else OWN

    @property
    def digest(self) -> str:
        """The model's name to other processes: sha256, in hex, over all that ``model.json`` says."""
        return hashlib.sha256(_canonical(self._content())).hexdigest()

    def to_bytes(self) -> bytes:
        """Return ``model.json``: equal manifests give equal bytes."""
        return _canonical({**self._content(), "digest": self.digest})

    def _content(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **dataclasses.asdict(self)}


def describe_files(folder: str) -> dict[str, dict[str, Any]]:
    """Return ``files`` of a manifest for all that lies in ``folder``, but for ``model.json`` itself."""
    names = (storage.relative(entry.url, folder) for entry in storage.walk(folder))
    return {name: describe_file(storage.join(folder, name)) for name in names if name != FILE_NAME}


def read_manifest(model_url: str) -> ModelManifest:
    """Read ``model.json`` of a folder and check it against itself; the other files are not looked at.

    Raises:
        MissingFileError: no such folder, or no ``model.json`` in it.
        ModelError: it is not byte for byte what an export wrote, or a file such as a frozen graph.
    """
    url = storage.join(model_url, FILE_NAME)
    try:
        data = storage.read_bytes(url, 0, _MAX_JSON_BYTES)
    except MissingFileError as err:
        if storage.exists(storage.join(model_url, contract.FILE_NAME)):
            return _of_contract(model_url)
        if storage.is_dir(model_url):
            raise MissingFileError(f"{model_url!r} is no exported model: it holds no {FILE_NAME}; {_WANTED}") from err
        if storage.exists(model_url):
            raise ModelError(f"{model_url!r} is one file, and no exported model; {_WANTED}") from err
        raise MissingFileError(f"no exported model at {model_url!r}: no such folder") from err
    return parse_manifest(data, url)


def parse_manifest(data: bytes, where: str) -> ModelManifest:
    """Read the bytes of ``model.json``; raises ModelError naming ``where``."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise ModelError(f"{where!r} was changed: it is not JSON ({err})") from err
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        schema = value.get("schema") if isinstance(value, dict) else None
        raise ModelError(f"{where!r} has schema {schema!r}, wanted {SCHEMA}")
    digest = value.pop("digest", None)
    fields = {name: item for name, item in value.items() if name != "schema"}
    try:
        manifest = ModelManifest(**fields)
        same = manifest.to_bytes() == data
    except (TypeError, ValueError) as err:
        raise ModelError(f"{where!r} is no model.json: {err}") from err
    if not same:
        raise ModelError(f"{where!r} was changed: its digest is {manifest.digest}, it says {digest}")
    _check_fields(manifest, where)
    return manifest


def verify(model_url: str, manifest: ModelManifest) -> None:
    """Read every file of a model folder; raises ModelError that names the first one that is not as exported."""
    for name, wanted in manifest.files.items():
        url = storage.join(model_url, name)
        try:
            got = describe_file(url)
        except MissingFileError as err:
            raise ModelError(f"the model file {url!r} is missing, {FILE_NAME} names it") from err
        compare(url, got, wanted)


def read_file(model_url: str, manifest: ModelManifest, name: str) -> bytes:
    """Read one file of a model folder; the bytes returned are those that were checked."""
    url = storage.join(model_url, name)
    if name not in manifest.files:
        raise ModelError(f"{model_url!r} has no {name}: {FILE_NAME} names {', '.join(sorted(manifest.files))}")
    try:
        data = storage.read_bytes(url)
    except MissingFileError as err:
        raise ModelError(f"the model file {url!r} is missing, {FILE_NAME} names it") from err
    compare(url, {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}, manifest.files[name])
    return data


def normalization(folder: str, manifest: ModelManifest) -> Normalization:
    """Return how the pictures of a model in a local folder are normalized; raises ModelError for a bad file."""
    if manifest.normalization not in NEEDS_STATISTICS:
        return Normalization(manifest.normalization)
    read_file(folder, manifest, STATISTICS)  # checked against model.json
    try:
        return Normalization(manifest.normalization, Statistics.read(storage.join(folder, STATISTICS)))
    except DataError as err:
        raise ModelError(str(err)) from err


def compare(url: str, got: Mapping[str, Any], wanted: Mapping[str, Any], said_by: str = FILE_NAME) -> None:
    """Raise ModelError, naming ``url``, unless size and sha256 are those wanted, by the model's file ``said_by``."""
    for what in ("bytes", "sha256"):
        if got[what] != wanted[what]:
            raise ModelError(
                f"the model file {url!r} was changed: its {what} is {got[what]}, {said_by} says {wanted[what]}"
            )


def saved_model_of(manifest: ModelManifest) -> str:
    """Return the relative name of the SavedModel that a contract describes; "" where there is none."""
    described = contract.FILE_NAME in manifest.files
    return next((name for name in _SAVED_MODELS if described and name in manifest.files), "")


def is_model(model_url: str) -> bool:
    """Tell whether a folder has what describes a model, which is the last of its files."""
    return any(storage.exists(storage.join(model_url, name)) for name in (FILE_NAME, contract.FILE_NAME))


def _of_contract(model_url: str) -> ModelManifest:
    """Describe a SavedModel of another program by its contract: all its files are read."""
    url, labels_url = (storage.join(model_url, name) for name in (contract.FILE_NAME, LABELS))
    fields = contract.parse_contract(storage.read_bytes(url, 0, _MAX_JSON_BYTES), url)
    files = describe_files(model_url)
    if LABELS not in files:
        raise MissingFileError(f"{model_url!r} has no {LABELS}, wanted one line 'index:name' a class")
    if not any(name in files for name in _SAVED_MODELS):
        raise MissingFileError(f"{model_url!r} has {contract.FILE_NAME} and no SavedModel, wanted saved_model.pb")
    num_labels = len(labels.parse_labels(storage.read_text(labels_url), labels_url))
    if fields["num_classes"] not in (None, num_labels):
        raise ModelError(f"{url!r}: num_classes is {fields['num_classes']}; {LABELS} has {num_labels}")
    told = {"labels_offset": 0, "step": -1, "run": "", "created": "", "num_classes": num_labels}
    return ModelManifest(**{**fields, **told}, files=files)


def _check_fields(manifest: ModelManifest, where: str) -> None:
    """Check what the digest cannot vouch for: a whole file that somebody made by hand."""
    numbers = (manifest.image_size, manifest.num_classes, manifest.batch_size or 1)
    if not all(type(number) is int and number > 0 for number in numbers):
        raise ModelError(f"{where!r} has a size, class count or batch size that is no positive integer")
    if FROZEN_GRAPH not in manifest.files and not saved_model_of(manifest):
        raise ModelError(f"{where!r} names no {FROZEN_GRAPH}")
    if LABELS not in manifest.files:
        raise ModelError(f"{where!r} names no {LABELS}")
    for name, file in manifest.files.items():
        storage.join("/", name)  # AccessError for a name that leaves the folder
        if sorted(file) != ["bytes", "sha256"]:
            raise ModelError(f"{where!r} has a bad entry for the file {name!r}")
    if manifest.jpeg_arithmetic not in JPEG_ARITHMETIC:
        raise ModelError(f"{where!r} has jpeg_arithmetic {manifest.jpeg_arithmetic!r}, wanted accurate or fast")
    if manifest.normalization not in NORMALIZATIONS:
        raise ModelError(
            f"{where!r} has normalization {manifest.normalization!r}, wanted one of {', '.join(NORMALIZATIONS)}"
        )
    if manifest.normalization in NEEDS_STATISTICS and STATISTICS not in manifest.files:
        raise ModelError(f"{where!r} names no {STATISTICS}, which its normalization {manifest.normalization} needs")


def describe_file(url: str) -> dict[str, Any]:
    """Return sha256 and size of a file as ``files`` of a manifest has them."""
    digest, total = hashlib.sha256(), 0
    with storage.open_read(url) as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            total += len(block)
    return {"sha256": digest.hexdigest(), "bytes": total}


def _canonical(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")
