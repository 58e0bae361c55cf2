"""What ``--resize_short_side`` gains and costs: bytes, images a CPU-second of training input, levels of 255.

Command (a minute on 2 cores)::

    python bench/resize_short_side.py --photographs /data/imagenet [--short_side 320]

Bytes and CPU seconds are of all photographs, as stored by a conversion with and without; the training preprocessing is
Inception's for 299 px, in turn, three times, of which the first is dropped. Levels are of the same window of the same
picture, drawn as training draws it and resized to 299 px: ten of each of the first 50 photographs.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import photographs
import tensorflow.compat.v1 as tf

from sparkcv import preprocess
from sparkcv.preprocess import augment, decode, picture_file
from sparkcv.preprocess.picture_file import PictureRules

SIZE, ROUNDS, COMPARED, WINDOWS = 299, 3, 50, 10


def main() -> int:
    """Measure, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    photographs.add_flag(parser)
    parser.add_argument("--short_side", type=int, default=320)
    flags = parser.parse_args()
    if flags.photographs is None:
        parser.error("--photographs is wanted: drawn pictures have other frequencies than photographs")
    tf.disable_eager_execution()
    files = sorted(path for path in flags.photographs.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    stored = {
        side: [picture_file.read(file.read_bytes(), rules(side)).encoded for file in files]
        for side in (None, flags.short_side)
    }
    sizes = {side: statistics.mean(map(len, encoded)) for side, encoded in stored.items()}
    cpu_s: dict[int | None, list[float]] = {side: [] for side in stored}
    for _ in range(ROUNDS):
        for side, encoded in stored.items():
            cpu_s[side].append(prepared(encoded))
    mean, most = differences(*(encoded[:COMPARED] for encoded in stored.values()))
    for side, seconds in cpu_s.items():
        rate = len(files) / statistics.median(seconds[1:])
        print(f"| {side or 'as they are'} | {sizes[side] / 1000:.1f} kB | {rate:.0f} |")
    print(f"the same windows differ by {mean:.2f} levels of 255 in the mean, {most:.0f} at most", file=sys.stderr)
    return 0


def rules(short_side: int | None) -> PictureRules:
    """Return how files are read; all as they are stored, so that windows are of the same part of both."""
    return PictureRules(short_side=short_side, use_orientation=False)


def prepared(encoded: list[bytes]) -> float:
    """Return the CPU seconds that training's preprocessing of all takes."""
    with tf.Graph().as_default(), tf.Session() as session:
        data = tf.data.Dataset.from_tensor_slices(tf.constant(encoded))
        data = data.map(lambda picture: preprocess.get("inception").for_train(picture, SIZE)).repeat(2)
        following = tf.data.make_one_shot_iterator(data).get_next().op
        for _ in encoded:
            session.run(following)
        begin = time.process_time()
        for _ in encoded:
            session.run(following)
        return time.process_time() - begin


def differences(originals: list[bytes], resized: list[bytes]) -> tuple[float, float]:
    """Return the mean and the largest difference, in levels of 255, of the same windows of both."""
    with tf.Graph().as_default(), tf.Session() as session:
        picture, other = tf.placeholder(tf.string, []), tf.placeholder(tf.string, [])
        whole, small = decode.decode(picture), decode.decode(other)
        window = augment.random_window(tf.shape(whole), seed=1)
        top, left, height, width = tf.unstack(tf.cast(window, tf.float32))
        sides = tf.cast(tf.tile(tf.shape(whole)[:2], [2]), tf.float32)
        box = tf.stack([top, left, top + height, left + width]) / sides
        cut = [
            tf.image.crop_and_resize(tf.cast(pixels[None], tf.float32), box[None], [0], [SIZE, SIZE])
            for pixels in (whole, small)
        ]
        means, largest = [], 0.0
        for pair in zip(originals, resized, strict=True):
            for _ in range(WINDOWS):
                one, two = session.run(cut, dict(zip((picture, other), pair, strict=True)))
                means.append(np.abs(one - two).mean())
                largest = max(largest, float(np.abs(one - two).max()))
        return float(np.mean(means)), largest


if __name__ == "__main__":
    sys.exit(main())
