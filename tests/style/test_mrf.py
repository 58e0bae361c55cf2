"""Style as patches, by a narrow VGG-19: loss and matches against loops of NumPy, variants of a style, the whole run."""

import dataclasses
import itertools
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from sparkcv.errors import ImageError, UsageError
from sparkcv.style import style_variants
from sparkcv.style.task import MRF_LAYERS, LossWeights, OptimizerSpec, TransferTask
from tests.style.vgg19_files import NARROW, random_weights, write_mat

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_mat(tmp_path_factory.mktemp("vgg") / "net.mat", random_weights())


@pytest.fixture(scope="module")
def net(network):
    from sparkcv.style import objective, vgg19

    return objective.FeatureNet(vgg19.load(network, NARROW))


@pytest.fixture
def task(tmp_path, network):
    for name, seed in (("content", 1), ("style", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((56, 41)).save(tmp_path / f"{name}.png")
    return TransferTask(
        content=str(tmp_path / "content.png"),
        styles=(str(tmp_path / "style.png"),),
        output=str(tmp_path / "out.png"),
        network=network,
        method="mrf",
        weights=LossWeights(style=20.0, style_layers=(0.5, 0.5)),
        noise_blend=0.0,
        resolutions=3,
        iterations=12,
        metrics=str(tmp_path / "metrics.jsonl"),
    )


def transfer(task, **changed):
    from sparkcv.style import transfer as module

    return module.transfer(dataclasses.replace(task, **changed), NARROW)


def starts(side, size, stride):
    return sorted({*range(0, side - size + 1, stride), side - size})


def patches_by_hand(values, size=3, stride=2):
    """Return each patch as a row, one after the other."""
    places = itertools.product(*(starts(side, size, stride) for side in values.shape[:2]))
    return np.array([values[top : top + size, left : left + size].ravel() for top, left in places], np.float64)


def matches_by_hand(found, styles):
    """Return the index of the greatest normalized cross-correlation, pair by pair."""
    nearest = []
    for patch in found:
        scores = [patch @ style / max(np.linalg.norm(patch) * np.linalg.norm(style), 1e-30) for style in styles]
        nearest.append(int(np.argmax(scores)))
    return np.array(nearest)


@pytest.mark.parametrize(("shape", "size", "stride"), [((3, 3, 2), 3, 2), ((8, 7, 2), 3, 2), ((9, 10, 1), 4, 3)])
def test_patches_are_those_of_loops_and_reach_the_last_row_and_column(shape, size, stride):
    from sparkcv.style import mrf

    values = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_array_equal(mrf.patches(values, size, stride), patches_by_hand(values, size, stride))


@pytest.mark.parametrize("chunk_values", [1, 40, 2**24])
def test_matches_are_those_of_loops_whatever_the_chunk(chunk_values):
    from sparkcv.style import mrf

    rng = np.random.default_rng(1)
    found, styles = rng.normal(size=(23, 12)).astype("f4"), rng.normal(size=(17, 12)).astype("f4")
    styles[4] *= 100  # long, and no better for it
    styles[5] = 0
    got = mrf.matches(found, styles, chunk_values).numpy()
    np.testing.assert_array_equal(got, matches_by_hand(found.astype("f8"), styles.astype("f8")))
    assert len(set(got)) > 5


def test_loss_is_that_of_loops_and_the_gradient_its_slope(net):
    from sparkcv.style.mrf import MrfObjective, MrfTargets, style_patches
    from sparkcv.style.objective import content_values

    rng = np.random.default_rng(3)
    image, content, *styles = (
        rng.normal(0, 50, (*size, 3)).astype("f4") for size in ((40, 53), (40, 53), (33, 47), (24, 30))
    )
    weights = LossWeights(content=5, style=20, style_layers=(0.25, 0.75), total_variation=3)
    targets = MrfTargets(style_patches(net, styles), content_values(net, content, weights.content_layers()))
    objective = MrfObjective(net, targets, weights, chunk_values=50)
    parts, gradient = objective(image)
    got = {layer: value.numpy()[0] for layer, value in net.features(image[None], [*MRF_LAYERS, "relu4_2"]).items()}
    wanted = 0.0
    for layer, weight in zip(MRF_LAYERS, weights.style_layers, strict=True):
        rows = patches_by_hand(got[layer])
        known = np.concatenate([patches_by_hand(net.features(one[None], [layer])[layer].numpy()[0]) for one in styles])
        wanted += weight * np.square(rows - known[matches_by_hand(rows, known)]).mean()
    assert parts.style == pytest.approx(20 * wanted, rel=1e-5)
    values = net.features(content[None], ["relu4_2"])["relu4_2"].numpy()[0]
    assert parts.content == pytest.approx(5 * np.square(got["relu4_2"] - values).mean(), rel=1e-5)
    neighbours = sum(np.square(np.diff(image.astype("f8"), axis=axis)).mean() for axis in (0, 1))
    assert parts.tv == pytest.approx(3 * neighbours, rel=1e-5)
    direction = gradient / np.linalg.norm(gradient)
    ahead, behind = (objective(image + sign * np.float32(0.5) * direction)[0].total for sign in (1, -1))
    assert ahead - behind == pytest.approx(np.linalg.norm(gradient), rel=0.02)


def test_a_picture_that_is_the_style_has_no_loss(net):
    from sparkcv.style.mrf import MrfObjective, MrfTargets, style_patches
    from sparkcv.style.objective import content_values

    image = np.random.default_rng(3).normal(0, 50, (40, 40, 3)).astype("f4")
    weights = LossWeights(style_layers=(0.5, 0.5), total_variation=0)
    targets = MrfTargets(style_patches(net, [image]), content_values(net, image, weights.content_layers()))
    assert MrfObjective(net, targets, weights)(image)[0].total == pytest.approx(0, abs=1e-4)


def test_a_style_is_scaled_and_turned():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 48, 3)).astype("f4")
    made = list(style_variants.variants(pixels, (0.0, 90.0, -180.0, 30.0), (1.0, 0.5), 24))
    np.testing.assert_array_equal(made[0], pixels)
    np.testing.assert_array_equal(made[1], np.rot90(pixels))
    np.testing.assert_array_equal(made[2], pixels[::-1, ::-1])
    assert [one.shape[:2] for one in made] == [(30, 48), (48, 30), (30, 48)]  # the others have a side below 24
    assert style_variants.sizes(48, 30, (0.0, 30.0), (1.0, 0.5)) == [(48, 30), (30, 17), (24, 15), (15, 8)]


