"""What a served model gives, and by which path it is asked for that."""

import enum

__all__ = ["Gives"]


class Gives(enum.Enum):
    """What a model gives, with what is said of it to whoever asked it for something else."""

    CLASSES = "classes"
    CAPTIONS = "captions"
    PICTURES = "pictures"

    @property
    def does(self) -> str:
        """What it does, for a sentence."""
        return _SAID[self][0]

    @property
    def path(self) -> str:
        """The path that asks it."""
        return _SAID[self][1]


_SAID = {
    Gives.CLASSES: ("gives classes", "/classify"),
    Gives.CAPTIONS: ("tells captions", "/caption"),
    Gives.PICTURES: ("makes pictures of captions", "/generate"),
}
