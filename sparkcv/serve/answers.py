"""What a model answers a picture with, and the path that asks for it."""

import enum

__all__ = ["Answers"]


class Answers(enum.StrEnum):
    """The kinds of answers, by the words that worker processes get."""

    SCORES = "scores"
    CAPTIONS = "captions"
    PICTURES = "pictures"
    DRAWINGS = "drawings"

    @property
    def path(self) -> str:
        """The path that asks for it."""
        return {"scores": "/classify", "captions": "/caption", "pictures": "/stylize", "drawings": "/generate"}[self]

    @property
    def what_it_does(self) -> str:
        """What is said of such a model."""
        return {
            "scores": "gives scores",
            "captions": "tells captions",
            "pictures": "makes pictures",
            "drawings": "makes pictures of captions",
        }[self]