@pytest.mark.parametrize("angle", [10, 45, 75, 100, -170])
def test_a_turned_style_has_nothing_from_outside_of_it(angle):
    white = np.full((60, 90, 3), 255, np.float32)
    (made,) = style_variants.variants(white, (angle,), (1.0,), 24)
    assert made.shape[:2] == style_variants.sizes(90, 60, (angle,), (1.0,))[0][::-1]
    assert made[1:-1, 1:-1].min() == 255


@pytest.mark.parametrize("name", ["adam", "lbfgs"])
def test_the_loss_falls_at_three_sizes_and_the_time_is_told_before(task, name, caplog):
    with caplog.at_level("INFO"):
        made = transfer(task, optimizer=OptimizerSpec(name, learning_rate=2.0), mrf_rotations=(0.0, 10.0))
    lines = [json.loads(line) for line in pathlib.Path(task.metrics).read_text().splitlines()]
    assert {line["resolution"] for line in lines} == {0, 1, 2}
    last = [line["total"] for line in lines if line["resolution"] == 0]
    assert made.loss == min(last) < last[0]
    with Image.open(task.output) as picture:
        assert picture.size == (56, 41)
    assert made.expected_s > 0
    told = [record.getMessage() for record in caplog.records]
    (about,) = [index for index, text in enumerate(told) if text.startswith("will take about ")]
    first = next(index for index, text in enumerate(told) if "from iteration 0" in text)
    assert about < first


def test_pictures_without_a_patch_and_styles_that_do_not_fit_are_refused(task, tmp_path):
    with pytest.raises(ImageError, match="is 22x16 pixels once it is scaled and turned, wanted sides of at least 24"):
        transfer(task, mrf_scales=(0.4,))
    with pytest.raises(ImageError, match="--content: 32x23 pixels, wanted sides of at least 24, for one patch"):
        transfer(task, width=32)
    with pytest.raises(UsageError, match=r"--memory_mb 700: a picture of 56x41 pixels .* has no tiles"):
        transfer(task, memory_mb=700)
    assert not (tmp_path / "out.png").exists()


def test_a_task_of_patches_travels_as_json(task):
    assert TransferTask.from_json(task.to_json()) == task
