"""The nets and losses of GAN-CLS against the same sums in NumPy; what a loss trains; which picture is wrong."""

import numpy as np
import pytest

from sparkcv.inputs import caption_labels
from sparkcv.nets.slim import tf
from sparkcv.records import characters
from sparkcv.records.example import FeatureNames
from sparkcv.text2image import gan_losses, gan_nets, gan_tower, text_encoder
from sparkcv.text2image.gan_losses import GanWeights
from sparkcv.text2image.gan_spec import GanSpec
from sparkcv.train import step
from tests.text2image import plain_gan

pytestmark = pytest.mark.tensorflow

SPEC = GanSpec(text_size=6, image_size=64, z_size=5, text_units=7, gf=8, df=8)


@pytest.mark.parametrize(("share", "target"), [(0.5, 1.0), (1.0, 0.9)])
def test_the_losses_are_those_of_plain_sums_at_equal_weights(share, target):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (3, 64, 64, 3))
    texts, z = rng.normal(size=(3, 6)), rng.normal(size=(3, 5))
    other, has_other = np.array([1, 2, 0]), np.array([1.0, 0.0, 1.0])
    with tf.Graph().as_default(), tf.Session() as session:
        said, shown = tf.constant(texts, tf.float32), tf.constant(images, tf.float32)
        made = gan_nets.generate(SPEC, said, tf.constant(z, tf.float32), is_training=True)
        logits = [
            gan_nets.discriminate(SPEC, seen, said, is_training=True, reuse=reuse)
            for seen, reuse in ((shown, None), (tf.gather(shown, other), True), (made, True))
        ]
        got = gan_losses.losses(*logits, tf.constant(has_other, tf.float32), GanWeights(share, target))
        num_updates = len(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        variables = tf.global_variables()
        values = {}
        for variable in variables:  # statistics, scales and biases of no use would hide what is left out
            mean = 1.0 if variable.op.name.endswith("gamma") else 0.0
            values[variable.op.name] = rng.normal(mean, 0.1, variable.shape.as_list())
            variable.load(values[variable.op.name], session)
        seen, losses = session.run([made, got])
    wanted = plain_gan.generate(values, texts, z)
    assert np.abs(seen - wanted).max() < 1e-4
    real, wrong, fake = (plain_gan.discriminate(values, each, texts) for each in (images, images[other], wanted))
    plain = (
        plain_gan.cross_entropy(real, target).mean(),
        share * plain_gan.cross_entropy(wrong, 0)[[0, 2]].mean(),
        share * plain_gan.cross_entropy(fake, 0).mean(),
        plain_gan.cross_entropy(fake, 1).mean(),
    )
    assert np.allclose(losses, plain, atol=1e-4)
    assert len(set(np.round(plain, 3))) == 4
    assert num_updates == 2 * (4 + 4)  # of each normalisation once: the averages of wrong and made pictures are not


def test_shapes_are_those_of_the_paper():
    with tf.Graph().as_default():
        texts, images = tf.zeros([2, 4800]), tf.zeros([2, 64, 64, 3])
        spec = GanSpec(text_size=4800)
        assert gan_nets.generate(spec, texts, tf.zeros([2, 100]), is_training=True).shape.as_list() == [2, 64, 64, 3]
        assert gan_nets.discriminate(spec, images, texts, is_training=True).shape.as_list() == [2]
        shapes = {variable.op.name: variable.shape.as_list() for variable in tf.trainable_variables()}
    assert shapes["generator/text/weights"] == [4800, 256]
    assert shapes["generator/project/weights"] == [356, 4 * 4 * 512]
    assert shapes["generator/deconv1/weights"] == [5, 5, 256, 512]
    assert shapes["generator/deconv4/weights"] == [5, 5, 3, 64]
    assert shapes["discriminator/conv3/weights"] == [5, 5, 256, 512]
    assert shapes["discriminator/join/weights"] == [1, 1, 512 + 256, 512]
    assert shapes["discriminator/logit/weights"] == [4 * 4 * 512, 1]


def test_a_wrong_picture_has_no_caption_that_is_the_text():
    # Pictures 0 and 2 share the caption 7; 3 has all captions that there are.
    of_pictures = np.array([[7, 8, -1], [9, -1, -1], [7, 6, -1], [7, 9, 6]])
    texts = np.array([7, 9, 6, 7])
    with tf.Graph().as_default(), tf.Session() as session:
        drawn = gan_losses.wrong_of(tf.constant(texts), tf.constant(of_pictures))
        found = [session.run(drawn) for _ in range(40)]
    for index, has in found:
        assert has.tolist() == [1, 1, 1, 1]
        for text, picture in zip(texts, index, strict=True):
            assert text not in of_pictures[picture]
    assert {row[1] for row, _ in found} == {0, 2}  # each of those that there are
    with tf.Graph().as_default(), tf.Session() as session:
        same = tf.constant([[7, -1], [7, -1]], tf.int64)
        assert session.run(gan_losses.wrong_of(same[:, 0], same)[1]).tolist() == [0, 0]


def test_each_loss_trains_its_own_net_and_words_are_the_discriminators():
    names = FeatureNames(longest=5, digests=2)
    spec = GanSpec(5, num_words=9, image_size=16, z_size=3, text_units=4, gf=2, df=2, word_size=4)
    tower = gan_tower.build_tower(spec, names)
    with tf.Graph().as_default():
        labels = tf.constant([[1, 4, 2, -1, -1, 44, 44, -1], [1, 3, 3, 5, 2, 55, 55, 56]], tf.int64)
        losses, _ = tower(tf.zeros([2, 16, 16, 3]), labels, None)
        of_generator = tf.gradients(losses[1], tf.trainable_variables())
        trained = {
            scope: {each.op.name for each in tf.trainable_variables() if each.op.name.startswith(scope)}
            for scope in tower.scopes
        }
        of_words = [each for each in tf.trainable_variables() if "/words/" in each.op.name]
        assert {each.op.name for each in tf.trainable_variables()} == set.union(*trained.values())
        assert {each.op.name for each in of_words} <= trained["discriminator/"]
        assert all(each is not None for each in tf.gradients(losses[0], of_words))
        assert any(each is not None for each in of_generator)
        assert [each.op.name for each in tf.get_collection(step.RECORDED)] == [
            "real_loss", "wrong_loss", "fake_loss", "generator_loss",
        ]  # fmt: skip
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            (png,) = session.run(tf.get_collection(step.SAMPLES))
            assert tf.image.decode_png(png).eval().shape == (64, 64, 3)


def test_the_order_of_words_counts_and_what_is_behind_the_end_does_not():
    spec = GanSpec(4, num_words=9, word_size=4)
    with tf.Graph().as_default(), tf.Session() as session:
        texts = tf.constant([[1, 4, 5, 2], [1, 5, 4, 2], [1, 4, 2, -1]], tf.int64)
        long = tf.pad(texts, [[0, 0], [0, 3]], constant_values=-1)
        short, padded = text_encoder.encode(spec, texts), text_encoder.encode(spec, long, reuse=True)
        session.run(tf.global_variables_initializer())
        got, same = session.run([short, padded])
    assert np.allclose(got, same, atol=1e-6)
    assert np.abs(got[0] - got[1]).max() > 1e-4
    vectors = tf.zeros([2, 6])
    assert text_encoder.encode(GanSpec(6), vectors) is vectors


def test_the_characters_encoder_is_the_papers_by_plain_sums():
    spec = GanSpec(characters.LENGTH, word_size=6, by_characters=True)
    texts = np.full((3, characters.LENGTH), -1)
    for row, caption in zip(texts, ("a red ring", "a small blue star, " * 8, "x" * characters.LENGTH), strict=True):
        ids = characters.encode(caption.split())
        row[: len(ids)] = ids
    with tf.Graph().as_default(), tf.Session() as session:
        encoded = text_encoder.encode(spec, tf.constant(texts, tf.int64))
        assert encoded.shape.as_list() == [3, 6]
        rng = np.random.default_rng(0)
        values = {}
        for variable in tf.trainable_variables():
            values[variable.op.name.removeprefix("discriminator/characters/")] = value = rng.normal(
                0, 0.3, variable.shape.as_list()
            )
            variable.load(value, session)
        got = session.run(encoded)
    assert {name: value.shape for name, value in values.items() if "bias" not in name} == {
        "conv0/weights": (4, 70, 9),
        "conv1/weights": (4, 9, 12),
        "conv2/weights": (4, 12, 6),
        "seen/weights": (6, 6),
        "recurrent": (6, 6),
        "text/weights": (6, 6),
    }
    assert np.allclose(got, plain_gan.read_characters(values, texts), atol=1e-4)
    assert np.abs(got[0] - got[1]).max() > 1e-2


@pytest.mark.parametrize("vector", [0, 3])
def test_a_label_is_a_text_with_digests_of_it_and_of_all_captions(vector):
    names = FeatureNames(longest=5, digests=3, vector=vector)
    captions = [[1, 4, 2], [1, 4, 4, 6, 2]]
    vectors = np.array([[0.5, -2.25, 3e-8], [1.0, float(2**20) + 1, -0.0]], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        ids = tf.sparse.from_dense(tf.constant([[1, 4, 2, 0, 0], [1, 4, 4, 6, 2]], tf.int64))
        found = {"image/caption_ids": ids, "image/caption_vectors": tf.constant(vectors)}
        labels = tf.stack([caption_labels.label(found, names, (0, number)) for number in range(8)])
        texts, own, of_pictures = session.run(caption_labels.divide(labels, names))
    assert len(set(own)) == 2  # both are drawn
    assert of_pictures.shape == (8, 3)
    assert (of_pictures == of_pictures[0]).all()
    assert of_pictures[0, 2] == -1
    for text, digest in zip(texts, own, strict=True):
        number = of_pictures[0].tolist().index(digest)
        wanted = vectors[number] if vector else [*captions[number], -1, -1][:5]
        assert np.array_equal(text, wanted)
