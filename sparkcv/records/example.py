"""One labelled picture as a ``tf.train.Example``, in TF-Slim's features or in others, without TensorFlow.

Reading is strict where TensorFlow is not: to TF-Slim a missing label is class 0, here it is a RecordError.
"""

from dataclasses import dataclass

from sparkcv.errors import RecordError
from sparkcv.records import captioned, characters
from sparkcv.records.features import Value, encode_features, parse_features

_ENCODED = "image/encoded"
_FILENAME = "image/filename"
_FORMAT = "image/format"
_HEIGHT = "image/height"
_LABEL = "image/class/label"
_ORIENTATION = "image/orientation"  # ours: TF-Slim knows none
_TEXT = "image/class/text"
_WIDTH = "image/width"
_LISTED = 10
# TensorFlow's parser, which training and evaluation use, has no default for an empty list: it refuses the record.
_PARSED = (_FILENAME, _ORIENTATION)


@dataclass(frozen=True)
class FeatureNames:
    """Where an Example has its picture and its label.

    ``texts`` is empty where the label is a number; else the label is text, and its number is its place in ``texts``.
    With ``longest`` records are SequenceExamples of pictures with captions (:mod:`.captioned`), none of more ids: then
    captions are what labels are else, and ``label`` names nothing. With ``digests`` as well, digests of its picture's
    captions, so many at most, follow a caption; with ``vector`` a caption is its vector, of so many numbers, with
    ``characters`` it is its characters (:mod:`.characters`).
    """

    image: str = _ENCODED
    label: str = _LABEL
    texts: tuple[str, ...] = ()
    longest: int = 0
    digests: int = 0
    vector: int = 0
    characters: bool = False

    @property
    def text_size(self) -> int:
        """Numbers of a caption in a label; without captions 0."""
        return characters.LENGTH if self.characters else self.vector or self.longest


SLIM_FEATURES = FeatureNames()
"""TF-Slim's own."""


@dataclass(frozen=True)
class ImageExample:
    """One labelled picture.

    ``encoded`` is the picture's file; ``format`` is ``jpeg``, ``png`` or another that TensorFlow decodes; ``label`` is
    as stored (no offset taken off); ``height`` and ``width`` are pixels of ``encoded``, 0 where unknown; ``filename``
    is relative to the folder that was converted; ``orientation`` is 1 to 8 as EXIF counts, 1 where it is not stored.
    """

    encoded: bytes
    format: str
    label: int
    text: str = ""
    height: int = 0
    width: int = 0
    filename: str = ""
    orientation: int = 1


def encode(example: ImageExample) -> bytes:
    """Return the Example's bytes: equal examples give equal bytes (features in order of name)."""
    turned = {} if example.orientation == 1 else {_ORIENTATION: example.orientation}
    return encode_features(
        {
            **turned,
            _LABEL: example.label,
            _TEXT: _to_bytes(example.text),
            _ENCODED: bytes(example.encoded),
            _FILENAME: _to_bytes(example.filename),
            _FORMAT: _to_bytes(example.format),
            _HEIGHT: example.height,
            _WIDTH: example.width,
        }
    )


def decode(payload: bytes | memoryview, where: str = "", names: FeatureNames = SLIM_FEATURES) -> ImageExample:
    """Read an Example; features that are neither TF-Slim's nor named are passed over.

    Raises:
        RecordError: the bytes are no Example, the picture or the label is missing or not exactly one value of its
            type, or a label's text is none of ``names.texts``. A number may be out of range: nothing here knows the
            number of classes. Of captions the label is the largest id.
    """
    at = f"{where}: " if where else ""
    if names.longest:
        return _decode_captioned(payload, where, names)
    try:
        features = parse_features(payload)
    except ValueError as err:
        raise RecordError(f"{at}these {len(payload)} bytes are no tf.train.Example: {err}") from err
    return ImageExample(
        encoded=_bytes(features, names.image, None, at),
        format=_text(features, _FORMAT, "jpeg", at),  # TF-Slim's default
        label=_label(features, names, at),
        text=_text(features, _TEXT, "", at),
        height=_int(features, _HEIGHT, 0, at),
        width=_int(features, _WIDTH, 0, at),
        filename=_text(features, _FILENAME, "", at),
        orientation=_int(features, _ORIENTATION, 1, at),
    )


def _decode_captioned(payload: bytes | memoryview, where: str, names: FeatureNames) -> ImageExample:
    """Read a picture with captions, the largest id as its label."""
    picture, longest = captioned.decode(payload, where), names.longest
    sizes = {len(vector) for vector in picture.vectors}
    if names.vector and (sizes != {names.vector} or len(picture.vectors) != len(picture.ids)):
        got = f"{len(picture.vectors)} vectors of {', '.join(map(str, sorted(sizes))) or 'no'} numbers"
        raise RecordError(f"{where}{': ' if where else ''}{got}; wanted {len(picture.ids)} of {names.vector}")
    ids = [index for caption in picture.ids for index in caption]
    most = max(len(caption) for caption in picture.ids)
    if most > longest or min(ids) < 0 or min(len(caption) for caption in picture.ids) < 2:
        got = f"a caption of {most} ids, the smallest {min(ids)}"
        raise RecordError(f"{where}{': ' if where else ''}{got}; wanted 2 to {longest}, none below 0")
    if names.characters and not any(word for words in picture.words for word in words):
        raise RecordError(
            f"{where}{': ' if where else ''}no list {captioned.CAPTION}; wanted the words of the captions"
        )
    return ImageExample(
        picture.encoded, picture.format, max(ids), filename=picture.filename, orientation=picture.orientation
    )


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # POSIX file names may be any bytes


def _one(features: dict[str, Value], name: str, kind: type, default: object, at: str) -> object:
    value = features.get(name)
    is_open = default is not None and name not in _PARSED
    if value is None or value.kind is None or (not value.items and is_open):
        if default is None:
            raise RecordError(f"{at}the Example has no {name}, it has {_listed(features)}")
        return default
    if value.kind is not kind:
        raise RecordError(f"{at}{name} is a list of {value.kind.__name__}, wanted {kind.__name__}")
    if len(value.items) != 1:
        raise RecordError(f"{at}{name} has {len(value.items)} values, wanted 1")
    return value.items[0]


def _listed(features: dict[str, Value]) -> str:
    names = [name for name, value in features.items() if value.kind is not None]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "no features") + more


def _label(features: dict[str, Value], names: FeatureNames, at: str) -> int:
    if not names.texts:
        return _int(features, names.label, None, at)
    text = bytes(_bytes(features, names.label, None, at)).decode("utf-8", "surrogateescape")
    try:
        return names.texts.index(text)
    except ValueError as err:
        raise RecordError(f"{at}{names.label} is {text[:80]!r}, none of the {len(names.texts)} classes") from err


def _bytes(features: dict[str, Value], name: str, default: bytes | None, at: str) -> bytes:
    value = _one(features, name, bytes, default, at)
    return bytes(value)  # type: ignore[call-overload]


def _int(features: dict[str, Value], name: str, default: int | None, at: str) -> int:
    return int(_one(features, name, int, default, at))  # type: ignore[call-overload]


def _text(features: dict[str, Value], name: str, default: str, at: str) -> str:
    return _bytes(features, name, default.encode(), at).decode("utf-8", "surrogateescape")
