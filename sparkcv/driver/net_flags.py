"""The flags that tie a net to its pictures and classes, as training, evaluation and export check them."""

from collections.abc import Sequence

from sparkcv import nets, preprocess
from sparkcv.errors import UsageError
from sparkcv.rundir.description import RunDescription

__all__ = ["check_channels", "check_image_size", "check_labels_offset", "is_gray"]


def check_image_size(model_name: str, image_size: int | None, preprocessing_name: str | None) -> int:
    """Return the side of the net's square input in pixels, where ``None`` stands for the net's own.

    Raises UsageError for a net or a preprocessing that there is not, and for a size that one of them does not take.
    """
    net = nets.get(model_name)
    preprocessing = preprocess.get(preprocessing_name or net.preprocessing)
    return preprocessing.check_image_size(net.check_image_size(image_size or net.default_image_size))


def is_gray(model_name: str, preprocessing_name: str | None, use_grayscale: bool) -> bool:
    """Return whether the net's input has one channel: ``--use_grayscale``, or a preprocessing that always gives one."""
    return use_grayscale or preprocess.get(preprocessing_name or nets.get(model_name).preprocessing).is_gray


def check_channels(use_grayscale: bool, told: RunDescription, prefix_url: str) -> None:
    """Raise UsageError where the net of a checkpoint looks at grey pictures and the flags do not, or the reverse.

    ``told`` is what its run tells; a run that does not tell it passes.
    """
    theirs = told.config.get("use_grayscale")
    if isinstance(theirs, bool) and theirs != use_grayscale:
        raise UsageError(
            f"--use_grayscale {str(use_grayscale).lower()}: {prefix_url!r} was trained on"
            f" {'grey' if theirs else 'coloured'} pictures; wanted --use_grayscale {str(theirs).lower()}"
        )


def check_labels_offset(labels: Sequence[str], labels_offset: int, where: str) -> tuple[str, ...]:
    """Return the names of the classes that ``--labels_offset`` leaves of ``labels``, which were read at ``where``.

    Raises UsageError for fewer than two.
    """
    left = tuple(labels[labels_offset:])
    if len(left) < 2:
        raise UsageError(
            f"--labels_offset {labels_offset} leaves {len(left)} of the {len(labels)} classes in {where}; wanted at"
            " least 2"
        )
    return left
