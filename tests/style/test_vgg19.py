"""VGG-19's weights in each form, and each way in which a file is not one."""

import hashlib
import pathlib

import numpy as np
import pytest

from sparkcv.errors import CheckpointError, MissingFileError, ModelError, UsageError
from sparkcv.style import vgg19_weights
from sparkcv.style.vgg19_weights import ENTRIES
from tests.style.vgg19_files import MEAN, NARROW, random_weights, write_checkpoint, write_mat, write_npz

WEIGHTS = random_weights()


def load(path):
    return vgg19_weights.load(str(path), NARROW)


@pytest.fixture(scope="module")
def mat(tmp_path_factory):
    return write_mat(tmp_path_factory.mktemp("vgg") / "net.mat", WEIGHTS)


def check(found):
    for name, (kernel, bias) in WEIGHTS.items():
        np.testing.assert_array_equal(found.kernels[name], kernel)
        np.testing.assert_array_equal(found.biases[name], bias)
    assert len(found.kernels) == 16


def test_there_are_36_entries_from_conv1_1_to_relu5_4():
    assert (len(ENTRIES), ENTRIES[0], ENTRIES[4], ENTRIES[-1]) == (36, "conv1_1", "pool1", "relu5_4")


def test_the_new_form_is_read_with_its_mean_pixel_and_md5(mat):
    found = load(mat)
    check(found)
    np.testing.assert_allclose(found.mean_pixel, MEAN, rtol=1e-6)
    assert found.md5 == hashlib.md5(pathlib.Path(mat).read_bytes(), usedforsecurity=False).hexdigest()
    assert found.md5 in str(found)


def test_the_old_form_is_read_with_the_mean_of_its_average_picture(tmp_path):
    found = load(write_mat(tmp_path / "net.mat", WEIGHTS, old=True))
    check(found)
    np.testing.assert_allclose(found.mean_pixel, MEAN, rtol=1e-6)


def test_an_npz_is_read(tmp_path):
    found = load(write_npz(tmp_path / "net.npz", WEIGHTS))
    check(found)
    np.testing.assert_allclose(found.mean_pixel, MEAN, rtol=1e-6)


@pytest.mark.tensorflow
def test_a_slim_checkpoint_is_read(tmp_path):
    check(load(write_checkpoint(tmp_path / "vgg_19.ckpt", WEIGHTS)))


def test_of_another_net_the_first_layer_that_differs_is_named(tmp_path):
    narrow = write_mat(tmp_path / "narrow.mat", WEIGHTS)
    with pytest.raises(ModelError, match=r"conv1_1 is 3 x 3 x 3 x 4 with 4 biases, wanted 3 x 3 x 3 x 64 with 64"):
        vgg19_weights.load(narrow)
    other = write_mat(tmp_path / "other.mat", WEIGHTS, rename={"conv3_4": "pool3"})
    with pytest.raises(ModelError, match=r"layer 17 is 'pool3', wanted 'conv3_4'"):
        load(other)
    short = write_mat(tmp_path / "short.mat", WEIGHTS, num_layers=20)
    with pytest.raises(ModelError, match=r"it ends after 20 layers, wanted relu4_1 next"):
        load(short)


def test_a_value_that_is_no_number_is_refused(tmp_path):
    weights = dict(WEIGHTS)
    kernel, bias = weights["conv2_2"]
    weights["conv2_2"] = np.where(kernel == kernel.max(), np.nan, kernel), bias
    with pytest.raises(ModelError, match="conv2_2 holds values that are no finite numbers"):
        load(write_mat(tmp_path / "nan.mat", weights))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("form", ["mat", "npz"])
def test_a_file_that_was_cut_is_one_sentence(tmp_path, mat, share, form):
    whole = pathlib.Path(mat if form == "mat" else write_npz(tmp_path / "whole.npz", WEIGHTS)).read_bytes()
    cut = tmp_path / f"cut.{form}"
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"0 bytes|is no ") as caught:
        load(cut)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"x" * 300, b"\x89PNG\r\n\x1a\n" + bytes(300), b"MATLAB 7.3 MAT-file" + bytes(500)])
