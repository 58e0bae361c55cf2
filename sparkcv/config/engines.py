"""The flag that says what runs the nets, the same for scoring and for the service."""

from typing import Any

from sparkcv.config.flags import flag

__all__ = ["ENGINES", "PRECISIONS", "engine_flag"]

ENGINES = ("auto", "tf", "openvino")
PRECISIONS = ("auto", "fp32", "bf16", "int8")


def engine_flag(group: str) -> Any:
    """Declare the field of a dataclass of flags that chooses the engine."""
    return flag(
        "auto",
        "what runs the nets: auto (OpenVINO where it is installed), tf or openvino",
        group=group,
        choices=ENGINES,
    )
