"""One tensor on all paths: what training and evaluation read of a converted file is what scoring makes of the file."""

import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from sparkcv import preprocess, synthetic
from sparkcv.config.normalization import NEEDS_STATISTICS, WHITENINGS
from sparkcv.convert.shard_writer import ShardRow, ShardTarget, write_shard
from sparkcv.inputs import pipeline
from sparkcv.inputs.batches import eval_batches
from sparkcv.inputs.pipeline import Reading
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.validate import ImageCheck
from sparkcv.predict.engines.decoding import TFDecoder
from sparkcv.preprocess import picture_file
from sparkcv.preprocess.normalization import Normalization
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records import example, tfrecord
from sparkcv.records.assignment import Assignment
from sparkcv.records.shards import Shard
from sparkcv.records.statistics import FittedOn, Moments

pytestmark = pytest.mark.tensorflow

SIZE = 24


def odd_files():
    """A file of each format, of each orientation, transparent and of 16 bits."""
    picture = synthetic.draw(0, seed=3, size=48).resize((60, 40))
    made = {}

    def add(name, image, file_format, **options):
        buffer = io.BytesIO()
        image.save(buffer, file_format, **options)
        made[name] = buffer.getvalue()

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"{orientation}.jpg", picture, "JPEG", exif=exif)
        add(f"{orientation}.png", picture, "PNG", exif=exif)
    for file_format in ("GIF", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000"):
        add(f"a.{file_format}", picture, file_format)
    for mode in ("L", "P", "1", "CMYK"):
        add(f"{mode}.tif", picture.convert(mode), "TIFF")
    clear = picture.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    for file_format in ("PNG", "WEBP", "TIFF", "GIF"):
        add(f"clear.{file_format}", clear, file_format)
    add("cmyk.jpg", picture.convert("CMYK"), "JPEG")
    add("palette.bmp", picture.convert("P"), "BMP")
    add("16.png", Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257), "PNG")
    return made


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The files, and the shard that conversion makes of them."""
    folder = tmp_path_factory.mktemp("pictures")
    files = odd_files()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    shard = folder / "shard"
    rows = [ShardRow(name.encode(), 1, 0, -1) for name in files]
    target = ShardTarget(str(shard), f"{shard}.jsonl", str(folder), ("a", "b"), PictureRules())
    summary = write_shard(rows, target)
    assert summary.reasons == {}
    return files, Shard(str(shard), len(files), shard.stat().st_size, None)


def normalized_by(kind):
    """A normalization whose numbers are of a dataset that is not the files'."""
    if kind not in NEEDS_STATISTICS:
        return Normalization(kind)
    moments = Moments((SIZE, SIZE, 3), has_covariance=kind in WHITENINGS)
    moments.add(np.random.default_rng(2).uniform(size=(20, SIZE, SIZE, 3)).astype(np.float32))
    of = FittedOn("other", "train", "ab" * 32, 20, "inception", SIZE, False, "accurate")
    return Normalization(kind, moments.fit(of, kind if kind in WHITENINGS else "", 0.01))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "own") for name in ("charnet", "inception", "vgg", "lenet")),
        ("charnet", "mean"),
        ("inception", "feature_wise"),
        ("inception_square", "rescale"),
        ("lenet", "zca"),
        ("vgg", "per_image"),
    ],
)
def test_training_evaluation_and_scoring_give_equal_bits_for_every_file(converted, tmp_path, name, kind):
    files, shard = converted
    normalization = normalized_by(kind)
    family = preprocess.get(name).normalized(normalization)
    part = [Assignment(shard)]
    spool = Spool(part, str(tmp_path), max_bytes=1 << 24, seed=None, num_epochs=1, check=ImageCheck(2))
    with spool, tf.Graph().as_default(), tf.Session() as session:
        batches = eval_batches(spool, family, image_size=SIZE, batch_size=len(files))
        session.run(batches.initializer)
        evaluated = session.run(batches.images)
    rules = PictureRules(compress_level=0)
    decoder = TFDecoder(name, SIZE, normalization=normalization)
    seen = [picture_file.read(data, rules) for data in files.values()]
    scored = decoder.decode([(each.encoded, each.orientation) for each in seen])
    decoder.close()
    for file, ours, theirs in zip(files, evaluated, scored, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=file)
    if name in ("charnet", "lenet"):  # they distort nothing in training
        with tf.Graph().as_default(), tf.Session() as session:
            serialized = tf.placeholder(tf.string, [])
            trained = family.for_train(pipeline.parse(serialized, Reading())[0], SIZE)
            with open(shard.url, "rb") as source:
                records = list(tfrecord.read_records(source.read(), "shard"))
            for ours, record in zip(evaluated, records, strict=True):
                np.testing.assert_array_equal(ours, session.run(trained, {serialized: bytes(record.payload)}))


def parsed(payload, reading):
    with tf.Graph().as_default(), tf.Session() as session:
        picture, label, _ = pipeline.parse(tf.constant(payload), reading)
        return session.run([picture.encoded, tf.cast(picture.orientation, tf.int64), label])


def test_a_foreign_record_is_turned_only_where_that_is_asked(converted):
    data = converted[0]["6.jpg"]
    slims = example.encode(example.ImageExample(data, "jpeg", 1))
    assert parsed(slims, Reading())[1] in (0, 1)  # neither turns anything
    assert parsed(slims, Reading(use_exif=True))[1] == 6
    ours = example.encode(example.ImageExample(data, "jpeg", 1, orientation=3))
    assert parsed(ours, Reading())[1] == 3
    assert parsed(ours, Reading(use_exif=True))[1] == 3


def test_named_features_and_labels_of_text_are_read():
    names = example.FeatureNames("image", "label", ("cat", "dög"))
    payload = example.encode_features({"image": b"bytes", "label": "dög".encode()})
    encoded, _, label = parsed(payload, Reading(names))
    assert (encoded, label) == (b"bytes", 1)
    assert example.decode(payload, names=names).label == 1


@pytest.mark.parametrize("name", ["inception", "vgg"])
def test_pictures_of_slims_shards_keep_slims_bits_where_its_arithmetic_is_asked_for(converted, name):
    family = preprocess.get(name)
    for file in ("6.jpg", "clear.PNG", "cmyk.jpg"):
        data = converted[0][file]
        payload = example.encode(example.ImageExample(data, "jpeg", 1))
        with tf.Graph().as_default(), tf.Session() as session:
            picture, _, _ = pipeline.parse(tf.constant(payload), Reading(jpeg_arithmetic="fast"))
            ours = family.for_eval(picture, SIZE)
            slims = tf.image.decode_image(data, channels=3, expand_animations=False)  # slim's own decoder
            png = tf.image.encode_png(slims)
            theirs = family.for_eval(png, SIZE)
            got, wanted = session.run([ours, theirs])
        np.testing.assert_array_equal(got, wanted, err_msg=file)
