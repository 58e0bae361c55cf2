"""What a request for pictures says, read from JSON within limits."""

import dataclasses
from typing import Any

from sparkcv.serve.errors import RequestError
from sparkcv.serve.protocols.json_body import parse_object, said

__all__ = ["PicturesAsked", "parse"]

_MOST_CHARACTERS = 4000
_MOST_SEED = 2**53 - 1  # whole in each language's JSON
_FIELDS = ("caption", "captions", "to_caption", "num_pictures", "seed", "columns")


@dataclasses.dataclass(frozen=True)
class PicturesAsked:
    """Captions, or one and ``to_caption`` with ``num_pictures`` on the way; ``columns`` of the grid, if wanted."""

    captions: tuple[str, ...]
    to_caption: str | None
    num_pictures: int
    seed: int
    columns: int | None


def parse(body: bytes, most: int) -> PicturesAsked:
    """Read a body; raises RequestError (400) for what is no such JSON, and more than ``most`` pictures."""
    value = parse_object(body)
    for name in value:
        if name not in _FIELDS:
            raise RequestError(400, f"the body has {said(name)}, wanted no field but {', '.join(_FIELDS)}")
    if ("caption" in value) == ("captions" in value):
        got = "both" if "caption" in value else "neither"
        raise RequestError(400, f"caption and captions: got {got}, wanted one of them")
    captions = [value["caption"]] if "caption" in value else value["captions"]
    if not isinstance(captions, list) or not captions:
        raise RequestError(400, f"captions is {said(captions)}, wanted a list of texts, one at least")
    to_caption = value.get("to_caption")
    if to_caption is not None and "caption" not in value:
        raise RequestError(400, "to_caption with captions: wanted it with caption alone")
    for text in (*captions[: most + 1], *([] if to_caption is None else [to_caption])):
        if not isinstance(text, str):
            raise RequestError(400, f"a caption is {said(text)}, wanted a text")
        if not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text):
            raise RequestError(400, f"a caption is {said(text)}, wanted a text without halves of surrogate pairs")
        if len(text) > _MOST_CHARACTERS:
            raise RequestError(400, f"a caption has {len(text)} characters, wanted {_MOST_CHARACTERS} at most")
    least, usual = (1, 1) if to_caption is None else (2, min(8, most))
    asked = PicturesAsked(
        tuple(captions),
        to_caption,
        _whole(value, "num_pictures", least, most) or usual,
        _whole(value, "seed", 0, _MOST_SEED) or 0,
        _whole(value, "columns", 1, most),
    )
    if (number := len(captions) * asked.num_pictures) > most:
        raise RequestError(400, f"the request wants {number} pictures, wanted 1 to {most}")
    return asked


def _whole(value: dict[str, Any], name: str, least: int, most: int) -> int | None:
    """Return a whole number of the body; None where it is not given."""
    found = value.get(name)
    if found is not None and (type(found) is not int or not least <= found <= most):
        raise RequestError(400, f"{name} is {said(found)}, wanted a whole number from {least} to {most}")
    return found
