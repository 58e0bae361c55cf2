"""One side of R1: epochs of local shards as batches for Inception v3 at 299 px, by one of four inputs.

``ours`` is a worker's input. ``bare`` is what a good engineer writes by hand for the same shards and the same
distortions: no list of what is broken, no checks, no counts. ``slim`` is TF-Slim's own readers, decoder, queues and
preprocessing, the latter from a checkout. ``same`` measures nothing: it ends with an error unless ours and the bare
one give the same bits of the same picture by the same seed.

Counted is all from the opening of the input to the last batch; imports and the first session, which takes a second
of its own, are not.
"""

import argparse
import glob
import pathlib
import sys
import tempfile
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from feed import CORES, drain, open_spool
from side_by_side import Watch

from sparkcv import preprocess
from sparkcv.config import TrainConfig
from sparkcv.inputs.batches import COMMON_QUEUE_BATCHES, train_batches
from sparkcv.preprocess.augment import MIN_CROP_AREA, op_seed
from sparkcv.records.shards import open_dataset

SIZE, BATCH, READERS, PREFETCH = 299, 32, 4, 2


def main() -> int:
    """Feed, and print the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", choices=["ours", "bare", "slim", "same"], required=True)
    parser.add_argument("--dataset_dir", required=True)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--slim", type=pathlib.Path, help="research/slim of a checkout of tensorflow/models")
    flags = parser.parse_args()
    tf.disable_eager_execution()
    files = sorted(glob.glob(f"{glob.escape(flags.dataset_dir)}/*.tfrecord"))
    if flags.how == "same":
        return compare(files[0])
    num_batches = flags.epochs * open_dataset(flags.dataset_dir, "photographs", "train").num_records // BATCH
    with tf.Graph().as_default(), session() as first:
        first.run(tf.constant(0))
    if flags.how == "ours":
        watch = ours(flags.dataset_dir, num_batches)
    else:
        with Watch() as watch:
            fetch = bare(files) if flags.how == "bare" else slims(files, flags.slim)
            run(fetch, num_batches)
    watch.tell(num_batches * BATCH)
    return 0


def ours(dataset_dir: str, num_batches: int) -> Watch:
    """Feed as a worker does."""
    config = TrainConfig(
        dataset_dir=dataset_dir,
        dataset_name="photographs",
        train_image_size=SIZE,
        batch_size=BATCH,
        num_preprocessing_threads=CORES,
    )
    dataset = open_dataset(dataset_dir, config.dataset_name, config.dataset_split_name)
    with tempfile.TemporaryDirectory() as scratch, Watch() as watch, open_spool(dataset, scratch) as spool:
        batches = train_batches(spool, config, preprocess.get("inception"), image_size=SIZE, record_bytes=110_000)
        drain([tensor.op for tensor in batches.next_batch()], num_batches, spool)
    return watch


def bare(files: list[str]) -> list[Any]:
    """Return what to run for each batch of a plain tf.data input, with the same capacities as ours."""
    data = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files)).repeat()
    data = data.interleave(tf.data.TFRecordDataset, cycle_length=READERS, block_length=1)
    data = data.shuffle(COMMON_QUEUE_BATCHES * BATCH)
    data = data.map(by_hand, num_parallel_calls=CORES, deterministic=False)
    data = data.batch(BATCH, drop_remainder=True).prefetch(PREFETCH)
    options = tf.data.Options()
    options.threading.private_threadpool_size = CORES
    options.threading.max_intra_op_parallelism = 1
    options.autotune.enabled = False
    iterator = tf.data.make_initializable_iterator(data.with_options(options))
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return [tensor.op for tensor in iterator.get_next()]


def by_hand(serialized: Any, seed: int | None = None) -> tuple[Any, Any]:
    """Return image and label: TF-Slim's distortions of Inception, decoding no more of a JPEG than its window."""
    features = tf.io.parse_single_example(
        serialized,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        },
    )
    encoded = features["image/encoded"]
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        tf.image.extract_jpeg_shape(encoded),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        min_object_covered=0.1,
        aspect_ratio_range=(0.75, 1.33),
        area_range=(MIN_CROP_AREA, 1.0),
        max_attempts=100,
        use_image_if_no_bounding_boxes=True,
        seed=op_seed(seed, 0),
    )
    window = tf.concat([begin[:2], size[:2]], axis=0)
    pixels = tf.image.decode_and_crop_jpeg(encoded, window, channels=3, dct_method="INTEGER_ACCURATE")
    image = tf.image.resize_bilinear(tf.expand_dims(pixels, 0), [SIZE, SIZE])[0] * (1.0 / 255.0)
    image = tf.image.random_flip_left_right(image, seed=op_seed(seed, 1))
    image = tf.image.random_brightness(image, max_delta=32.0 / 255.0, seed=op_seed(seed, 2))
    image = tf.image.random_saturation(image, 0.5, 1.5, seed=op_seed(seed, 3))
    image = (tf.clip_by_value(image, 0.0, 1.0) - 0.5) * 2.0
    image.set_shape([SIZE, SIZE, 3])
    return image, features["image/class/label"]


