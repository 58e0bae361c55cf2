"""Which engine runs a model: what was asked for, what is installed, and why; no engine is imported here."""

import dataclasses
import functools
import importlib.util

from sparkcv.config.engines import ENGINES, PRECISIONS
from sparkcv.errors import UsageError

__all__ = ["ENGINES", "EngineChoice", "PRECISIONS", "check_quantizer", "choose_engine", "has_bf16"]

_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


@dataclasses.dataclass(frozen=True)
class EngineChoice:
    """An engine, ``tf`` or ``openvino``, why it was chosen, for people, and the precision that it computes in."""

    name: str
    why: str
    precision: str = "fp32"

    def __str__(self) -> str:
        return f"{self.name} in {self.precision} ({self.why})"


def choose_engine(asked: str, precision: str = "fp32") -> EngineChoice:
    """Return the engine for ``asked``, one of :data:`ENGINES`, to run in ``precision``, one of :data:`PRECISIONS`.

    Raises UsageError for an unknown name, for an engine whose package is not installed, and for int8 in TensorFlow.
    """
    for what, got, wanted in (("engine", asked, ENGINES), ("precision", precision, PRECISIONS)):
        if got not in wanted:
            raise UsageError(f"{what}: got {got!r}, wanted one of {', '.join(wanted)}")
    is_installed = importlib.util.find_spec("openvino") is not None
    if precision == "int8" and asked == "tf":
        raise UsageError("precision: int8 is computed by OpenVINO only, got engine tf, wanted openvino or auto")
    if not is_installed and (asked == "openvino" or precision == "int8"):
        what = "engine: openvino" if asked == "openvino" else "precision: int8 runs in OpenVINO, which"
        raise UsageError(f"{what} is not installed here, wanted its extra: pip install 'sparkcv[openvino]'")
    if asked == "auto":
        why = "openvino is installed" if is_installed else "openvino is not installed"
        return EngineChoice("openvino" if is_installed else "tf", why, precision)
    return EngineChoice(asked, "asked for", precision)


def check_quantizer() -> None:
    """Raise UsageError unless what makes int8 of a net is installed."""
    if importlib.util.find_spec("nncf") is None:
        raise UsageError(
            "precision: int8 is calibrated by nncf, which is not installed here, wanted its extra:"
            " pip install 'sparkcv[int8]'"
        )


@functools.cache
def has_bf16() -> bool:
    """Return whether this host's CPU computes in bfloat16: with AVX-512 BF16 or AMX."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as source:
            return any(_BF16_FLAGS & set(line.split()) for line in source if line.startswith("flags"))
    except OSError:
        return False
