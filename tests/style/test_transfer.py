"""A picture optimized in this process, by a narrow VGG-19: the loss, its gradient, tiles, and what is kept."""

import dataclasses
import itertools
import json
import math
import pathlib

import numpy as np
import pytest
from PIL import Image

from sparkcv.errors import ImageError, ModelError, UsageError
from sparkcv.style import colors, tiles
from sparkcv.style.optimizers import minimize
from sparkcv.style.task import STYLE_LAYERS, LossWeights, OptimizerSpec, TransferTask
from tests.style.vgg19_files import NARROW, random_weights, write_mat

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_mat(tmp_path_factory.mktemp("vgg") / "net.mat", random_weights())


@pytest.fixture(scope="module")
def net(network):
    from sparkcv.style import objective, vgg19

    return objective.FeatureNet(vgg19.load(network, NARROW))


def picture(path, seed, size=(40, 33)):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(size).save(path)
    return str(path)


@pytest.fixture
def task(tmp_path, network):
    return TransferTask(
        content=picture(tmp_path / "content.png", 1),
        styles=(picture(tmp_path / "style.png", 2),),
        output=str(tmp_path / "out.png"),
        network=network,
        iterations=6,
        metrics=str(tmp_path / "metrics.jsonl"),
    )


def transfer(task, **changed):
    from sparkcv.style import transfer as module

    return module.transfer(dataclasses.replace(task, **changed), NARROW)


def losses_of(task):
    return [json.loads(line) for line in pathlib.Path(task.metrics).read_text().splitlines()]


def made_objective(net, shape, *, tile_size=0, masks=None, styles=1, blend=0.7):
    from sparkcv.style.objective import Objective, Targets, content_values, style_grams

    rng = np.random.default_rng(9)
    noise = [rng.normal(0, 50, shape).astype("f4") for _ in range(styles + 2)]
    weights = LossWeights(content_blend=blend, blend=tuple(np.full(styles, 1 / styles).tolist()))
    grams = [style_grams(net, style, tile_size) for style in noise[2:]]
    stacked = {layer: np.stack([gram[layer] for gram in grams]) for layer in STYLE_LAYERS}
    content = content_values(net, noise[0], weights.content_layers(), tile_size)
    return Objective(net, Targets(stacked, content, masks), weights, tile_size), noise[1]


@pytest.mark.parametrize("shape", [(250, 130, 3), (129, 243, 3)])
@pytest.mark.parametrize("masked", [False, True])
def test_a_picture_in_tiles_has_the_loss_and_the_gradient_of_the_whole(net, shape, masked):
    masks = np.random.default_rng(4).random((2, *shape[:2], 1)).astype("f4") if masked else None
    whole, image = made_objective(net, shape, masks=masks, styles=2)
    tiled, _ = made_objective(net, shape, masks=masks, styles=2, tile_size=64)
    (wanted, slope), (got, found) = whole(image), tiled(image)
    for part in ("content", "style", "tv"):
        assert getattr(got, part) == pytest.approx(getattr(wanted, part), rel=1e-4)
    np.testing.assert_allclose(found, slope, rtol=1e-3, atol=1e-4 * np.abs(slope).max())


def test_the_gradient_is_the_slope_of_the_loss(net):
    objective, image = made_objective(net, (32, 48, 3))
    _, slope = objective(image)
    direction = slope / np.linalg.norm(slope)
    ahead, behind = (objective(image + sign * np.float32(2) * direction)[0].total for sign in (1, -1))
    assert (ahead - behind) / 4 == pytest.approx(np.linalg.norm(slope), rel=0.02)


def test_masks_of_ones_change_nothing(net):
    shape = (48, 33, 3)
    plain, image = made_objective(net, shape, styles=2)
    masked, _ = made_objective(net, shape, styles=2, masks=np.ones((2, *shape[:2], 1), np.float32))
    assert masked(image)[0].total == pytest.approx(plain(image)[0].total, rel=1e-5)


@pytest.mark.parametrize(("layers", "far"), [(["relu1_1"], 16), (STYLE_LAYERS, 80), ([*STYLE_LAYERS, "relu5_2"], 96)])
def test_the_halo_is_what_the_deepest_layer_sees(layers, far):
    assert tiles.halo(layers) == far


