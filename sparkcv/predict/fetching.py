"""A model on this machine: fetched once by digest, however many processes ask for it at the same time."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator

from sparkcv import logs, storage
from sparkcv.errors import AccessError, ModelError, StorageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.manifest import ModelManifest

_LOCK_TIMEOUT_S = 600.0
_LOCK_POLL_S = 0.05
_log = logs.get(__name__)


def fetch_model(model_url: str, cache_dir: str, *, digest: str | None = None) -> tuple[ModelManifest, str]:
    """Copy an exported model into ``cache_dir``, a local folder of this user; returns it with its local folder.

    A copy that is there already is used if every byte of it is right, and replaced if not. ``digest`` pins the model:
    a cached copy is then used without asking the storage at all.

    Raises:
        MissingFileError: there is no model.
        ModelError: a file is not as exported, or the model is not the one of ``digest``.
        AccessError: ``cache_dir`` belongs to somebody else.
    """
    _own(cache_dir)
    manifest = None if digest else manifests.read_manifest(model_url)
    wanted = digest or (manifest.digest if manifest else "")
    target = os.path.join(cache_dir, wanted[:32])
    with locked(target + ".lock"):
        cached = _cached(target, wanted)
        if cached is not None:
            return cached, target
        found = manifest or manifests.read_manifest(model_url)
        if found.digest != wanted:
            raise ModelError(f"the model at {model_url!r} has digest {found.digest}, this run was pinned to {wanted}")
        _copy(model_url, found, target)
    return found, target


def _copy(model_url: str, manifest: ModelManifest, target: str) -> None:
    aside = tempfile.mkdtemp(prefix=".fetch-", dir=os.path.dirname(target))
    try:
        for name in manifest.files:
            path = os.path.join(aside, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            storage.fetch(storage.join(model_url, name), path)
        with open(os.path.join(aside, manifests.FILE_NAME), "wb") as sink:
            sink.write(manifest.to_bytes())
        try:
            manifests.verify(aside, manifest)
        except ModelError as err:  # the user's folder is what is wrong, not our copy of it
            raise ModelError(str(err).replace(aside, model_url.rstrip("/"))) from err
        os.replace(aside, target)
    except OSError as err:
        if isinstance(err, StorageError):
            raise
        raise StorageError(f"cannot keep a copy of {model_url!r} in {target!r}: {err.strerror or err}") from err
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _cached(target: str, digest: str) -> ModelManifest | None:
    if not os.path.isdir(target):
        return None
    try:
        manifest = manifests.read_manifest(target)
        if manifest.digest == digest:
            manifests.verify(target, manifest)
            return manifest
        reason = f"its digest is {manifest.digest}"
    except (ModelError, StorageError) as err:
        reason = str(err)
    _log.warning("the cached model %s is fetched again: %s", target, reason)
    shutil.rmtree(target, ignore_errors=True)
    return None


def _own(cache_dir: str) -> None:
    """Make the folder, for this user only; refuse one that another user could have prepared."""
    try:
        os.makedirs(cache_dir, mode=0o700, exist_ok=True)
        found = os.lstat(cache_dir)
    except OSError as err:
        raise StorageError(f"cannot make the model cache {cache_dir!r}: {err.strerror}") from err
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise AccessError(f"the model cache {cache_dir!r} is not a folder of this user, so it is not used")


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock file; it goes with its process, so a killed one blocks nobody."""
    deadline_s = time.monotonic() + _LOCK_TIMEOUT_S
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as err:
                if time.monotonic() > deadline_s:
                    raise StorageError(
                        f"another process has held the lock {path!r} for {_LOCK_TIMEOUT_S:.0f} s"
                    ) from err
                time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(handle)
