"""What models there are: folders ``NAME/VERSION/`` on any storage, and which of their versions are to be loaded."""

import dataclasses
import re
from collections.abc import Mapping

from sparkcv import storage
from sparkcv.errors import MissingFileError, SparkcvError, UnavailableError, UsageError
from sparkcv.serve.model_kinds import answers_of

__all__ = ["FoundModels", "LabelRule", "VersionPolicy", "are_over_1", "check_label", "find_models", "parse_labels"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """Which versions of a model are loaded: the ``latest`` so many (0: all), or those ``listed``."""

    latest: int = 1
    listed: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "VersionPolicy":
        """Read ``latest``, ``latest:N``, ``all`` or numbers with commas; raises UsageError."""
        if text == "all":
            return cls(0)
        word, _, number = text.partition(":")
        if word == "latest" and (not number or (number.isdecimal() and int(number) >= 1)):
            return cls(int(number or 1))
        numbers = text.split(",")
        if all(one.strip().isdecimal() for one in numbers):
            return cls(0, tuple(sorted({int(one) for one in numbers})))
        raise UsageError(f"--version_policy: got {text!r}, wanted latest, latest:N, all, or versions such as 3,4")

    def wanted(self, versions: Mapping[int, str]) -> tuple[int, ...]:
        """Return those of ``versions`` that are to be loaded, in ascending order."""
        if self.listed:
            return tuple(version for version in self.listed if version in versions)
        return tuple(sorted(versions))[-self.latest :]


@dataclasses.dataclass(frozen=True)
class LabelRule:
    """A name for a version, and the share of requests without a version that it gets, in [0, 1]."""

    version: int
    share: float = 0.0


def parse_labels(text: str) -> dict[str, dict[str, LabelRule]]:
    """Read ``MODEL:LABEL=VERSION[@SHARE],...`` into rules by model and label; raises UsageError."""
    found: dict[str, dict[str, LabelRule]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([^:=@]+):([^:=@]+)=(\d+)(?:@([0-9.]+))?", part)
        if match is None:
            raise UsageError(f"--labels: got {part!r}, wanted MODEL:LABEL=VERSION or MODEL:LABEL=VERSION@SHARE")
        model, label, version, share = match.groups()
        if share is not None and share_of(share) < 0:
            raise UsageError(f"--labels: got {part!r}, its share {share!r} is no number, wanted 0 to 1")
        check_label(label, share_of(share))
        if label in found.get(model, {}):
            raise UsageError(f"--labels: {model}:{label} is given twice, wanted one version of it")
        found.setdefault(model, {})[label] = LabelRule(int(version), share_of(share))
    for model, rules in found.items():
        if are_over_1(rules):
            raise UsageError(f"--labels: the shares of {model!r} add up to more than 1")
    return found


def check_label(label: str, share: float) -> None:
    """Raise UsageError unless ``label`` is a name and ``share`` lies in [0, 1]."""
    if not _NAME.fullmatch(label):
        raise UsageError(f"a label is letters, digits, '.', '_' and '-', not {label[:80]!r}")
    if not 0 <= share <= 1:
        raise UsageError(f"a label's share is {share}, wanted 0 to 1")


def are_over_1(rules: Mapping[str, LabelRule]) -> bool:
    """Tell whether the shares of a model's labels add up to more than 1, but for what decimals lose as binary ones."""
    return round(sum(rule.share for rule in rules.values()), 9) > 1


def share_of(text: str | None) -> float:
    """Return the number of a share; out of every range for what is none."""
    try:
        return float(text) if text else 0.0
    except ValueError:
        return -1.0


@dataclasses.dataclass(frozen=True)
class FoundModels:
    """What a folder of models holds.

    Attributes:
        urls: the folder of each version, by model and number.
        unreadable: why the folder of a model cannot be read, by model.
    """

    urls: Mapping[str, Mapping[int, str]]
    unreadable: Mapping[str, str] = dataclasses.field(default_factory=dict)


def find_models(models_dir: str) -> FoundModels:
    """Return the versions of each model below a folder with their URLs.

    An exported model itself is one model of its folder's name, version 1, or of ``NAME/VERSION``. A folder without
    ``model.json``, ``contract.json``, ``captions.json`` or a style net's ``transformer.npz`` is not there yet: an
    export publishes it whole, and a copy by hand has it when it is done. The folder of a training of pictures from
    captions is there with its first checkpoint. A model whose folder cannot be read costs no other one.

    Raises:
        MissingFileError: no such folder.
        StorageError: the folder cannot be read, or its storage does not answer.
    """
    if answers_of(models_dir):
        name = storage.basename(models_dir)
        if name.isdecimal() and int(name) <= _MAX_VERSION and (above := storage.basename(storage.parent(models_dir))):
            return FoundModels({_name(above): {int(name): models_dir}})
        return FoundModels({_name(name): {1: models_dir}})
    if not storage.is_dir(models_dir):
        raise MissingFileError(f"no folder of models at {models_dir!r}")
    urls: dict[str, dict[int, str]] = {}
    unreadable: dict[str, str] = {}
    for model in storage.list_dir(models_dir):
        name = storage.basename(model.url)
        if not model.is_dir or not _NAME.fullmatch(name):
            continue
        try:
            complete = _versions(model.url)
        except UnavailableError:
            raise
        except SparkcvError as err:
            unreadable[name] = str(err)
            continue
        if complete:
            urls[name] = complete
    return FoundModels(urls, unreadable)


def _versions(model_url: str) -> dict[int, str]:
    versions = {
        int(number): entry.url
        for entry in storage.list_dir(model_url)
        if entry.is_dir and (number := storage.basename(entry.url)).isdecimal() and int(number) <= _MAX_VERSION
    }
    return {version: url for version, url in versions.items() if answers_of(url)}


def _name(text: str) -> str:
    return text if _NAME.fullmatch(text) else "model"
