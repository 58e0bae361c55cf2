"""One side of the input's memory: batches through the input of one checkout; prints what the process held at most.

``base_bytes`` is what it held with TensorFlow imported and a session that had run, before anything of the input;
``peak_bytes`` is the most at any time, pages of mapped files included, as YARN counts them.
"""

import argparse
import json
import pathlib
import re
import sys
import tempfile


def main() -> None:
    """Feed, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", required=True)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--batches", type=int, required=True)
    flags = parser.parse_args()
    sys.path[:0] = [f"{flags.checkout}/bench", flags.checkout]
    import tensorflow.compat.v1 as tf
    from feed import CORES, drain, open_spool

    from sparkcv import preprocess
    from sparkcv.config import TrainConfig
    from sparkcv.inputs.batches import train_batches
    from sparkcv.records.shards import open_dataset

    tf.disable_eager_execution()
    config = TrainConfig(
        dataset_dir=flags.dataset_dir,
        dataset_name="photographs",
        train_image_size=299,
        batch_size=32,
        num_preprocessing_threads=CORES,
    )
    dataset = open_dataset(flags.dataset_dir, config.dataset_name, config.dataset_split_name)
    with tf.Graph().as_default(), tf.Session() as first:
        first.run(tf.image.decode_jpeg(tf.image.encode_jpeg(tf.zeros([64, 64, 3], tf.uint8))))
    base = resident("VmRSS")
    with tempfile.TemporaryDirectory() as scratch, open_spool(dataset, scratch) as spool:
        batches = train_batches(spool, config, preprocess.get("inception"), image_size=299, record_bytes=110_000)
        drain([tensor.op for tensor in batches.next_batch()], flags.batches, spool)
    print(json.dumps({"base_bytes": base, "peak_bytes": resident("VmHWM")}), flush=True)


def resident(name: str) -> int:
    """Return a number of bytes of this process's status."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", pathlib.Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
