"""The models that are served: versions that come and go, names for them, and who gets a request.

A new version gets traffic once it is loaded and checked; the old one is drained after that, so there is no moment
without one. A version that cannot be loaded is said and left; it is tried again when its files have changed, and at
each look where its storage was at fault.
"""

import asyncio
import dataclasses
import hashlib
import math
import random
from collections.abc import Callable, Mapping

from sparkcv import logs, storage
from sparkcv.caption import caption_model
from sparkcv.errors import ModelError, SparkcvError, StorageError, UsageError
from sparkcv.predict import contract
from sparkcv.predict.manifest import FILE_NAME
from sparkcv.rundir import description
from sparkcv.serve.background import in_background
from sparkcv.serve.errors import RequestError, unavailable, whole_number
from sparkcv.serve.model_process import WorkerOrder
from sparkcv.serve.model_version import ModelVersion, State, digest_now
from sparkcv.serve.repository import FoundModels, LabelRule, VersionPolicy, are_over_1, check_label, find_models
from sparkcv.style import transformer_weights

__all__ = ["Catalog", "CatalogSpec"]

_MAX_TOLD = 5
_LOADS = 2  # at one time: each takes a core for seconds
_log = logs.get(__name__)


@dataclasses.dataclass(frozen=True)
class CatalogSpec:
    """What is served, and how.

    Attributes:
        models_dir: URL of the folder of models.
        policy: which versions are loaded.
        labels: rules by model and label.
        order: what each worker process is told, but for model and digest.
        max_batch: most pictures of one request.
        drain_s: how long a version that goes may finish its requests.
    """

    models_dir: str
    policy: VersionPolicy
    labels: Mapping[str, Mapping[str, LabelRule]]
    order: WorkerOrder
    max_batch: int
    drain_s: float