def test_what_is_no_mat_file_is_one_sentence(tmp_path, data):
    path = tmp_path / "net.mat"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"is no |HDF5"):
        load(path)


def test_a_mat_file_of_something_else_says_what_it_holds(tmp_path):
    import scipy.io

    scipy.io.savemat(tmp_path / "other.mat", {"meta": np.zeros(3)})
    with pytest.raises(ModelError, match="is no net of MatConvNet: got meta, wanted layers"):
        load(tmp_path / "other.mat")


def test_an_npz_that_holds_pickled_objects_is_not_unpickled(tmp_path):
    np.savez(tmp_path / "net.npz", **{"conv1_1/weights": np.array([{}], object), "conv1_1/biases": np.zeros(4)})
    with pytest.raises(ModelError, match=r"is no whole \.npz"):
        load(tmp_path / "net.npz")


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(MissingFileError):
        load(tmp_path / "gone.mat")
    with pytest.raises((MissingFileError, CheckpointError)):
        load(tmp_path / "gone.ckpt")


@pytest.mark.tensorflow
def test_features_are_those_of_the_net_computed_by_hand(mat):
    import tensorflow as tf

    from sparkcv.style import vgg19

    weights = load(mat)
    images = np.random.default_rng(3).normal(0, 60, (1, 37, 22, 3)).astype("f4")
    found = vgg19.features(images, weights, ["relu1_1", "pool2", "relu5_4"], "avg")
    net, wanted = tf.constant(images), {}
    for name in ENTRIES:
        if name.startswith("conv"):
            net = tf.nn.conv2d(net, WEIGHTS[name][0], 1, "SAME") + WEIGHTS[name][1]
        else:
            net = tf.nn.relu(net) if name.startswith("relu") else tf.nn.avg_pool2d(net, 2, 2, "SAME")
        wanted[name] = net
    assert set(found) == {"relu1_1", "pool2", "relu5_4"}
    for name, values in found.items():
        np.testing.assert_allclose(values, wanted[name], rtol=1e-5, atol=1e-4)
    assert found["relu5_4"].shape == (1, 3, 2, 8)
    with pytest.raises(UsageError, match="no layer 'relu6_1'"):
        vgg19.features(images, weights, ["relu6_1"])
    with pytest.raises(UsageError, match="pooling: got 'min'"):
        vgg19.features(images, weights, ["relu1_1"], "min")


@pytest.mark.tensorflow
def test_the_losses_are_their_formulas():
    import tensorflow as tf

    from sparkcv.style import losses

    rng = np.random.default_rng(5)
    features = rng.normal(size=(2, 5, 4, 3)).astype("f4")
    mask = rng.random((5, 4, 1)).astype("f4")
    masked = (features[0] * mask).reshape(20, 3)
    np.testing.assert_allclose(losses.gram_sum(features[0], mask), masked.T @ masked, rtol=1e-5)
    assert float(losses.content_loss(features[0], features[1])) == pytest.approx(
        np.mean((features[0] - features[1]) ** 2), rel=1e-6
    )
    wanted = np.mean((features[:, 1:] - features[:, :-1]) ** 2) + np.mean(
        (features[:, :, 1:] - features[:, :, :-1]) ** 2
    )
    assert float(losses.total_variation(features)) == pytest.approx(wanted, rel=1e-6)
    gradient = np.ones((5, 4, 3), np.float32)
    assert losses.add_variation(gradient, features[0], 7.0) == pytest.approx(
        7 * float(losses.total_variation(features[:1])), rel=1e-6
    )
    with tf.GradientTape() as tape:
        image = tf.constant(features[:1])
        tape.watch(image)
        loss = 7.0 * losses.total_variation(image)
    np.testing.assert_allclose(gradient, 1 + tape.gradient(loss, image)[0], rtol=1e-5, atol=1e-6)
