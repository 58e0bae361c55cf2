"""The variables of a net, and of a model to start from, asked of a process that has TensorFlow; it takes seconds."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from sparkcv import logs, nets
from sparkcv.config import TrainConfig
from sparkcv.errors import CheckpointError
from sparkcv.launchers.python_module import start_module
from sparkcv.rundir.checkpoint import Found

__all__ = ["AskedNet", "NetVariables", "NoAnswerError", "ask"]

_PROGRAM = "sparkcv.programs.net_variables"
_NET_S, _WEIGHTS_S = 180.0, 300.0


@dataclasses.dataclass(frozen=True)
class AskedNet:
    """The net to build; ``image_size`` None is its own."""

    model_name: str
    num_classes: int
    image_size: int | None = None
    use_grayscale: bool = False
    is_training: bool = False

    @classmethod
    def trained_by(cls, config: TrainConfig, num_classes: int) -> AskedNet:
        """Return the net that ``config`` trains."""
        return cls(config.model_name, num_classes, config.train_image_size, config.use_grayscale, is_training=True)


@dataclasses.dataclass(frozen=True)
class NetVariables:
    """A net's variables: names of those that an optimizer moves, and the shapes of all, by name.

    ``held`` has the shapes of the variables of the model that was asked of, by the same names.
    """

    trainable: Sequence[str]
    model: Mapping[str, Sequence[int]]
    held: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)


class NoAnswerError(Exception):
    """The process cannot tell: it ended with ``code`` and a ``last`` line, or not at all in ``deadline_s``: None."""

    def __init__(self, deadline_s: float, code: int | None = None, last: str = "") -> None:
        super().__init__(f"no answer in {deadline_s:g} s" if code is None else last or f"exit code {code}")
        self.deadline_s, self.code, self.last = deadline_s, code, last or "it said nothing"


def ask(net: AskedNet, found: Found | None = None, local: Sequence[str] = ()) -> NetVariables:
    """Return the variables of ``net``, and of the model ``found``, whose files are ``local``.

    Raises:
        CheckpointError: the model is damaged, of another net, of a kind of numbers or operations that is not read.
        NoAnswerError, OSError: the process cannot tell, as without TensorFlow, or cannot be started.
    """
    asked = {
        "net": {
            "model_name": net.model_name,
            "image_size": net.image_size or nets.get(net.model_name).default_image_size,
            "channels": 1 if net.use_grayscale else 3,
            "num_classes": net.num_classes,
            "is_training": net.is_training,
        },
        "weights": found and {"url": found.prefix_url, "kind": found.kind, "local": list(local)},
    }
    deadline_s = _WEIGHTS_S if found else _NET_S
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    pipe = subprocess.PIPE
    with start_module(_PROGRAM, [], env, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            said, complaint = process.communicate(json.dumps(asked), deadline_s)
        except subprocess.TimeoutExpired as err:
            raise NoAnswerError(deadline_s) from err
        finally:
            process.kill()
    if process.returncode != 0 or not said.strip():
        last = logs.clean((complaint.strip().splitlines() or [""])[-1])[:300]
        raise NoAnswerError(deadline_s, process.returncode, last)
    answer = json.loads(said.strip().splitlines()[-1])
    if "error" in answer:
        raise CheckpointError(answer["error"])
    return NetVariables(**answer)
