"""Each normalization is NumPy's formula of the evaluation's pixels, on every path, or cannot be made."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv import preprocess
from sparkcv.config.normalization import NORMALIZATIONS
from sparkcv.errors import DataError, UsageError
from sparkcv.preprocess.normalization import OWN_RANGE, Normalization
from sparkcv.records.statistics import FittedOn, Moments
from tests.preprocess.conftest import encoded

pytestmark = pytest.mark.tensorflow

SIZE = 8


def statistics(whitening, *, grey=False):
    channels = 1 if grey else 3
    of = FittedOn("shapes", "train", "ab" * 32, 50, "lenet", SIZE, grey, "accurate")
    moments = Moments((SIZE, SIZE, channels), has_covariance=bool(whitening))
    moments.add(np.random.default_rng(1).uniform(size=(50, SIZE, SIZE, channels)).astype(np.float32))
    return moments.fit(of, whitening, 0.01)


def formula(kind, x, found):
    if kind == "rescale":
        return x
    if kind == "mean":
        return x - found.mean
    if kind == "per_image":
        return (x - x.mean()) / max(x.std(), 1 / np.sqrt(x.size))
    if kind == "feature_wise":
        return (x - found.mean) / found.deviation
    return ((x.reshape(-1) - found.center) @ found.matrix.astype(np.float64)).reshape(x.shape)


@pytest.mark.parametrize("grey", [False, True])
def test_each_kind_is_its_formula_and_the_same_in_training_and_evaluation(png, grey):
    kinds = {
        kind: statistics(kind if kind in ("pca", "zca") else "", grey=grey)
        if kind in ("mean", "feature_wise", "pca", "zca")
        else None
        for kind in NORMALIZATIONS[1:]
    }
    with tf.Graph().as_default(), tf.Session() as session:
        family = preprocess.get("lenet")
        wanted = (family.for_eval(png, SIZE, use_grayscale=grey) * 128.0 + 128.0) / 255.0
        both = {}
        for kind, found in kinds.items():
            ours = family.normalized(Normalization(kind, found))
            both[kind] = (
                ours.for_train(png, SIZE, use_grayscale=grey),
                ours.for_eval(png, SIZE, use_grayscale=grey),
            )
        pixels, got = session.run([wanted, both])
    for kind, (trained, evaluated) in got.items():
        np.testing.assert_array_equal(trained, evaluated, err_msg=kind)
        assert evaluated.dtype == np.float32
        np.testing.assert_allclose(
            evaluated, formula(kind, pixels.astype(np.float64), kinds[kind]), atol=2e-4, err_msg=kind
        )


def test_every_family_hands_out_the_pixels_that_it_scales():
    data = encoded("RGB", "PNG", 40, 40)
    names = ("charnet", "inception", "inception_square", "vgg", "cifarnet", "lenet")
    with tf.Graph().as_default(), tf.Session() as session:
        rescaled = Normalization("rescale")
        made = {
            name: [
                each
                for grey in (False, True)
                for each in (
                    preprocess.get(name).normalized(rescaled).for_eval(data, 24, use_grayscale=grey),
                    preprocess.get(name).for_eval(data, 24, use_grayscale=grey),
                )
            ]
            for name in names
        }
        found = session.run(made)
    for name, (colour, own, grey, own_grey) in found.items():
        assert colour.shape == (24, 24, 3)
        assert grey.shape == (24, 24, 1)
        for pixels, scaled in ((colour, own), (grey, own_grey)):
            assert 0 <= pixels.min() < pixels.max() <= 1 + 1e-6, name
            fit = np.corrcoef(pixels.mean(-1).ravel(), scaled.mean(-1).ravel())[0, 1]
            # The family's own is a linear scale of them; charnet's is of ink, and of grey that is rounded to bytes.
            assert (-fit if name == "charnet" else fit) > 0.99999 - (name == "charnet") * 1e-3, name


def test_a_model_says_its_range():
    family = preprocess.get("inception")
    assert family.value_range == "[-1, 1]"
    assert family.normalized(Normalization("rescale")).value_range == "[0, 1]"
    assert all(Normalization(kind).value_range for kind in ("rescale", "per_image"))
    assert OWN_RANGE.is_own


def test_what_does_not_go_together_cannot_be_made():
    with pytest.raises(UsageError, match="zca without statistics"):
        Normalization("zca")
    with pytest.raises(UsageError, match="rescale with statistics"):
        Normalization("rescale", statistics(""))
    with pytest.raises(UsageError, match="got 'zac', wanted one of own, rescale"):
        Normalization("zac")
    with pytest.raises(DataError, match=r"the statistics of shapes/train .* have no whitening, wanted zca"):
        Normalization("zca", statistics(""))
    with pytest.raises(DataError, match="have pca, wanted zca"):
        Normalization("zca", statistics("pca"))