@pytest.mark.parametrize(("height", "width"), itertools.product([1, 64, 65, 200], repeat=2))
def test_the_own_parts_of_tiles_cover_the_picture_once(height, width):
    for stride in (1, 2, 16):
        covered = np.zeros((-(-height // stride), -(-width // stride)), int)
        for tile in tiles.tiles(height, width, 64, 32):
            covered[tile.own_at(stride)] += 1
        assert (covered == 1).all()


def test_the_loss_falls_and_the_best_picture_is_written_with_every_loss(task):
    outcome = transfer(task, iterations=8, tile_size=0)
    lines = losses_of(task)
    assert [line["iteration"] for line in lines] == list(range(9))
    for line in lines:
        assert line["total"] == pytest.approx(line["content"] + line["style"] + line["tv"])
    assert outcome.loss == min(line["total"] for line in lines) < lines[0]["total"]
    assert lines[outcome.iteration]["total"] == outcome.loss
    with Image.open(task.output) as made:
        assert made.size == (40, 33)


def test_lbfgs_and_resolutions_let_the_loss_fall(task):
    transfer(task, optimizer=OptimizerSpec("lbfgs"), iterations=5)
    lines = losses_of(task)
    assert lines[-1]["total"] < lines[0]["total"] / 2
    outcome = transfer(task, resolutions=2, iterations=7)
    lines = losses_of(task)
    assert (outcome.width, outcome.height) == (40, 33)
    assert lines[-1]["iteration"] == 7
    assert {line["resolution"] for line in lines} == {0, 1}


def test_the_seed_decides_the_noise(task, tmp_path):
    made = []
    for seed in (3, 3, 4):
        transfer(task, seed=seed, iterations=2)
        made.append((tmp_path / "out.png").read_bytes())
    assert made[0] == made[1] != made[2]


def test_a_share_of_noise_is_blended_into_the_first_picture(task):
    transfer(task, noise_blend=0.0, iterations=1)
    assert losses_of(task)[0]["content"] == 0.0
    transfer(task, noise_blend=0.5, iterations=1)
    assert losses_of(task)[0]["content"] > 0.0


@pytest.mark.parametrize("flag", ["preserve_colors", "luminance"])
def test_the_colours_of_the_content_stay(task, flag):
    transfer(task, iterations=3, **{flag: True})
    got, wanted = (np.asarray(Image.open(path).convert("YCbCr")).astype(int) for path in (task.output, task.content))
    inside = (got[..., 0] > 60) & (got[..., 0] < 200)  # elsewhere red, green or blue is cut off
    assert inside.any()
    assert np.abs(got - wanted)[inside][:, 1:].mean() < 12


def test_the_width_is_taken_and_pictures_on_the_way_are_written(task, tmp_path):
    transfer(task, width=32, checkpoint_output=str(tmp_path / "at_{:03}.jpg"), checkpoint_iterations=3)
    assert sorted(path.name for path in tmp_path.glob("at_*")) == ["at_003.jpg", "at_006.jpg"]
    with Image.open(task.output) as made:
        assert made.size == (32, 26)


def test_a_loss_that_is_no_number_ends_it_with_the_last_good_picture(task, tmp_path):
    with pytest.raises(ModelError, match=r"no number at iteration 1 .*the best of iteration 0 was written"):
        transfer(task, optimizer=OptimizerSpec(learning_rate=1e30))
    assert (tmp_path / "out.png").exists()
    assert len(losses_of(task)) == 1


def test_weights_that_overflow_leave_nothing(task, tmp_path):
    weights = random_weights(scale=1e20)
    with pytest.raises(ModelError, match=r"no number at iteration 0 .*nothing was written"):
        transfer(task, network=write_mat(tmp_path / "large.mat", weights))
    assert not (tmp_path / "out.png").exists()
    assert not (tmp_path / "metrics.jsonl").exists()


def test_pictures_that_cannot_be_used_are_named(task, tmp_path):
    (tmp_path / "none.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"--content: '.*none.png' is rejected"):
        transfer(task, content=str(tmp_path / "none.png"))
    with pytest.raises(ImageError, match=r"--styles: .* too small: 1x1 pixels, wanted sides of at least 16"):
        transfer(task, styles=(picture(tmp_path / "small.png", 3, (1, 1)),))
    with pytest.raises(ImageError, match=r"--content: .* too large"):
        transfer(task, max_pixels=100)
    with pytest.raises(ImageError, match="becomes"):
        transfer(task, style_scales=(0.1,))
    assert not (tmp_path / "out.png").exists()


def test_a_picture_that_its_format_cannot_hold_is_refused_before_it_is_made(task, tmp_path):
    wide = picture(tmp_path / "wide.png", 3, (16_400, 16))
    for changed in (
        {"output": str(tmp_path / "out.webp")},
        {"checkpoint_output": str(tmp_path / "at_%s.webp"), "checkpoint_iterations": 1},
    ):
        with pytest.raises(ImageError, match="too large: 16400x16 pixels, webp has sides of at most 16383; png has"):
            transfer(task, content=wide, **changed)


def test_a_layers_value_gets_the_mask_of_the_pixels_that_it_stands_for():
    from sparkcv.style import objective

    masks = np.zeros((1, 33, 49, 1), np.float32)
    masks[:, :16, :16] = 1
    masks[:, 32:, 48:] = 1  # the pixel that the last value of relu5_1 stands for
    found = objective._pyramid(masks)
    wanted = np.zeros((3, 4), np.float32)
    wanted[0, 0] = wanted[2, 3] = 1
    np.testing.assert_array_equal(found["relu5_1"][0, ..., 0], wanted)
    np.testing.assert_array_equal(found["relu4_1"][0, :, :, 0].sum(), 4 + 1)
    np.testing.assert_array_equal(found["relu1_1"], masks)


@pytest.mark.parametrize(
    ("mode", "nowhere", "wanted", "share"),
    [
        ("RGBA", (255, 255, 255, 0), (255, 255, 255, 255), 255),
        ("LA", (0, 0), (128, 255), 128),
        ("RGB", 0, (0, 255, 0), 150),
    ],
)
def test_a_mask_is_wanted_where_it_is_bright_and_not_where_it_has_no_pixels(
    task, tmp_path, mode, nowhere, wanted, share
):
    from sparkcv.style.transfer import _pictures

    mask = Image.new(mode, (40, 33), nowhere)
    mask.paste(wanted, (0, 0, 20, 33))
    mask.save(tmp_path / "mask.png")
    _, _, (found,), _ = _pictures(dataclasses.replace(task, masks=(str(tmp_path / "mask.png"),)))
    assert (found[:, :20] == share).all()
    assert (found[:, 20:] == 0).all()


def test_a_mask_that_wants_its_style_nowhere_is_refused(task, tmp_path):
    Image.new("L", (30, 20)).save(tmp_path / "black.png")
    with pytest.raises(ImageError, match=r"--masks: '.*black.png' is black all over, wanted white where its style"):
        transfer(task, masks=(str(tmp_path / "black.png"),))


def test_an_optimizer_that_ends_early_says_so(caplog):
    steps = []
    image = np.ones((4, 4, 3), np.float32)
    minimize(OptimizerSpec("lbfgs"), lambda given: (0.0, np.zeros_like(given)), image, 5, lambda: steps.append(1))
    assert len(steps) == 1
    assert "L-BFGS ended after 0 of 5 iterations: " in caplog.text


def test_tiles_follow_from_the_memory(task):
    from sparkcv.style.transfer import tile_size

    assert tile_size(task, 300, 200) == 0
    large = tile_size(task, 2000, 3000)
    assert large > 0
    assert large % 16 == 0
    assert tile_size(dataclasses.replace(task, memory_mb=3000), 2000, 3000) < large
    assert tile_size(dataclasses.replace(task, tile_size=100), 20, 20) == 96
    with pytest.raises(UsageError, match=r"--memory_mb 1000: a picture of 3000x2000 pixels wants \d+ at least"):
        tile_size(dataclasses.replace(task, memory_mb=1000), 2000, 3000)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"width": 3_000_000_000}, r"--width: a picture of 3000000000x2475000000 pixels wants \d+ MB at least"),
        ({"width": 20_000, "tile_size": 512}, r"--width: a picture of 20000x16500 pixels wants \d+ MB at least"),
        ({"style_scales": (1e6,)}, r"--style_scales: a picture of 40000000x33000000 pixels wants \d+ MB at least"),
        # Of two resolutions the first would fit; nothing of it may be made, or written.
        ({"width": 3000, "resolutions": 2, "memory_mb": 1500}, r"--memory_mb 1500: a picture of 3000x2475 pixels"),
    ],
)
def test_a_size_that_the_memory_cannot_hold_is_refused_before_it_is_made(task, changed, sentence):
    with pytest.raises(UsageError, match=sentence):
        transfer(task, **changed)
    assert not pathlib.Path(task.output).exists()
    assert not pathlib.Path(task.metrics).exists()


