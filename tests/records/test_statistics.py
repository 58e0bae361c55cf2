"""Statistics of pixels: NumPy's own numbers of all pictures at once, and a file that is what it says or is refused."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest

from sparkcv.errors import DataError, MissingFileError
from sparkcv.records.statistics import FittedOn, Moments, Statistics, file_name, read_or_tell

SHAPE = (4, 4, 3)
OF = FittedOn("shapes", "train", "ab" * 32, 200, "lenet", 4, False, "accurate")


@pytest.fixture(scope="module")
def pictures():
    """Pictures whose pixels and channels go together, as those of photographs do."""
    random = np.random.default_rng(3)
    mixed = random.normal(size=(200, 48)) @ random.normal(size=(48, 48))
    scaled = (mixed - mixed.min()) / np.ptp(mixed)
    return scaled.reshape(200, *SHAPE).astype(np.float32)


def fitted(pictures, whitening, *, epsilon=1e-9, parts=3):
    total = Moments(SHAPE, has_covariance=bool(whitening))
    for part in np.array_split(pictures, parts):
        moments = Moments(SHAPE, has_covariance=bool(whitening))
        for batch in np.array_split(part, 4):
            moments.add(batch)
        total.merge(moments)
    return total.fit(OF, whitening, epsilon)


def test_mean_and_deviation_are_numpys_of_all_pictures(pictures):
    found = fitted(pictures, "")
    np.testing.assert_allclose(found.mean, pictures.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.deviation, pictures.std((0, 1, 2)), rtol=1e-5)
    assert (found.whitening, found.matrix.size) == ("", 0)


@pytest.mark.parametrize("whitening", ["pca", "zca"])
def test_a_whitening_makes_the_covariance_the_identity(pictures, whitening):
    found = fitted(pictures, whitening)
    rows = pictures.reshape(200, -1).astype(np.float64)
    white = (rows - found.center) @ found.matrix.astype(np.float64)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(white.T @ white / 200, np.eye(48), atol=5e-3)
    if whitening == "zca":
        np.testing.assert_array_equal(found.matrix, found.matrix.T)
    else:
        spread = (rows - rows.mean(0)) @ (found.matrix / np.linalg.norm(found.matrix, axis=0))
        assert (np.diff(spread.var(0)) < 1e-9).all()  # the largest component comes first


def test_epsilon_keeps_small_components_small(pictures):
    strong, weak = (fitted(pictures, "zca", epsilon=epsilon) for epsilon in (1e-6, 1.0))
    assert np.abs(weak.matrix).max() < 1.01
    assert np.abs(strong.matrix).max() > 5


def test_a_whole_number_for_epsilon_as_a_recipe_may_have_it_is_read_back(pictures, tmp_path):
    url = str(tmp_path / "statistics.npz")
    fitted(pictures, "zca", epsilon=1).write(url)
    assert Statistics.read(url).epsilon == 1


def test_a_channel_that_never_changes_is_not_divided_by_zero():
    moments = Moments((2, 2, 3), has_covariance=False)
    moments.add(np.full((5, 2, 2, 3), 0.25, np.float32))
    assert moments.fit(OF, "", 0.1).deviation.tolist() == [1, 1, 1]


def test_one_picture_is_too_few(pictures):
    moments = Moments(SHAPE, has_covariance=False)
    moments.add(pictures[:1])
    with pytest.raises(DataError, match="at least 2 pictures, got 1 of shapes/train"):
        moments.fit(OF, "", 0.1)


def test_sums_and_statistics_survive_their_files(pictures, tmp_path):
    moments = Moments(SHAPE, has_covariance=True)
    moments.add(pictures)
    moments.write(str(tmp_path / "part.npz"))
    again = Moments.read(str(tmp_path / "part.npz"), SHAPE, has_covariance=True)
    one, two = (each.fit(OF, "zca", 0.1) for each in (moments, again))
    assert one.digest == two.digest
    url = str(tmp_path / file_name(OF))
    one.write(url)
    found = Statistics.read(url)
    assert found.digest == one.digest
    assert (found.of, found.whitening, found.epsilon) == (OF, "zca", 0.1)
    np.testing.assert_array_equal(found.matrix, one.matrix)
    assert fitted(pictures, "zca", epsilon=0.2).digest != one.digest
    with pytest.raises(DataError, match="is no part of statistics"):
        Moments.read(str(tmp_path / "part.npz"), (2, 2, 3), has_covariance=True)


def test_the_name_tells_the_tensor():
    assert file_name(OF) == "shapes_train_statistics_lenet_4.npz"
    assert file_name(dataclasses.replace(OF, use_grayscale=True)) == "shapes_train_statistics_lenet_4_grey.npz"


def test_a_file_that_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"no statistics at .*; wanted what `sparkcv statistics --x` writes"):
        read_or_tell(str(tmp_path / "none.npz"), "sparkcv statistics --x")


def archived(statistics, **changed):
    """The file with arrays replaced or (None) left out."""
    with np.load(io.BytesIO(statistics.to_bytes())) as arrays:
        kept = {name: changed.get(name, arrays[name]) for name in arrays}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in kept.items() if array is not None})
    return buffer.getvalue()


def about(**changed):
    value = {"schema": 1, "of": dataclasses.asdict(OF), "whitening": "zca", "epsilon": 0.1, **changed}
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def test_what_is_no_statistics_is_refused_by_name(pictures, tmp_path):
    good = fitted(pictures, "zca", epsilon=0.1)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("matrix.npy", bytes(100 << 20))
    pickled = io.BytesIO()
    np.savez(pickled, about=about(), mean=np.array([object()]))
    bad = {
        "empty": b"",
        "text": b"no archive",
        "cut": good.to_bytes()[:-300],
        "bomb": bomb.getvalue(),
        "pickled": pickled.getvalue(),
        "without a mean": archived(good, mean=None),
        "of other types": archived(good, mean=np.zeros(3)),
        "not finite": archived(good, center=np.full(48, np.nan, np.float32)),
        "of another shape": archived(good, matrix=np.zeros((48, 47), np.float32)),
        "deviation of 0": archived(good, deviation=np.zeros(3, np.float32)),
        "another schema": archived(good, about=about(schema=2)),
        "another whitening": archived(good, about=about(whitening="lca")),
        "a field too many": archived(good, about=about(of={**dataclasses.asdict(OF), "more": 1})),
        "a size that is text": archived(good, about=about(of={**dataclasses.asdict(OF), "image_size": "4"})),
        "no JSON": archived(good, about=np.zeros(3, np.uint8)),
    }
    for name, data in bad.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(data)
        with pytest.raises(DataError, match=f"{name}.npz' is (no file of statistics|larger than any)"):
            Statistics.read(str(path))
