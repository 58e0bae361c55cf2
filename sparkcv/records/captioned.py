"""A picture with its captions as a ``tf.train.SequenceExample``, the form of im2txt, without TensorFlow.

The context has ``image/data`` and ``image/image_id``; ``image/caption`` and ``image/caption_ids`` are feature lists. In
im2txt's form each feature of a list is one word of the one caption, and a picture of five captions is stored five
times. Here each feature is a whole caption, all of its words, so that the picture is stored once. Both are read: every
caption has two ids at least, those of its begin and its end, so a list of single ids is one caption.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from sparkcv.errors import RecordError
from sparkcv.records.example_proto import SequenceExample
from sparkcv.records.features import Value, fill, refuse_mistyped, value_of

__all__ = ["CaptionedPicture", "decode", "encode"]

IMAGE_DATA, IMAGE_ID, CAPTION, CAPTION_IDS = "image/data", "image/image_id", "image/caption", "image/caption_ids"
CAPTION_VECTORS = "image/caption_vectors"
_FILENAME, _FORMAT, _ORIENTATION = "image/filename", "image/format", "image/orientation"


@dataclass(frozen=True)
class CaptionedPicture:
    """One picture and its captions: ``encoded`` is the picture's file, a caption is words and as many ids.

    ``orientation`` is 1 to 8 as EXIF counts. ``vectors``, where there are any, are float32, one of each caption.
    """

    encoded: bytes
    image_id: int
    words: tuple[tuple[str, ...], ...]
    ids: tuple[tuple[int, ...], ...]
    format: str = "jpeg"
    filename: str = ""
    orientation: int = 1
    vectors: tuple[tuple[float, ...], ...] = ()


def encode(picture: CaptionedPicture, *, word_by_word: bool = False) -> bytes:
    """Return the record's bytes: equal pictures give equal bytes. ``word_by_word`` is im2txt's form of one caption."""
    message = SequenceExample()
    turned = {} if picture.orientation == 1 else {_ORIENTATION: picture.orientation}
    context: dict[str, bytes | int | Value] = {
        IMAGE_DATA: picture.encoded,
        IMAGE_ID: picture.image_id,
        _FILENAME: picture.filename.encode("utf-8", "surrogateescape"),
        _FORMAT: picture.format.encode(),
        **turned,
    }
    fill(message.context.feature, context)
    lists = message.feature_lists.feature_list
    for words, ids in zip(picture.words, picture.ids, strict=True):
        texts = [word.encode("utf-8", "surrogateescape") for word in words]
        size = 1 if word_by_word else max(1, len(ids))
        for start in range(0, len(ids), size):
            lists[CAPTION].feature.add().bytes_list.value.extend(texts[start : start + size])
            lists[CAPTION_IDS].feature.add().int64_list.value.extend(ids[start : start + size])
    for vector in picture.vectors:
        lists[CAPTION_VECTORS].feature.add().float_list.value.extend(vector)
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def decode(payload: bytes | memoryview, where: str = "") -> CaptionedPicture:
    """Read a record of either form; features of other names are passed over.

    Raises RecordError for bytes that are no SequenceExample, a picture or a caption that is missing, and lists of
    another type.
    """
    at = f"{where}: " if where else ""
    try:
        message = SequenceExample.FromString(payload)
        for part in (message, message.context, message.feature_lists):
            refuse_mistyped(part)
        context = {name: value_of(feature) for name, feature in message.context.feature.items()}
        lists = {
            name: [value_of(feature) for feature in message.feature_lists.feature_list[name].feature]
            for name in (CAPTION, CAPTION_IDS, CAPTION_VECTORS)
            if name in message.feature_lists.feature_list
        }
    except (DecodeError, ValueError) as err:
        reason = str(err).rpartition(": ")[2]
        raise RecordError(f"{at}these {len(payload)} bytes are no tf.train.SequenceExample: {reason}") from err
    ids = _captions(lists, CAPTION_IDS, int, at)
    words = _captions(lists, CAPTION, bytes, at) if lists.get(CAPTION) else [[b""] * len(each) for each in ids]
    if [len(each) for each in words] != [len(each) for each in ids]:
        raise RecordError(f"{at}{CAPTION} and {CAPTION_IDS} have captions of different lengths")
    return CaptionedPicture(
        encoded=_bytes(context, IMAGE_DATA, None, at),
        image_id=_image_id(context, at),
        words=tuple(tuple(word.decode("utf-8", "surrogateescape") for word in each) for each in words),
        ids=tuple(tuple(each) for each in ids),
        format=_bytes(context, _FORMAT, b"jpeg", at).decode("utf-8", "surrogateescape"),
        filename=_bytes(context, _FILENAME, b"", at).decode("utf-8", "surrogateescape"),
        orientation=_orientation(context, at),
        vectors=tuple(
            tuple(map(float, value.items)) for value in lists.get(CAPTION_VECTORS, []) if value.kind is float
        ),
    )


def _captions(lists: dict[str, list[Value]], name: str, kind: type, at: str) -> list[list[Any]]:
    found = lists.get(name)
    if not found:
        raise RecordError(f"{at}the SequenceExample has no list {name}")
    for value in found:
        if value.kind is not kind or not value.items:
            got = "nothing" if value.kind is None or not value.items else value.kind.__name__
            raise RecordError(f"{at}{name} holds {got}, wanted {kind.__name__}")
    if all(len(value.items) == 1 for value in found):
        return [[value.items[0] for value in found]]
    return [list(value.items) for value in found]


def _bytes(context: dict[str, Value], name: str, default: bytes | None, at: str) -> bytes:
    value = context.get(name)
    # A name or an orientation that is there without a value has no default for TensorFlow's parser of SequenceExamples,
    # which training uses: it refuses the record.
    if value is None or (not value.items and name != _FILENAME):
        if default is None:
            raise RecordError(f"{at}the context has no {name}, it has {', '.join(sorted(context)) or 'nothing'}")
        return default
    if value.kind is not bytes or len(value.items) != 1:
        raise RecordError(f"{at}{name} is no single value of bytes")
    return bytes(value.items[0])  # type: ignore[arg-type]


def _orientation(context: dict[str, Value], at: str) -> int:
    value = context.get(_ORIENTATION)
    if value is None:
        return 1
    if value.kind is not int or len(value.items) != 1:
        raise RecordError(f"{at}{_ORIENTATION} is no single value of an integer")
    return int(value.items[0])


def _image_id(context: dict[str, Value], at: str) -> int:
    value = context.get(IMAGE_ID)
    if value is None or value.kind is not int or len(value.items) != 1:
        raise RecordError(f"{at}the context has no {IMAGE_ID} of one integer")
    return int(value.items[0])
