"""The job from its command line: the seed's flags as they are, a whole run, and bad input as one sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from jobs.style_transfer import main
from sparkcv.config import StyleTransferConfig, parse
from sparkcv.config.style_transfer import checkpoint_name
from sparkcv.driver.style_transfer import prepare
from sparkcv.errors import UsageError
from sparkcv.style.vgg19_weights import WIDTHS
from tests.style.vgg19_files import random_weights, write_mat


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A whole VGG-19 with random weights."""
    return write_mat(tmp_path_factory.mktemp("vgg") / "net.mat", random_weights(WIDTHS))


@pytest.fixture
def words(tmp_path):
    """The words of a run that could start; its network is an empty file."""
    for name, seed in (("content", 1), ("style", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((32, 24)).save(tmp_path / f"{name}.png")
    (tmp_path / "net.mat").write_bytes(b"")
    given = {"content": "content.png", "styles": "style.png", "output": "out.jpg", "network": "net.mat"}
    return {f"--{name}": str(tmp_path / value) for name, value in given.items()}


def argv(words, *more, **changed):
    words = {**words, **{f"--{name}": value for name, value in changed.items()}}
    return [word for pair in words.items() for word in pair] + list(more)


def plan(words, *more):
    return prepare(parse(StyleTransferConfig, argv(words, *more), "x")).task


@pytest.mark.tensorflow
def test_the_whole_job_by_the_seeds_flags(words, network, tmp_path, capsys):
    more = ["--iterations", "2", "--checkpoint-output", str(tmp_path / "at_%s.png"), "--checkpoint-iterations", "1"]
    more += ["--style-scales", "0.9", "--print-iterations", "1", "--style-blend-weights", "2", "--tv-weight", "50"]
    assert main(argv(words, *more, network=network)) == 0
    said = capsys.readouterr()
    assert f"{tmp_path}/out.jpg, 32x24 pixels" in said.out
    assert "md5" in said.out
    assert "iteration 1: content " in said.err
    assert {path.name for path in tmp_path.glob("at_*")} == {"at_1.png", "at_2.png"}
    lines = (tmp_path / "out.report" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [0, 1, 2]
    page = (tmp_path / "out.report" / "report.html").read_text()
    assert "total loss" in page
    assert page.count("data:image/jpeg") == 3
    assert main(argv(words, network=network)) == 1
    assert "is there already; --overwrite replaces it" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_a_network_that_is_none_is_one_sentence_and_leaves_nothing(words, tmp_path, capsys):
    assert main(argv(words)) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"style_transfer.py: '{tmp_path}/net.mat' has 0 bytes, wanted the weights of a VGG-19"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content.png", "net.mat", "style.png"]


def test_the_defaults_of_today_and_of_2016(words):
    today, past = plan(words), plan(words, "--defaults", "2016")
    assert today.weights.style == 500
    assert today.weights.style_layers == pytest.approx([0.2] * 5)
    assert (past.weights.content, past.weights.style, past.weights.total_variation) == (5, 100, 100)
    assert past.weights.style_layers == (1.0,) * 5
    assert past.weights.content_layers() == {"relu4_2": 5.0}
    assert (past.optimizer.learning_rate, past.iterations, past.noise_blend) == (10, 1000, 1.0)
    assert plan(words, "--defaults", "2016", "--style-weight", "7").weights.style == 7
    layers = plan(words, "--style-layer-weight-exp", "2").weights.style_layers
    assert layers == pytest.approx(np.array([1, 2, 4, 8, 16]) / 31)
    content = plan(words, "--content-weight-blend", "0.25").weights.content_layers()
    assert content == {"relu4_2": 1.25, "relu5_2": 3.75}


def test_patches_have_defaults_of_their_own(words):
    task = plan(words, "--method", "mrf")
    assert (task.method, task.resolutions, task.noise_blend) == ("mrf", 3, 0.0)
    assert (task.weights.style, task.weights.style_layers) == (20, (0.5, 0.5))
    assert (task.mrf_rotations, task.mrf_scales) == ((0.0,), (1.0,))
    more = ["--mrf_rotations", "-15", "0", "--mrf_scales", "0.9", "--style-weight", "3", "--resolutions", "1"]
    task = plan(words, "--method", "mrf", *more, "--initial-noiseblend", "1")
    assert (task.mrf_rotations, task.mrf_scales) == ((-15.0, 0.0), (0.9,))
    assert (task.resolutions, task.noise_blend, task.weights.style) == (1, 1.0, 3)
    assert (task.weights.total_variation, task.optimizer.name) == (2, "lbfgs")
    gatys = plan(words)
    assert (gatys.resolutions, gatys.weights.total_variation, gatys.optimizer.name) == (1, 100, "adam")
    both = plan(words, "--method", "mrf", "--tv-weight", "0", "--optimizer", "adam")
    assert (both.weights.total_variation, both.optimizer.name) == (0, "adam")


@pytest.mark.tensorflow
def test_the_whole_job_by_patches_says_beforehand_how_long_it_takes(words, network, capsys):
    more = ["--method", "mrf", "--iterations", "1", "--resolutions", "1"]
    assert main(argv(words, *more, network=network)) == 0
    said = capsys.readouterr()
    assert "will take about " in said.err
    assert "were expected" in said.out


def test_several_styles_and_their_weights(words):
    style = words["--styles"]
    task = plan(words, "--styles", style, style, "--style-blend-weights", "1", "3", "--style-scales", "1", "0.5")
    assert (len(task.styles), task.weights.blend, task.style_scales) == (2, (0.25, 0.75), (1.0, 0.5))
    assert plan(words, "--initial", style).noise_blend == 0.0
    assert plan(words, "--initial-noiseblend", "0.3").noise_blend == 0.3


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("a_%s.png", "a_7.png"), ("a_%05d.png", "a_00007.png"), ("a_{}.png", "a_7.png"), ("a_{:03}.png", "a_007.png")],
)
def test_the_number_stands_in_its_place(pattern, name):
    assert checkpoint_name(pattern, 7) == name


@pytest.mark.parametrize(
    "pattern", ["a.png", "a_%s_%s.png", "a_{}_%d.png", "a_{0.__class__}.png", "a_{:zz}.png", "a_%x"]
)
def test_a_pattern_without_one_place_is_refused(pattern):
    with pytest.raises(UsageError, match="wanted one place for the number"):
        checkpoint_name(pattern, 7)


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--iterations", "0"], 2, "--iterations: got 0, wanted at least 1"),
        (["--width", "-1"], 2, "--width: got -1, wanted at least 16"),
        (["--style-scales", "1", "2"], 2, "--style_scales: got 2 for 1 styles, wanted as many as --styles"),
        (["--style-scales", "0"], 2, "--style_scales: got 0, wanted finite numbers above 0"),
        (["--style-blend-weights", "1", "2"], 2, "--style_blend_weights: got 2 for 1 styles"),
        (["--style-blend-weights", "-1"], 2, "--style_blend_weights: got -1, wanted finite numbers of at least 0"),
        (["--style-blend-weights", "nan"], 2, "--style_blend_weights: got nan"),
        (["--style-blend-weights", "0"], 2, "--style_blend_weights: got only zeros"),
        (["--style-blend-weights", "1e308"], 2, "--style_blend_weights: got 1e+308, wanted finite numbers of at least"),
        (["--style-layer-weight-exp", "1e80"], 2, "--style_layer_weight_exp: got 1e+80, wanted at most 1e+30"),
        (["--beta2", "0.99999999"], 2, "--beta2: got 0.99999999, wanted 0 to 0.9999999"),
        (["--style-weight", "1e40"], 2, "--style_weight: got 1e+40, wanted 0 to 1e+30"),
        (
            ["--content-weight", "0", "--style-weight", "0", "--tv-weight", "0"],
            2,
            "--content_weight, --style_weight and --tv_weight are all 0; wanted one above it",
        ),
        (["--masks", "a", "b"], 2, "--masks: got 2 for 1 styles"),
        (
            ["--checkpoint-output", "a.png", "--checkpoint-iterations", "1"],
            2,
            "--checkpoint_output: got 'a.png', wanted",
        ),
        (["--checkpoint-output", "a_%s.png"], 2, "--checkpoint_output and --checkpoint_iterations go together"),
        (["--output", "/tmp/x.xyz"], 2, "--output: '/tmp/x.xyz' does not say a format that is written"),
        (["--output", "/no-such-folder/x.png"], 1, "cannot be written, there is no folder '/no-such-folder'"),
        (["--styles", "/no-such-style.png"], 1, "--styles: no file '/no-such-style.png', wanted a picture"),
        (["--network", "/no-such.mat"], 1, "--network: no file '/no-such.mat'"),
        (["--pooling", "min"], 2, "invalid choice: 'min'"),
        (["--resolutions", "3", "--iterations", "2"], 2, "wanted a step each at least"),
        (["--method", "cnn"], 2, "invalid choice: 'cnn'"),
        (["--mrf_scales", "1"], 2, "--mrf_scales is for --method mrf, got --method gatys"),
        (["--method", "mrf", "--mrf_rotations", "181"], 2, "--mrf_rotations: got 181, wanted degrees of -180 to 180"),
        (["--method", "mrf", "--mrf_scales", "0"], 2, "--mrf_scales: got 0, wanted above 0 and at most 4"),
        (["--method", "mrf", "--mrf_scales", "nan"], 2, "--mrf_scales: got nan"),
        (["--method", "mrf", "--masks", "a"], 2, "--masks is for --method gatys, got --method mrf"),
        (["--method", "mrf", "--tile_size", "64"], 2, "--tile_size is for --method gatys, got --method mrf"),
        (["--method", "mrf", "--defaults", "2016"], 2, "--defaults 2016 is for --method gatys"),
        (["--method", "mrf", "--style-blend-weights", "1"], 2, "--style_blend_weights is for --method gatys"),
        (["--method", "mrf", "--iterations", "2"], 2, "--resolutions 3 --iterations 2: wanted a step each at least"),
        (["--styels", "x"], 2, "unknown flag --styels, did you mean --styles?"),
    ],
)
def test_bad_flags_are_one_sentence(words, more, code, sentence, capsys, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert main(argv(words, *more)) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_is_an_input_is_refused(words, capsys):
    assert main(argv(words, "--overwrite", output=words["--content"])) == 2
    assert "is a picture that is read; wanted another name" in capsys.readouterr().err


def test_lists_stand_in_a_recipe(words, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'styles = ["{words["--styles"]}", "{words["--styles"]}"]\nstyle_scales = [1.0, 0.5]\n')
    given = {name: value for name, value in words.items() if name != "--styles"}
    assert plan(given, "--recipe", str(recipe)).style_scales == (1.0, 0.5)


def test_a_picture_on_the_way_replaces_none_that_is_read(words, tmp_path):
    (tmp_path / "at_6.png").write_bytes((tmp_path / "content.png").read_bytes())
    more = ["--checkpoint_output", str(tmp_path / "at_%s.png"), "--initial", str(tmp_path / "at_6.png")]
    with pytest.raises(
        UsageError, match=r"--checkpoint_output: of iteration 6 it would be '.*/at_6.png', which is read"
    ):
        plan(words, *more, "--checkpoint_iterations", "3", "--iterations", "6")
    assert plan(words, *more, "--checkpoint_iterations", "3", "--iterations", "5").checkpoint_iterations == 3
