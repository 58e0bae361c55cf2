"""Import TensorFlow without what nobody asks it for: a process of a run needs the half of it.

``import tensorflow`` executes all of its public names, for both of its versions, and with them TFLite, DTensor, TPUs,
its debugger, Keras' ready-made applications, h5py and an HTTP client: 2.3 s of CPU, of which a training role needs 1.6
and an engine 1.1. Here the packages that only list names are modules of which the code runs at the first look at a
name: whoever asks for ``tf.lite`` gets it, a moment later.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder

__all__ = ["imports"]

_NAMES = "tensorflow._api.v2."  # each package below it is a list of public names
_ROOTS = tuple(
    _NAMES + name for name in ("compat", "compat.v1", "compat.v2")
)  # executed as ever, for they set switches
_TWINS = ("distribute", "lite")  # empty packages of TensorFlow: imported later, they would take the place of the names
_PACKAGES = ("tf_keras", "tf_keras.src")  # they only import what is below them: one submodule needs none of the others
_OPTIONAL = ("h5py", "requests")  # tf_keras saves to HDF5 and reports by HTTP where they are there
_loading = threading.RLock()


class _Lazy(types.ModuleType):
    """A module whose code has not run: it runs at the first look at a name that is not there."""

    def __getattr__(self, name: str) -> object:
        full = f"{self.__name__}.{name}"
        if self.__name__ in _PACKAGES and not name.startswith("__") and importlib.util.find_spec(full) is not None:
            return importlib.import_module(full)
        with _loading:
            loader = self.__dict__.pop("_sparkcv_loader", None)
            if loader is not None:
                loader.exec_module(self)
                self.__class__ = types.ModuleType  # type: ignore[assignment]
        return object.__getattribute__(self, name)

    def __dir__(self) -> list[str]:
        getattr(self, "__all__", None)
        return list(self.__dict__)


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["_sparkcv_loader"] = self._loader
        module.__class__ = _Lazy


class _Finder(MetaPathFinder):
    """Find what is loaded when it is used; all else is left to the finders behind this one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        is_names = fullname.startswith(_NAMES) and fullname not in _ROOTS
        if not is_names and fullname not in _PACKAGES and fullname not in _OPTIONAL:
            return None
        if fullname.removeprefix(_NAMES) in _TWINS:
            importlib.import_module(f"tensorflow.{fullname.removeprefix(_NAMES)}")
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


@contextlib.contextmanager
def imports(without: Sequence[str] = ()) -> Iterator[None]:
    """Import TensorFlow lazily inside, or what builds on it, with packages hidden that they would use if they could.

    The garbage collector rests inside, and never looks through what was made there: TensorFlow's half a million
    objects, none of them garbage, take a tenth of its import, and as much of what a role does later.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with contextlib.ExitStack() as stack:
            for name in without:
                stack.enter_context(_hidden(name))
            yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let an ``import`` of a package that is not imported yet fail as if it were not installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say so
    try:
        yield
    finally:
        del sys.modules[name]
