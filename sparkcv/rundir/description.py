"""``run.json`` in a run's folder: what is trained there, on what, by which versions and flags.

It is written when a run starts, and read when one resumes, is evaluated or is exported. Every field may be missing, as
files of older versions lack some; what is there is of the right kind, or the file is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from sparkcv import storage
from sparkcv.errors import CheckpointError, StorageError

__all__ = ["FILE_NAME", "RunDescription"]

FILE_NAME = "run.json"
_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class RunDescription:
    """What ``run.json`` says; None, or empty, where it does not say it.

    Attributes:
        model_name: the net.
        num_classes: what it tells apart, ``labels_offset`` taken off.
        labels: their names in order.
        num_records: records of the split that it is trained on.
        dataset_digest: digest of that split's manifest.
        resumed_from_step: the step of the checkpoint that the run started from, 0 for a new run.
        started: Unix seconds.
        sparkcv: version of sparkcv.
        source: digest of sparkcv's Python files.
        reproduces: folder of the run that this one starts again.
        versions: version by name of Python and of the packages that matter.
        config: the flags of the run, by name.
    """

    model_name: str | None = None
    num_classes: int | None = None
    labels: tuple[str, ...] = ()
    num_records: int | None = None
    dataset_digest: str | None = None
    resumed_from_step: int | None = None
    started: float | None = None
    sparkcv: str | None = None
    source: str | None = None
    reproduces: str | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def train_image_size(self) -> int | None:
        """Side of the pictures in pixels that the run was told to train on."""
        return self.config.get("train_image_size")

    @property
    def preprocessing_name(self) -> str | None:
        """The preprocessing that the run was told to use."""
        return self.config.get("preprocessing_name")

    @property
    def jpeg_arithmetic(self) -> str | None:
        """How the run was told to decode JPEG."""
        return self.config.get("jpeg_arithmetic")

    @property
    def normalization(self) -> str | None:
        """How the run was told to normalize pixels."""
        return self.config.get("normalization")

    @classmethod
    def read(cls, run_url: str, *, pass_over_foreign: bool = False) -> RunDescription | None:
        """Read the description of a run's folder; None if there is none.

        With ``pass_over_foreign``, JSON that is no object is another program's file, and counts as none.

        Raises:
            CheckpointError: the file is not the description of a run.
            StorageError: the storage does not give the file.
        """
        url = storage.join(run_url, FILE_NAME)
        if not storage.exists(url):
            return None
        try:
            value = storage.read_json(url)
        except StorageError as err:
            if storage.holds_no_json(err):
                raise _damaged(url, "it holds no JSON", "JSON that a run wrote") from err
            raise
        if not isinstance(value, dict):
            if pass_over_foreign:
                return None
            raise _damaged(url, "it holds no JSON object", "one that a run wrote")
        return _parse(value, url)

    def write(self, run_url: str) -> None:
        """Write it into a run's folder, over the one before."""
        value = {"schema": _SCHEMA, **dataclasses.asdict(self)}
        storage.write_json(storage.join(run_url, FILE_NAME), value)


def _parse(value: Mapping[str, Any], url: str) -> RunDescription:
    def take(name: str, kind: type | tuple[type, ...], wanted: str, source: Mapping[str, Any] = value) -> Any:
        found = source.get(name)
        if found is not None and (not isinstance(found, kind) or isinstance(found, bool)):
            raise _damaged(url, f"its {name} is {found!r}"[:200], wanted)
        return found

    if value.get("schema") not in (None, _SCHEMA):
        raise _damaged(url, f"its schema is {value['schema']!r}", f"{_SCHEMA}, or a newer sparkcv that reads it")
    labels = take("labels", list, "a list of names") or []
    if not all(isinstance(label, str) for label in labels):
        raise _damaged(url, f"its labels are {labels!r}"[:200], "a list of names")
    config = take("config", dict, "an object of flags") or {}
    take("train_image_size", int, "a number of pixels", config)
    take("preprocessing_name", str, "a name", config)
    take("jpeg_arithmetic", str, "a name", config)
    take("normalization", str, "a name", config)
    return RunDescription(
        model_name=take("model_name", str, "a name"),
        num_classes=take("num_classes", int, "a whole number"),
        labels=tuple(labels),
        num_records=take("num_records", int, "a whole number"),
        dataset_digest=take("dataset_digest", str, "a digest"),
        resumed_from_step=take("resumed_from_step", int, "a step"),
        started=take("started", (int, float), "Unix seconds"),
        sparkcv=take("sparkcv", str, "a version"),
        source=take("source", str, "a digest"),
        reproduces=take("reproduces", str, "a folder"),
        versions=take("versions", dict, "versions by name") or {},
        config=config,
    )


def _damaged(url: str, got: str, wanted: str) -> CheckpointError:
    return CheckpointError(
        f"{url!r} is not the description of a run: {got}, wanted {wanted}; bring it back or delete it, or name another"
        " folder"
    )
