"""Pictures that cost nothing: eight classes of shapes and textures, for the demo, the tests and the benchmarks.

As with things in photographs, each form has a typical colour that varies, and backgrounds are of any dull colour: a
short run learns from colour first, and needs the form where the colours of two classes overlap. Every picture is a
function of class, seed and size.
"""

import colorsys
import io
import math
import os
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("checkerboard", "circle", "dots", "rings", "square", "star", "stripes", "triangle")
"""Names of the classes, in the order of their label (sorted, as conversion sorts a folder a class)."""

BROKEN = ("empty.jpg", "truncated.jpg", "text.jpg", "eps.jpg", "bomb.png")
"""File names of the kinds of broken picture that :func:`write_pictures` cycles through."""

_HUE_SPREAD = 0.06  # standard deviation as a share of the circle; classes are 1/8 apart
_SUPERSAMPLING = 3  # drawn larger, then scaled down: smooth edges at any angle


def draw(class_index: int, seed: int, size: int) -> Image.Image:
    """Draw one RGB picture of ``size`` x ``size`` pixels.

    It shows one form of random colour, place, scale and angle, with clutter behind it, light blur or none, and noise.

    Args:
        class_index: Index into :data:`CLASSES`.
        seed: Equal seeds give equal pictures.
        size: Side in pixels, at least 16.
    """
    rng = np.random.default_rng((seed, class_index))
    side = size * _SUPERSAMPLING
    background, foreground = _colors(rng, class_index)
    canvas = _backdrop(rng, side, background)
    _clutter(rng, canvas, background)
    mask = _MASKS[CLASSES[class_index]](rng, side)
    canvas.paste(Image.new("RGB", (side, side), foreground), (0, 0), mask)
    picture = canvas.resize((size, size), Image.Resampling.BOX)
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8)))
    noise = rng.normal(0, rng.uniform(2, 10), (size, size, 3))
    pixels = np.asarray(picture, np.float32) * rng.uniform(0.85, 1.1) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encode(picture: Image.Image, image_format: str, *, quality: int = 90) -> bytes:
    """Return the picture as a ``jpeg`` or ``png`` file."""
    buffer = io.BytesIO()
    if image_format == "jpeg":
        picture.save(buffer, "JPEG", quality=quality)
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()


def write_pictures(
    directory: str | os.PathLike[str], per_class: int, seed: int, *, size: int = 96, broken: int = 0, by: str = "train"
) -> list[pathlib.Path]:
    """Write ``<directory>/<class>/<by>-00000.jpg``..., three JPEG to one PNG, and ``broken`` files that are none.

    Args:
        directory: A local folder, made if need be.
        per_class: Pictures a class.
        seed: Equal seeds give equal files.
        size: Side in pixels.
        broken: How many unusable files to spread over the classes, cycling through :data:`BROKEN`.
        by: Prefix of the file names, and part of the seed: pictures of ``train`` and ``test`` differ.

    Returns:
        The paths of the broken files.
    """
    root = pathlib.Path(directory)
    salt = zlib.crc32(by.encode())
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            picture_seed = int(np.random.SeedSequence((seed, salt, index)).generate_state(1)[0])
            image_format, suffix = ("png", "png") if index % 4 == 3 else ("jpeg", "jpg")
            data = encode(draw(label, picture_seed, size), image_format)
            (root / name / f"{by}-{index:05d}.{suffix}").write_bytes(data)
    paths = []
    for index in range(broken):
        kind = BROKEN[index % len(BROKEN)]
        path = root / CLASSES[index % len(CLASSES)] / f"{by}-broken-{index:03d}-{kind}"
        path.write_bytes(broken_file(kind, size))
        paths.append(path)
    return paths


def broken_file(kind: str, size: int = 96) -> bytes:
    """Return the bytes of one of :data:`BROKEN`: nothing, a part of a JPEG, a text, an EPS, or a PNG of 20000x20000."""
    if kind == "empty.jpg":
        return b""
    if kind == "truncated.jpg":
        whole = encode(draw(0, 0, size), "jpeg")
        return whole[: len(whole) * 3 // 4]
    if kind == "text.jpg":
        return b"this is no picture, whatever its name says\n"
    if kind == "eps.jpg":
        return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 96\n0 0 96 96 rectfill\n%%EOF\n"
    if kind == "bomb.png":
        return png_header(20000, 20000)
    raise ValueError(f"got the broken kind {kind!r}, wanted one of {BROKEN}")


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose structure is right and whose header claims this size; it holds hardly any pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    parts = [struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _colors(rng: np.random.Generator, class_index: int) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Draw a dull background and a foreground near the class's hue, whose brightness differs enough to be seen."""
    weights = np.array([0.299, 0.587, 0.114])
    while True:
        hue = (class_index / len(CLASSES) + rng.normal(0, _HUE_SPREAD)) % 1.0
        foreground = 255 * np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.5, 1.0), rng.uniform(0.4, 1.0)))
        background = rng.uniform(20, 235) + rng.uniform(-30, 30, 3)
        if abs((background - foreground) @ weights) > 60:
            red, green, blue = (int(value) for value in foreground)
            return background.clip(0, 255), (red, green, blue)