class Catalog:
    """All models and versions; its methods belong to one event loop."""

    def __init__(self, spec: CatalogSpec, choose: Callable[[], float] = random.random) -> None:
        self._spec, self._choose = spec, choose
        self._models: dict[str, dict[int, ModelVersion]] = {}
        self._labels = {model: dict(rules) for model, rules in spec.labels.items()}
        self._pinned: dict[str, int] = {}  # the version that a rollback chose
        self._unloaded: set[str] = set()  # models, by an explicit call, until another one
        self._given_up: dict[tuple[str, int], str] = {}  # digest or error of what could not be loaded
        self._changing, self._loading = asyncio.Lock(), asyncio.Semaphore(_LOADS)
        self._said: set[str] = set()  # of what the flags name and the folder does not have
        self.num_looks = 0
        self.problem = ""  # why the folder of models could not be read last
        self._unreadable: set[str] = set()  # models whose own folder could not

    def names(self) -> list[str]:
        """Return the names of all models."""
        return sorted(self._models)

    def versions(self, name: str) -> list[ModelVersion]:
        """Return all versions of a model, newest first; raises RequestError (404) for one that there is not."""
        if name not in self._models:
            known = ", ".join(self.names()[:_MAX_TOLD]) or "none"
            raise RequestError(404, f"there is no model {name[:80]!r}; there are: {known}")
        return [self._models[name][version] for version in sorted(self._models[name], reverse=True)]

    def labels(self, name: str) -> dict[str, LabelRule]:
        """Return a model's labels."""
        return dict(self._labels.get(name, {}))

    def resolve(self, name: str, version: str | None = None, label: str | None = None) -> ModelVersion:
        """Return the version that is to answer a request; raises RequestError, 400, 404 or 503."""
        versions = {one.version: one for one in self.versions(name)}
        if label is not None and version is not None:
            raise RequestError(400, "version and label are both given, wanted one of them")
        if label is not None:
            rule = self._labels.get(name, {}).get(label)
            if rule is None:
                known = ", ".join(sorted(self._labels.get(name, {}))) or "none"
                raise RequestError(404, f"model {name!r} has no label {label[:80]!r}; it has: {known}")
            return _available(versions, name, rule.version)
        if version is not None:
            number = whole_number(version)
            if number is None or number not in versions:
                known = ", ".join(str(number) for number in list(versions)[:_MAX_TOLD])
                raise RequestError(404, f"model {name!r} has no version {version[:40]!r}; it has: {known}")
            return _available(versions, name, number)
        return _available(versions, name, self._default(name, versions, self._choose()))

    def rollback(self, name: str) -> int:
        """Give requests without a version to the newest version below the one that has them now; return it.

        Raises RequestError (409) where there is none.
        """
        versions = {one.version: one for one in self.versions(name)}
        now = self._default(name, versions, math.inf)  # not of those that a label's share takes
        older = [number for number, one in versions.items() if number < now and one.is_available]
        if not older:
            raise RequestError(409, f"model {name!r} has no loaded version below {now} to go back to")
        self._pinned[name] = max(older)
        return max(older)

    def release(self, name: str) -> None:
        """Give requests without a version to the newest version again."""
        self.versions(name)
        self._pinned.pop(name, None)

    def set_label(self, name: str, label: str, rule: LabelRule | None) -> None:
        """Set a label, or take it away; raises RequestError (400, 404)."""
        numbers = {one.version for one in self.versions(name)}
        rules = dict(self._labels.get(name, {}))
        if rule is None:
            if rules.pop(label, None) is None:
                raise RequestError(404, f"model {name!r} has no label {label[:80]!r}")
        else:
            try:
                check_label(label, rule.share)
            except UsageError as err:
                raise RequestError(400, str(err)) from err
            if rule.version not in numbers:
                raise RequestError(404, f"model {name!r} has no version {rule.version}")
            rules[label] = rule
            if are_over_1(rules):
                raise RequestError(400, f"the shares of model {name!r} would add up to more than 1")
        self._labels[name] = rules

    async def refresh(self) -> None:
        """Look at the folder of models, load what is new and unload what is gone.

        What cannot be read is said in ``problem``, and everything stays as it is.
        """
        await self._look()

    async def _look(self, again: str = "") -> bool:
        """Do what :meth:`refresh` says, and load what is loaded of the model ``again`` anew where it has changed.

        Return False where the folder has a version of that model that is wanted and could not be loaded.
        """
        async with self._changing:
            self.num_looks += 1
            try:
                found = await in_background(find_models, self._spec.models_dir)
            except SparkcvError as err:
                if str(err) != self.problem:
                    _log.error("the folder of models cannot be read, what is loaded stays: %s", err)
                self.problem = str(err)
                return False
            except Exception as err:  # noqa: BLE001 - who looks every poll_s would look no more, in silence
                _log.error("a bug of the service: the folder of models cannot be read", exc_info=err)
                self.problem = repr(err)
                return False
            self.problem, self._unreadable = "", set(found.unreadable)
            self._say_missing(found)
            urls = found.urls
            wanted = [(name, version) for name in urls for version in sorted(self._wanted(name, urls[name]))]
            loaded = await asyncio.gather(
                *(self._load(name, version, urls[name][version], again=name == again) for name, version in wanted)
            )
            for name in set(self._models) - self._unreadable:
                kept = self._kept(name, urls.get(name, {}))
                await self._unload_all(name, [one for one in self._models[name] if one not in kept])
            return all(loaded) and again not in self._unreadable

    async def load(self, name: str) -> None:
        """Load what the policy wants of one model, anew where its folder has changed; what runs goes on until then.

        Raises RequestError (404, 400, 503) with the reason of a failure.
        """
        self._unloaded.discard(name)
        self._given_up = {key: why for key, why in self._given_up.items() if key[0] != name}
        is_loaded = await self._look(again=name)
        if self.problem:
            raise unavailable("the folder of models cannot be read, see the server's log")
        if name in self._unreadable and name not in self._models:
            raise unavailable(f"the folder of model {name!r} cannot be read, see the server's log")
        versions = self.versions(name)
        if not any(one.is_available for one in versions):
            raise RequestError(400, f"model {name!r} cannot be loaded: {_public(versions[0])}")
        if not is_loaded:
            raise RequestError(
                400,
                f"model {name!r} cannot be loaded as its folder is now, what can answer stays: see the server's log",
            )

    async def unload(self, name: str) -> None:
        """Drain and unload all versions of one model, until :meth:`load`; raises RequestError (404)."""
        async with self._changing:
            numbers = [one.version for one in self.versions(name)]
            self._unloaded.add(name)
            await self._unload_all(name, numbers, forget=False)

    async def close(self) -> None:
        """Drain and end everything."""
        async with self._changing:
            versions = [one for model in self._models.values() for one in model.values() if one.process is not None]
            await asyncio.gather(*(one.unload(self._spec.drain_s) for one in versions))

    def _wanted(self, name: str, urls: Mapping[int, str]) -> set[int]:
        listed = {rule.version for rule in self._labels.get(name, {}).values()} | {self._pinned.get(name, -1)}
        wanted = set(self._spec.policy.wanted(urls)) | (listed & set(urls))
        return set() if name in self._unloaded else wanted

    def _kept(self, name: str, urls: Mapping[int, str]) -> set[int]:
        """Return the versions that stay: those wanted, and the newest that can answer for one of them that cannot."""
        wanted = self._wanted(name, urls)
        ready = {number for number, one in self._models[name].items() if one.is_available}
        if wanted and wanted - ready and ready - wanted:
            return wanted | {max(ready - wanted)}
        return wanted

    def _default(self, name: str, versions: Mapping[int, ModelVersion], draw: float) -> int:
        for rule in self._labels.get(name, {}).values():
            if draw < rule.share:
                if rule.version in versions and versions[rule.version].is_available:
                    return rule.version
                break  # its share goes where the rest goes, not to another label
            draw -= rule.share
        pinned = self._pinned.get(name)
        if pinned is not None and pinned in versions and versions[pinned].is_available:
            return pinned
        shared = {rule.version for rule in self._labels.get(name, {}).values() if rule.share}
        stable = self._labels.get(name, {}).get("stable")
        if shared and stable is not None and stable.version in versions and versions[stable.version].is_available:
            return stable.version
        ready = [number for number, one in versions.items() if one.is_available]
        return max([number for number in ready if number not in shared] or ready or versions)

    async def _load(self, name: str, version: int, url: str, *, again: bool) -> bool:
        """Load a version that is not loaded, and with ``again`` one that has changed.

        Return False if that failed, and was asked for by ``again``.
        """
        known = self._models.setdefault(name, {}).get(version)
        if known is not None and known.state in (State.AVAILABLE, State.LOADING):
            return not again or await self._load_again(known)
        fingerprint = await in_background(_fingerprint, url)
        if known is not None and self._given_up.get((name, version)) == fingerprint:
            return True  # nothing is new
        one = ModelVersion(name, version, url)
        self._models[name][version] = one
        try:
            await self._run(one)
        except ModelError as err:
            if not isinstance(err.__cause__, StorageError):  # which may answer next time, with the same files
                self._given_up[(name, version)] = fingerprint
            if known is None or known.error != one.error:
                _log.error("%s", err)
            return not again
        self._given_up.pop((name, version), None)
        return True

    async def _load_again(self, known: ModelVersion) -> bool:
        """Put a version as its folder has it now in the place of one that runs; return False if that fails."""
        one = ModelVersion(known.name, known.version, known.url)
        try:
            if await in_background(digest_now, known.url) == known.digest:
                return True
            await self._run(one)
        except SparkcvError as err:
            _log.error("%s goes on as it was loaded before: %s", known, err)
            return False
        except asyncio.CancelledError:
            await one.unload(0.0)
            raise
        self._models[known.name][known.version] = one
        await known.unload(self._spec.drain_s)
        return True

    async def _run(self, one: ModelVersion) -> None:
        order = dataclasses.replace(self._spec.order, model_url=one.url)
        async with self._loading:
            await one.load(order, self._spec.max_batch)
        engine = one.process.engine if one.process is not None else ""
        _log.info("%s takes requests, loaded in %.1f s, engine %s", one, one.loaded_s, engine)

    def _say_missing(self, found: FoundModels) -> None:
        """Tell, once while it is so, what cannot be read, and what the flags name and the folder does not have."""
        missing = [
            f"the folder of model {name!r} cannot be read, what is loaded of it stays: {why}"
            for name, why in found.unreadable.items()
        ]
        missing += [
            f"label {label!r} of model {name!r} is version {rule.version}, which the folder of models does not have"
            for name, rules in self._labels.items()
            for label, rule in rules.items()
            if name not in found.unreadable and rule.version not in found.urls.get(name, {})
        ]
        missing += [
            f"--version_policy: of model {name!r} no version is loaded, the folder has {', '.join(map(str, some))}"
            for name, urls in found.urls.items()
            if not self._spec.policy.wanted(urls)
            and not self._wanted(name, urls)
            and (some := sorted(urls, reverse=True)[:_MAX_TOLD])
        ]
        for sentence in missing:
            if sentence not in self._said:
                _log.warning("%s", sentence)
        self._said = set(missing)

    async def _unload_all(self, name: str, numbers: list[int], *, forget: bool = True) -> None:
        for number in numbers:
            one = self._models[name][number]
            if one.state is not State.END:
                await one.unload(self._spec.drain_s)
                _log.info("%s is unloaded", one)
            if forget and name not in self._unloaded:
                del self._models[name][number]
        if not self._models[name]:
            del self._models[name]


def _available(versions: Mapping[int, ModelVersion], name: str, number: int) -> ModelVersion:
    one = versions.get(number)
    if one is None:
        raise RequestError(404, f"model {name!r} has no version {number}")
    if not one.is_available:
        raise unavailable(f"model {name!r} version {number} is {one.state.value.lower()}: {_public(one)}")
    return one


def _public(one: ModelVersion) -> str:
    """Return what a client is told of a version that is not there; the log has the sentence with its paths."""
    return "see the server's log" if one.error else "come again"


def _fingerprint(url: str) -> str:
    """Return what changes when a model folder is written anew."""
    try:
        sizes = sorted((entry.url, entry.size) for entry in storage.walk(url))
        described = (FILE_NAME, caption_model.FILE_NAME, contract.FILE_NAME, description.FILE_NAME)
        known = next((name for name in described if storage.exists(storage.join(url, name))), "")
        known = known or transformer_weights.described_by(url) or FILE_NAME
        said = storage.read_bytes(storage.join(url, known), 0, 1 << 20)
    except SparkcvError as err:
        return f"unreadable: {err}"
    return hashlib.sha256(repr(sizes).encode("utf-8") + said).hexdigest()