def slims(files: list[str], checkout: pathlib.Path) -> list[Any]:
    """Return what to run for each batch of TF-Slim's input, as its train_image_classifier.py makes it."""
    from sparkcv.nets.slim import quick, slim  # noqa: F401 - makes tf_slim importable

    sys.path.insert(0, str(checkout))
    from tensorflow.python.ops import control_flow_ops

    control_flow_ops.case, control_flow_ops.cond = tf.case, tf.cond  # TensorFlow 2.21 has moved them since
    from preprocessing import inception_preprocessing
    from tf_slim.data import dataset as slim_dataset
    from tf_slim.data import dataset_data_provider, tfexample_decoder

    decoder = tfexample_decoder.TFExampleDecoder(
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string, default_value=""),
            "image/format": tf.io.FixedLenFeature([], tf.string, default_value="jpg"),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64, default_value=0),
        },
        {"image": tfexample_decoder.Image(), "label": tfexample_decoder.Tensor("image/class/label")},
    )
    described = slim_dataset.Dataset(files, tf.TFRecordReader, decoder, len(files), {"image": "", "label": ""})
    provider = dataset_data_provider.DatasetDataProvider(
        described,
        num_readers=READERS,
        common_queue_capacity=COMMON_QUEUE_BATCHES * BATCH,
        common_queue_min=COMMON_QUEUE_BATCHES * BATCH // 2,
    )
    image, label = provider.get(["image", "label"])
    image = inception_preprocessing.preprocess_image(image, SIZE, SIZE, is_training=True)
    images, labels = tf.train.batch([image, label], batch_size=BATCH, num_threads=CORES, capacity=5 * BATCH)
    return [images.op, labels.op]


def session() -> tf.Session:
    """Return a session with as many threads as cores."""
    return tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=CORES, inter_op_parallelism_threads=CORES))


def run(fetch: object, num_batches: int) -> None:
    """Run so many batches, as ``feed.drain`` does for ours."""
    coordinator = tf.train.Coordinator()
    with session() as running:
        running.run([tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()])
        tf.train.start_queue_runners(running, coordinator)
        for _ in range(num_batches):
            running.run(fetch)
        coordinator.request_stop()


def compare(file: str) -> int:
    """Compare the pictures of ours and of the bare input by seed, bit for bit."""
    records = list(tf.io.tf_record_iterator(file))[:8]
    for seed, record in enumerate(records, 1):  # 0 is none to TensorFlow
        with tf.Graph().as_default(), session() as running:
            serialized = tf.constant(record)
            image, _ = by_hand(serialized, seed)
            encoded = tf.train.Example.FromString(record).features.feature["image/encoded"].bytes_list.value[0]
            mine = preprocess.get("inception").for_train(tf.constant(encoded), SIZE, seed=seed)
            pair = running.run([image, mine])
        if not np.array_equal(*pair):
            sys.exit(f"the two inputs differ by {np.abs(pair[0] - pair[1]).max()} in picture {seed} of {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
