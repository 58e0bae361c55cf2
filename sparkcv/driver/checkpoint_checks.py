"""What a checkpoint's files tell before anything starts: whether it is whole, of which net, and of which classes.

Whether each variable fits is seen when the graph is built, by the role; what is said here needs no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from sparkcv import logs, storage
from sparkcv.config import TrainConfig
from sparkcv.errors import CheckpointError, LabelError, MissingFileError
from sparkcv.rundir import checkpoint_index, description
from sparkcv.rundir import checkpoint_listing as listing
from sparkcv.rundir.checkpoint import Found
from sparkcv.rundir.checkpoint_index import CheckpointIndex
from sparkcv.rundir.description import RunDescription
from sparkcv.train import scopes

__all__ = [
    "KINDS",
    "TrainedClasses",
    "check_head",
    "check_net",
    "check_same_classes",
    "check_scopes",
    "index_of",
    "num_classes_of",
]

_log = logs.get(__name__)

KINDS = {"class": "classes", "word": "words"}
"""What a net's outputs stand for, and more of them."""

# The biases of the layers that give a number a class, by slim's names; they have one value a class.
_HEAD = re.compile(
    r"(.*/)?(logits|aux_?logits|fc8|final_layer)/(.*/)?biases|LeNet/fc4/biases|CharNet/fc2/biases", re.IGNORECASE
)
_OF_NASNET = re.compile(r"cell_|aux_[0-9]|final_layer")  # slim's NASNet and PNASNet have no scope of their own
_AUXILIARY = re.compile(r"(^|/)aux", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class TrainedClasses:
    """The classes that a checkpoint tells apart, as far as it is known, and the file that says so."""

    number: int | None
    names: tuple[str, ...]
    where: str

    @classmethod
    def of(cls, found: Found, run: RunDescription | None) -> TrainedClasses:
        """Return what the manifest of ``found`` says, else the ``run.json`` of its folder."""
        names = found.manifest.get("labels")
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return cls(len(names), tuple(names), f"{found.prefix_url}.json")
        return cls.of_run(run, storage.parent(found.prefix_url))

    @classmethod
    def of_run(cls, run: RunDescription | None, run_url: str) -> TrainedClasses:
        """Return what the ``run.json`` of a folder says."""
        run = run or RunDescription()
        number = run.num_classes if run.num_classes is not None else len(run.labels) or None
        return cls(number, run.labels, storage.join(run_url, description.FILE_NAME))


def check_same_classes(
    trained: TrainedClasses, what: str, names: Sequence[str], where: str, otherwise: str, kind: str = "class"
) -> None:
    """Raise LabelError for the first class that has one name in training and another one in ``where``.

    ``what`` was trained, such as "the checkpoint X"; ``otherwise`` ends the sentence; ``kind`` is "word" where the
    classes are those of a vocabulary. Numbers of classes are compared by the caller, who knows the flags that change
    them.
    """
    for index, (theirs, ours) in enumerate(zip(trained.names, names, strict=False)):
        if theirs != ours:
            raise LabelError(
                f"{kind} {index} is {theirs!r} to {what} (by {trained.where}) and {ours!r} in {where}; wanted the same"
                f" {KINDS[kind]} in the same order{otherwise}"
            )


def index_of(found: Found) -> CheckpointIndex | None:
    """Return the index of a checkpoint; None for one of the first version, which is one file, and for a model.

    Raises CheckpointError for one that is half deleted, damaged, or of a newer format.
    """
    if found.kind:
        return None
    folder, name = storage.parent(found.prefix_url), storage.basename(found.prefix_url)
    if found.names == (name,):
        if not checkpoint_index.is_table(found.prefix_url):
            raise CheckpointError(
                f"{found.prefix_url!r} is no checkpoint: it is one file, and not one of variables as TF-Slim published"
                " them, or cut short"
            )
        _log.info("%s is a checkpoint of the first version: its variables are looked at by the role", found.prefix_url)
        return None
    try:
        index = checkpoint_index.read(found.prefix_url)
    except MissingFileError as err:
        raise CheckpointError(f"the checkpoint {found.prefix_url!r} is half deleted: {name}.index is missing") from err
    index.check_sizes(listing.sizes_in(folder))
    return index


def check_net(model_name: str, index: CheckpointIndex) -> None:
    """Raise CheckpointError for a checkpoint whose variables lie in no scope of the net."""
    tops = {name.partition("/")[0] for name in index.tensors if "/" in name}
    if any(_flat(model_name).startswith(_flat(top)) for top in tops):
        return
    if "nasnet" in model_name and any(_OF_NASNET.match(top) for top in tops):
        return
    held = ", ".join(sorted(tops)[:3]) or "none"
    raise CheckpointError(
        f"the checkpoint {index.prefix_url!r} is of another net: its variables lie in {held}, --model_name is"
        f" {model_name}; wanted the same net"
    )


def check_scopes(config: TrainConfig, index: CheckpointIndex) -> None:
    """Raise UsageError for a scope of the fine-tuning flags that matches no variable of the checkpoint.

    One of an auxiliary head may match the net alone, and so may any to train where missing variables are ignored: that
    is left to the role, which knows the net.
    """
    if config.ignore_missing_scopes:
        return
    names = sorted(index.tensors)
    flags = [("checkpoint_exclude_scopes", config.checkpoint_exclude_scopes, scopes.begins)]
    if not config.ignore_missing_vars:
        flags.append(("trainable_scopes", config.trainable_scopes, scopes.trains))
    for flag, value, matches in flags:
        for scope in scopes.missing(value, names, matches):
            if not _AUXILIARY.search(scope):
                raise scopes.refusal(flag, scope, names, f"variables of the checkpoint {index.prefix_url}")


def num_classes_of(index: CheckpointIndex) -> int | None:
    """Return how many classes the head of a net tells apart, None where there is none."""
    numbers = [tensor.shape[0] for name, tensor in index.tensors.items() if _HEAD.fullmatch(name) and tensor.shape]
    return numbers[0] if numbers else None


def check_head(
    config: TrainConfig, index: CheckpointIndex, trained: TrainedClasses, names: Sequence[str], where: str
) -> None:
    """Raise CheckpointError or LabelError where a head that is restored tells other classes apart than ``names``."""
    excluded = scopes.split_scopes(config.checkpoint_exclude_scopes)
    heads = {
        name: tensor.shape[0]
        for name, tensor in index.tensors.items()
        if _HEAD.fullmatch(name) and len(tensor.shape) == 1 and not any(scopes.begins(each, name) for each in excluded)
    }
    for name, number in sorted(heads.items()):
        if number != len(names):
            raise CheckpointError(
                f"{name} has {number} values in the checkpoint {index.prefix_url!r}, one a class, and {where} has"
                f" {len(names)} classes; --checkpoint_exclude_scopes {_scopes_of(heads)} makes a new head"
            )
    if heads:
        otherwise = f", or a new head by --checkpoint_exclude_scopes {_scopes_of(heads)}"
        check_same_classes(trained, f"the checkpoint {index.prefix_url!r}", names, where, otherwise)


def _scopes_of(heads: dict[str, int]) -> str:
    """Return the scopes of the heads, to be excluded."""
    return ",".join(sorted({"/".join(name.split("/")[:2]) for name in heads}))


def _flat(name: str) -> str:
    return name.replace("_", "").lower()
