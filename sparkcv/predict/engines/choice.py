"""Which engine runs a model: what was asked for, what is installed, and why; no engine is imported here."""

import dataclasses
import importlib.util

from sparkcv.errors import UsageError

__all__ = ["ENGINES", "EngineChoice", "choose_engine"]

ENGINES = ("auto", "tf", "openvino")


@dataclasses.dataclass(frozen=True)
class EngineChoice:
    """An engine, ``tf`` or ``openvino``, and why it was chosen, for people."""

    name: str
    why: str


def choose_engine(asked: str) -> EngineChoice:
    """Return the engine for ``asked``, one of :data:`ENGINES`.

    Raises UsageError for an unknown name, and for an engine whose package is not installed.
    """
    if asked not in ENGINES:
        raise UsageError(f"engine: got {asked!r}, wanted one of {', '.join(ENGINES)}")
    is_installed = importlib.util.find_spec("openvino") is not None
    if asked == "openvino" and not is_installed:
        raise UsageError("engine: openvino is not installed here, wanted its extra: pip install 'sparkcv[openvino]'")
    if asked == "auto":
        why = "openvino is installed" if is_installed else "openvino is not installed"
        return EngineChoice("openvino" if is_installed else "tf", why)
    return EngineChoice(asked, "asked for")
