"""Drawn digits: what the programs train on in the place of MNIST, which nobody has to fetch."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 28


def digits(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return ``count`` pictures ``[count, 28, 28]`` of uint8 and their labels; classes come round in turn."""
    random = np.random.default_rng(seed)
    font = ImageFont.load_default(20)
    pictures = np.zeros((count, SIDE, SIDE), np.uint8)
    labels = np.arange(count) % 10
    for at, label in enumerate(labels):
        image = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(image).text(tuple(random.integers(6, 11, 2)), str(label), 255, font, "lt")
        pictures[at] = np.clip(np.asarray(image, np.int16) + random.integers(0, 40, (SIDE, SIDE)), 0, 255)
    return pictures, labels
