"""One contact sheet of every format and every augmentation, as training and scoring see them, with their ranges.

The tiles of the first section are the same picture, stored in another way: all must look alike, but for what a format
cannot hold. Those of an augmentation go through the range that is named.

    python -m bench.gallery --output gallery.png --photograph FILE      # without a file, a drawn landscape
"""

import argparse
import io
from collections.abc import Iterator

import numpy as np
import tensorflow.compat.v1 as tf
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bench.gallery_sheet import Row, Section, draw, scene
from sparkcv import preprocess
from sparkcv.config.augment import KINDS, Augmentations
from sparkcv.preprocess import EncodedPicture, augmentations, decode, geometry, picture_file
from sparkcv.preprocess.normalization import Normalization
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records.statistics import FittedOn, Moments

COLUMNS, SIDE, SMALL = 7, 192, 32
RANGES = {
    "crop": (0.3, 0.9),
    "zoom": (0.6, 1.8),
    "shear": (-30, 30),
    "rotation": (-45, 45),
    "shift": (-0.3, 0.3),
    "brightness": (-0.4, 0.4),
    "contrast": (0.3, 2),
    "saturation": (0, 2),
    "hue": (-0.5, 0.5),
    "gamma": (0.4, 2.5),
    "channel_shift": (-0.3, 0.3),
}
RECIPE = (
    "flip_left_right=0.5,crop=0.7:1,shear=-8:8,rotation=-15:15,shift=-0.1:0.1,brightness=-0.1:0.1,contrast=0.8:1.2,"
    "saturation=0.7:1.3,hue=-0.04:0.04,gamma=0.8:1.25,slim=false"
)
_RANDOM = ("shift", "channel_shift")  # several numbers each: drawn, where the others are shown from low to high
_TAG = 0x0112
# What a camera stores of an upright picture, by the orientation that it notes.
_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def variants(upright: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield the picture in each way to store it, with a label."""
    for file_format in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000"):
        yield file_format, _encode(upright, file_format)
    for file_format in ("JPEG", "WEBP"):
        for orientation, stored in _STORED.items():
            exif = Image.Exif()
            exif[_TAG] = orientation
            yield f"{file_format} EXIF {orientation}", _encode(upright.transpose(stored), file_format, exif=exif)
    xmp = b'<x tiff:Orientation="6"/>'
    yield "JPEG XMP 6", _encode(upright.transpose(_STORED[6]), "JPEG", xmp=xmp)
    for mode in ("L", "P", "1", "CMYK"):
        yield f"TIFF mode {mode}", _encode(upright.convert(mode), "TIFF")
    yield "JPEG CMYK", _encode(upright.convert("CMYK"), "JPEG")
    yield "BMP palette", _encode(upright.convert("P", palette=Image.Palette.ADAPTIVE), "BMP")
    yield "PNG 16 bits", _encode(Image.fromarray(np.asarray(upright.convert("L")).astype(np.uint16) * 257), "PNG")
    clear = upright.convert("RGBA")
    mask = Image.new("L", upright.size, 0)
    ImageDraw.Draw(mask).ellipse((0, 0, *upright.size), fill=255)
    clear.putalpha(mask)
    for file_format in ("PNG", "WEBP", "TIFF", "GIF"):
        yield f"{file_format} transparent", _encode(clear, file_format)
    yield "GIF animated", _encode(upright, "GIF", save_all=True, append_images=[Image.new("RGB", upright.size, "red")])


def _encode(picture: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def formats(upright: Image.Image) -> Section:
    """Decode the picture in each way to store it."""
    tiles = []
    with tf.Graph().as_default(), tf.Session() as session:
        encoded, orientation = tf.placeholder(tf.string, []), tf.placeholder(tf.int64, [])
        pixels = decode.decode(EncodedPicture(encoded, orientation))
        for label, data in variants(upright):
            seen = picture_file.read(data, PictureRules())
            tiles.append((label, session.run(pixels, {encoded: seen.encoded, orientation: seen.orientation})))
    names = ["Formats", "Orientation", "Orientation", "Colours", "See-through"]
    groups = [tiles[:8], tiles[8:15], tiles[15:23], tiles[23:30], tiles[30:]]
    lines = [
        "by their first bytes",
        "EXIF, turned upright",
        "EXIF and XMP, turned upright",
        "modes and depths",
        "on --background ffffff",
    ]
    rows = (Row(name, (line,), tuple(group)) for name, line, group in zip(names, lines, groups, strict=True))
    return Section("Formats", "One picture, stored in another way each time: all must look alike.", tuple(rows))


def augmented(png: bytes) -> Section:
    """Draw each augmentation through its range, and a recipe of many."""
    wanted = {}
    with tf.Graph().as_default(), tf.Session() as session:
        family = preprocess.get("lenet").normalized(Normalization("rescale"))
        image = family.for_eval(tf.constant(png), SIDE)
        wanted["mirrors and turns"] = [("as it is", image)]
        for name, kind in KINDS.items():
            if kind.is_chance:
                shown = [(name, augmentations.distort(image, Augmentations.parse(f"{name}=1"), (0, 1)))]
                if name == "rot90":  # it draws one of these
                    shown = [(f"rot90: {90 * turns}", geometry.quarter_turns(image, turns)) for turns in (1, 2, 3)]
                wanted["mirrors and turns"] += shown
                continue
            low, high = RANGES[name]
            if name in _RANDOM:
                texts = [(f"draw {seed + 1}", f"{name}={low}:{high}", seed) for seed in range(COLUMNS)]
            else:
                texts = [(f"{value:.3g}", f"{name}={value}:{value}", 3) for value in np.linspace(low, high, COLUMNS)]
            wanted[name] = [
                (label, augmentations.distort(image, Augmentations.parse(text), (seed, 1)))
                for label, text, seed in texts
            ]
        several = preprocess.get("lenet").augmented(Augmentations.parse(RECIPE)).normalized(Normalization("rescale"))
        wanted["together"] = [
            (f"picture {number}", several.for_train(EncodedPicture(tf.constant(png), draw=(0, number)), SIDE))
            for number in range(COLUMNS)
        ]
        drawn = session.run({name: [image for _, image in tiles] for name, tiles in wanted.items()})
    rows = []
    for name, tiles in wanted.items():
        pairs = zip((label for label, _ in tiles), map(_bytes, drawn[name]), strict=True)
        rows.append(Row(name, _about(name), tuple(pairs)))
    said = "--augment NAME=LOW:HIGH or NAME=CHANCE; drawn by the run's seed and the picture's number in the run."
    return Section("Augmentations", said, tuple(rows))


def _about(name: str) -> tuple[str, ...]:
    if name == "together":
        return ("a recipe of ten", "one interpolation for", "crop, shear, rotation, shift")
    if name not in KINDS:
        return ("each a chance of 0 to 1", "nothing is interpolated")
    kind = KINDS[name]
    words, lines = kind.what.split(), [""]
    for word in words:
        lines = [*lines, word] if len(lines[-1]) + len(word) > 27 else [*lines[:-1], f"{lines[-1]} {word}".strip()]
    return ("shown: {:g} to {:g}".format(*RANGES[name]), f"may be: {kind.allowed}", *lines)


def slims(png: bytes) -> Section:
    """Draw what TF-Slim's families do in training, and what evaluation sees beside it."""
    rows = []
    for name, size in (("inception", SIDE), ("vgg", 224), ("cifarnet", SIDE), ("lenet", SIDE)):
        with tf.Graph().as_default(), tf.Session() as session:
            family = preprocess.get(name).normalized(Normalization("rescale"))
            evaluated, trained = session.run(
                [family.for_eval(png, size), [family.for_train(png, size, seed=seed) for seed in range(COLUMNS - 1)]]
            )
        tiles = [("evaluation", evaluated), *((f"training {index + 1}", each) for index, each in enumerate(trained))]
        values = preprocess.get(name).own_range.partition(":")[0]
        about = (f"to {values}" if values.startswith("[") else values,)
        rows.append(Row(name, about, tuple((label, _bytes(pixels)) for label, pixels in tiles)))
    return Section("TF-Slim's preprocessing", "--preprocessing_name; lenet distorts nothing.", tuple(rows))


def normalized(upright: Image.Image) -> Section:
    """Draw each normalization, stretched from its least to its largest value; the statistics are of parts of it."""
    random = np.random.default_rng(1)
    middle = upright.resize((96, 96))
    corners = random.integers(0, 64, (3000, 2))
    parts = np.stack([np.asarray(middle)[y : y + SMALL, x : x + SMALL] for y, x in corners]).astype(np.float32) / 255
    grey = parts @ np.float32([[0.2989], [0.587], [0.114]])
    of = FittedOn("gallery", "train", "", len(parts), "lenet", SMALL, True, "accurate")
    fitted = {}
    for whitening in ("", "pca", "zca"):
        moments = Moments((SMALL, SMALL, 1), has_covariance=bool(whitening))
        moments.add(grey)
        fitted[whitening] = moments.fit(of, whitening, 0.01)
    kinds = {kind: None for kind in ("own", "rescale", "per_image")}
    kinds |= {"mean": fitted[""], "feature_wise": fitted[""], "pca": fitted["pca"], "zca": fitted["zca"]}
    png = _encode(middle.crop((32, 24, 32 + SMALL, 24 + SMALL)), "PNG")
    with tf.Graph().as_default(), tf.Session() as session:
        made = {
            kind: preprocess.get("lenet")
            .normalized(Normalization(kind, found))
            .for_eval(png, SMALL, use_grayscale=True)
            for kind, found in kinds.items()
        }
        values = session.run(made)
    tiles = [(f"{kind} {value.min():.1f}, {value.max():.1f}", value) for kind, value in values.items()]
    shown = tuple((label, _bytes(np.repeat((v - v.min()) / max(np.ptp(v), 1e-6), 3, axis=2))) for label, v in tiles)
    row = Row(
        "--normalization", (f"grey, {SMALL} pixels", "stretched to black and white", "least, largest value"), shown
    )
    return Section(
        "Normalization", "The same on every path; by `sparkcv statistics` where it needs the dataset.", (row,)
    )


def _bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.uint8(np.round(np.clip(pixels, 0, 1) * 255))


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photograph")
    parser.add_argument("--output", default="gallery.png")
    flags = parser.parse_args()
    upright = Image.open(flags.photograph).convert("RGB") if flags.photograph else scene()
    square = min(upright.size)
    middle = upright.crop(
        (
            (upright.width - square) // 2,
            (upright.height - square) // 2,
            *((side + square) // 2 for side in upright.size),
        )
    )
    upright.thumbnail((480, 480))
    png = _encode(middle.resize((SIDE, SIDE), Image.Resampling.LANCZOS), "PNG")
    sections = [formats(upright), augmented(png), slims(png), normalized(middle)]
    num_tiles = sum(len(row.tiles) for section in sections for row in section.rows)
    line = (
        "What training, evaluation and scoring see of one picture, by format, augmentation, family and normalization."
    )
    draw("sparkcv: the gallery", line, sections).save(flags.output)
    print(f"{num_tiles} pictures in {flags.output}")


if __name__ == "__main__":
    main()
