"""One side of R8: a folder of JPEG files into one shard, or into a copy of their bytes, in one process.

``ours`` is what a Spark task of the conversion does for its shard: read, look at the header, write the record, list
what cannot be used. ``slim`` is what TF-Slim's build scripts do for each file: read it, decode it in a session to learn
its height and width, write a ``tf.train.Example``. ``copy`` reads each file and writes its bytes behind each other.
Imports, the session and its first picture are not counted; items are bytes of the files.
"""

import argparse
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable

from side_by_side import Watch

Work = Callable[[list[pathlib.Path], pathlib.Path], None]


def main() -> int:
    """Convert, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", choices=sorted(SIDES), required=True)
    parser.add_argument("--pictures", type=pathlib.Path, required=True)
    parser.add_argument("--times", type=int, default=5, help="how often each file is taken")
    flags = parser.parse_args()
    files = sorted(flags.pictures.iterdir()) * flags.times
    with tempfile.TemporaryDirectory() as folder:
        work = SIDES[flags.how]()
        work(files[:3], pathlib.Path(folder, "first"))
        with Watch() as watch:
            work(files, pathlib.Path(folder, "shard"))
    watch.tell(sum(os.path.getsize(file) for file in files))
    return 0


def ours() -> Work:
    """Return the work of a conversion's task."""
    from sparkcv.convert.shard_writer import ShardRow, ShardTarget, write_shard
    from sparkcv.preprocess.picture_file import PictureRules

    def work(files: list[pathlib.Path], to: pathlib.Path) -> None:
        target = ShardTarget(str(to), f"{to}.jsonl", str(files[0].parent), ("picture",), PictureRules())
        rows = (ShardRow(os.fsencode(file.name), 0, 0, os.path.getsize(file)) for file in files)
        summary = write_shard(rows, target)
        if summary.entry.records != len(files):
            sys.exit(f"of {len(files)} pictures {summary.entry.records} were converted: {summary.reasons}")

    return work


def slims() -> Work:
    """Return the work of TF-Slim's build scripts, whose ``ImageReader`` decodes each picture for its size."""
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    encoded = tf.placeholder(tf.string)
    pixels = tf.image.decode_jpeg(encoded, channels=3)
    threads = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    session = tf.Session(config=threads)

    def of_bytes(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def of_ints(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def work(files: list[pathlib.Path], to: pathlib.Path) -> None:
        with tf.io.TFRecordWriter(str(to)) as writer:
            for file in files:
                with tf.io.gfile.GFile(str(file), "rb") as opened:
                    data = opened.read()
                height, width, _ = session.run(pixels, {encoded: data}).shape
                features = {
                    "image/encoded": of_bytes(data),
                    "image/format": of_bytes(b"jpg"),
                    "image/class/label": of_ints(0),
                    "image/height": of_ints(height),
                    "image/width": of_ints(width),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())

    return work


def copies() -> Work:
    """Return a copy of the bytes, file behind file."""

    def work(files: list[pathlib.Path], to: pathlib.Path) -> None:
        with open(to, "wb") as sink:
            for file in files:
                sink.write(file.read_bytes())

    return work


SIDES = {"copy": copies, "ours": ours, "slim": slims}


if __name__ == "__main__":
    sys.exit(main())