def _backdrop(rng: np.random.Generator, side: int, color: np.ndarray) -> Image.Image:
    """Return a soft gradient round the background colour."""
    x, _ = _rotated_grid(rng, side)
    slope = (x / side)[..., None] * rng.uniform(-40, 40, 3)
    return Image.fromarray((color + slope).clip(0, 255).astype(np.uint8))


def _clutter(rng: np.random.Generator, canvas: Image.Image, background: np.ndarray) -> None:
    """Scatter a few small, faint blots and lines: never as strong as the form."""
    pen, side = ImageDraw.Draw(canvas), canvas.width
    for _ in range(int(rng.integers(1, 9))):
        red, green, blue = (int(value) for value in (background + rng.uniform(-45, 45, 3)).clip(0, 255))
        x, y = rng.uniform(0, side, 2)
        dx, dy = rng.uniform(-0.15, 0.15, 2) * side
        if rng.random() < 0.5:
            pen.line([x, y, x + 2 * dx, y + 2 * dy], fill=(red, green, blue), width=max(1, side // 60))
        else:
            pen.ellipse([x, y, x + abs(dx) / 2, y + abs(dy) / 2], fill=(red, green, blue))


def _rotated_grid(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel coordinates round the centre, turned by a random angle."""
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[:side, :side].astype(np.float32) - side / 2
    return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _to_mask(inside: np.ndarray) -> Image.Image:
    return Image.fromarray(inside.astype(np.uint8) * 255)


def _place(rng: np.random.Generator, side: int) -> tuple[float, float, float, float]:
    """Return centre, radius and angle of a form that lies inside the picture's central crop."""
    radius = rng.uniform(0.26, 0.40) * side
    reach = 0.44 * side - radius
    x, y = side / 2 + rng.uniform(-reach, reach, 2)
    return x, y, radius, rng.uniform(0, 2 * math.pi)


def _polygon(rng: np.random.Generator, side: int, radii: tuple[float, ...]) -> Image.Image:
    """Draw a closed form whose corners lie at equal angles, at these shares of its radius in turn."""
    x, y, radius, angle = _place(rng, side)
    steps = [(angle + 2 * math.pi * i / len(radii), share * radius) for i, share in enumerate(radii)]
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).polygon([(x + r * math.cos(a), y + r * math.sin(a)) for a, r in steps], fill=255)
    return mask


def _circle(rng: np.random.Generator, side: int) -> Image.Image:
    x, y, radius, _ = _place(rng, side)
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    return mask


def _stripes(rng: np.random.Generator, side: int) -> Image.Image:
    x, _ = _rotated_grid(rng, side)
    period = side * rng.uniform(0.14, 0.26)
    return _to_mask((x / period + rng.random()) % 1 < rng.uniform(0.4, 0.6))


def _checkerboard(rng: np.random.Generator, side: int) -> Image.Image:
    x, y = _rotated_grid(rng, side)
    period = side * rng.uniform(0.11, 0.2)
    return _to_mask((np.floor(x / period + rng.random()) + np.floor(y / period + rng.random())) % 2 == 0)


def _dots(rng: np.random.Generator, side: int) -> Image.Image:
    x, y = _rotated_grid(rng, side)
    period = side * rng.uniform(0.16, 0.26)
    u, v = (x / period + rng.random()) % 1 - 0.5, (y / period + rng.random()) % 1 - 0.5
    return _to_mask(u**2 + v**2 < rng.uniform(0.26, 0.36) ** 2)


def _rings(rng: np.random.Generator, side: int) -> Image.Image:
    x, y = _rotated_grid(rng, side)
    distance = np.hypot(x - rng.uniform(-0.12, 0.12) * side, y - rng.uniform(-0.12, 0.12) * side)
    return _to_mask((distance / (side * rng.uniform(0.13, 0.22)) + rng.random()) % 1 < 0.5)


_MASKS = {
    "checkerboard": _checkerboard,
    "circle": _circle,
    "dots": _dots,
    "rings": _rings,
    "square": lambda rng, side: _polygon(rng, side, (1.0,) * 4),
    "star": lambda rng, side: _polygon(rng, side, (1.1, 0.45) * 5),
    "stripes": _stripes,
    "triangle": lambda rng, side: _polygon(rng, side, (1.15,) * 3),
}