def test_the_gram_matrices_and_the_loss_of_a_whole_picture_are_their_formulas(net):
    from sparkcv.style.objective import style_grams

    objective, image = made_objective(net, (24, 32, 3), blend=0.25)
    targets = objective._targets
    found = {
        layer: values.numpy()[0]
        for layer, values in net.features(image[None], [*STYLE_LAYERS, *targets.content]).items()
    }
    grams = {layer: np.einsum("hwi,hwj->ij", found[layer], found[layer]) / found[layer].size for layer in STYLE_LAYERS}
    for layer, gram in style_grams(net, image).items():
        np.testing.assert_allclose(gram, grams[layer], rtol=1e-4, atol=1e-5 * grams[layer].max())
    parts, _ = objective(image)
    wanted = sum(0.2 * np.mean((grams[layer] - targets.grams[layer][0]) ** 2) for layer in STYLE_LAYERS)
    assert parts.style == pytest.approx(500 * wanted, rel=1e-5)
    shares = {"relu4_2": 0.25, "relu5_2": 0.75}
    wanted = sum(share * np.mean((found[layer] - targets.content[layer]) ** 2) for layer, share in shares.items())
    assert parts.content == pytest.approx(5 * wanted, rel=1e-5)


def test_the_mean_pixel_is_taken_off_with_one_rounding():
    pixel, image = np.array([123.68, 116.779, 103.939]), np.arange(256, dtype=np.float32).repeat(3).reshape(16, 16, 3)
    np.testing.assert_array_equal(colors.less(image, pixel), (image.astype("f8") - pixel).astype("f4"))
    assert colors.less(image, pixel).dtype == np.float32


def test_brightness_is_matched():
    rng = np.random.default_rng(2)
    got = colors.matched(rng.normal(10, 3, (9, 9, 3)).astype("f4"), rng.normal(100, 20, (9, 9, 3)).astype("f4"))
    assert math.isclose(got.mean(), 100, rel_tol=0.05)


def test_a_task_travels_as_json(task):
    assert TransferTask.from_json(task.to_json()) == task
