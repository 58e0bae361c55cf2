"""How well a net of less precision agrees with float32: measured on pictures, stored, and asked before it may score."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from sparkcv import storage
from sparkcv.errors import MissingFileError, ModelError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines import NetSpec
from sparkcv.predict.engines.choice import EngineChoice
from sparkcv.predict.fetching import locked

__all__ = ["Agreement", "FILE_NAME", "NET", "WANTED", "fetch_net", "read_for"]

FILE_NAME = "agreement.json"
NET = "net.xml"

WANTED = {"bf16": 0.995, "int8": 0.99}
"""The least share of pictures whose best class must be that of float32."""

_SCHEMA = 1


@dataclasses.dataclass(frozen=True)
class Agreement:
    """What was measured of one net in one precision.

    Attributes:
        model_digest: the model.
        engine: ``tf`` or ``openvino``.
        precision: ``bf16`` or ``int8``.
        features: the end point that the net gives too, or None.
        num_pictures: pictures that both scored.
        num_agreeing: those of them with the same best class.
        files: of int8 the quantized net: name -> ``{"sha256": hex, "bytes": count}``.
    """

    model_digest: str
    engine: str
    precision: str
    features: str | None
    num_pictures: int
    num_agreeing: int
    files: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share of pictures with the same best class."""
        return self.num_agreeing / self.num_pictures

    @property
    def is_enough(self) -> bool:
        """Whether the net may score."""
        return self.share >= WANTED[self.precision]

    def __str__(self) -> str:
        return (
            f"{self.engine} in {self.precision} has the best class of fp32 on {self.num_agreeing} of"
            f" {self.num_pictures} pictures, {100 * self.share:.2f} %, wanted {100 * WANTED[self.precision]:g} %"
        )

    def check(self) -> None:
        """Raise ModelError if the net agrees on fewer pictures than it must."""
        if not self.is_enough:
            raise ModelError(f"{self}; it is not used")

    def write(self, folder: str) -> None:
        """Store it in a folder, a URL."""
        storage.write_json(storage.join(folder, FILE_NAME), {"schema": _SCHEMA, **dataclasses.asdict(self)})


def read_for(net: NetSpec, choice: EngineChoice, model_digest: str) -> Agreement:
    """Return what was measured of ``net`` and model.

    Raises:
        UsageError: there is no folder of a measurement.
        ModelError: it is of something else, or says that the net must not be used.
    """
    if net.proof_url is None:
        raise UsageError(
            f"precision: {choice.precision} scores only where sparkcv.predict.measure has found that it agrees with"
            " fp32, wanted the folder that it wrote as proof_url"
        )
    url = storage.join(storage.resolve(net.proof_url), FILE_NAME)
    try:
        value = storage.read_json(url)
    except MissingFileError as err:
        raise MissingFileError(f"nothing was measured at {net.proof_url!r}: no {FILE_NAME} there") from err
    try:
        schema = value.pop("schema")
        found = Agreement(**value)
        share = found.share
    except (AttributeError, KeyError, TypeError, ZeroDivisionError) as err:
        raise ModelError(f"{url!r} is no measurement of a net's precision") from err
    got = (schema, found.model_digest, found.engine, found.precision, found.features)
    wanted = (_SCHEMA, model_digest, choice.name, choice.precision, net.features)
    if got != wanted or not 0 <= share <= 1:
        raise ModelError(f"{url!r} was measured of {got[1:]}, wanted {wanted[1:]}")
    found.check()
    return found


def fetch_net(net: NetSpec, agreement: Agreement, cache_dir: str) -> str:
    """Copy a quantized net into ``cache_dir``, once for all processes of the host; return its local path.

    Raises ModelError for a file that is not as it was measured.
    """
    source, target = storage.resolve(str(net.proof_url)), os.path.join(cache_dir, f"int8-{_name(agreement)}")
    with locked(target + ".lock"):
        if not os.path.isdir(target):
            aside = tempfile.mkdtemp(prefix=".fetch-", dir=cache_dir)
            for name in agreement.files:
                storage.fetch(storage.join(source, name), storage.join(aside, name))
            os.replace(aside, target)
        for name, wanted in agreement.files.items():
            manifests.compare(storage.join(source, name), manifests.describe_file(os.path.join(target, name)), wanted)
    return os.path.join(target, NET)


def _name(agreement: Agreement) -> str:
    return "-".join(str(agreement.files[name]["sha256"])[:16] for name in sorted(agreement.files))
