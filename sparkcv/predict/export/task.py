"""What the driver asks of the exporter, as a value that goes through JSON."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from sparkcv import config as configs
from sparkcv.config import ExportConfig
from sparkcv.rundir.checkpoint import Found

_PLAIN = ("labels_url", "image_size", "preprocessing", "may_replace", "evaluation")  # fields that are JSON as they are


@dataclasses.dataclass(frozen=True)
class ExportTask:
    """One export, settled.

    Attributes:
        config: the flags, with full URLs.
        found: the checkpoint, found valid by the driver.
        labels: names of the model's classes in order, ``labels_offset`` taken off.
        labels_url: where they were read, for messages.
        image_size: side of the input in pixels.
        preprocessing: name of the preprocessing.
        may_replace: whether what lies at ``model_dir`` is known to be replaceable.
        evaluation: what an evaluation of the checkpoint found; None where there was none.
    """

    config: ExportConfig
    found: Found
    labels: tuple[str, ...]
    labels_url: str
    image_size: int
    preprocessing: str
    may_replace: bool = False
    evaluation: Mapping[str, Any] | None = None

    def to_params(self) -> dict[str, Any]:
        """Return a JSON value that :meth:`from_params` reads."""
        found = {
            "step": self.found.step,
            "prefix_url": self.found.prefix_url,
            "manifest": dict(self.found.manifest),
            "names": list(self.found.names),
            "kind": self.found.kind,
        }
        fields = {name: getattr(self, name) for name in _PLAIN}
        return {"config": configs.to_dict(self.config), "found": found, "labels": list(self.labels), **fields}

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "ExportTask":
        """Read what :meth:`to_params` gave."""
        found = Found(**{**params["found"], "names": tuple(params["found"]["names"])})
        return cls(
            config=configs.from_dict(ExportConfig, params["config"]),
            found=found,
            labels=tuple(params["labels"]),
            **{name: params[name] for name in _PLAIN},
        )
