"""Flags: slim's names and defaults, both spellings of a boolean, recipes, and a sentence for what is wrong."""

import dataclasses
import pathlib

import pytest

from sparkcv import config, nets
from sparkcv.config import (
    CaptionConfig,
    ConvertConfig,
    DoctorConfig,
    EvalConfig,
    ExportConfig,
    ScoreConfig,
    TrainConfig,
)
from sparkcv.config.flags import Flags, flag
from sparkcv.config.port_range import PortRange
from sparkcv.errors import UsageError

# Read off tensorflow/models, research/slim/train_image_classifier.py.
SLIM_TRAIN_DEFAULTS = {
    "master": "",
    "train_dir": "/tmp/tfmodel/",
    "num_clones": 1,
    "clone_on_cpu": False,
    "worker_replicas": 1,
    "num_ps_tasks": 0,
    "num_readers": 4,
    "num_preprocessing_threads": 4,
    "log_every_n_steps": 10,
    "save_summaries_secs": 600,
    "save_interval_secs": 600,
    "task": 0,
    "weight_decay": 0.00004,
    "optimizer": "rmsprop",
    "adadelta_rho": 0.95,
    "adagrad_initial_accumulator_value": 0.1,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "opt_epsilon": 1.0,
    "ftrl_learning_rate_power": -0.5,
    "ftrl_initial_accumulator_value": 0.1,
    "ftrl_l1": 0.0,
    "ftrl_l2": 0.0,
    "momentum": 0.9,
    "rmsprop_momentum": 0.9,
    "rmsprop_decay": 0.9,
    "quantize_delay": -1,
    "learning_rate_decay_type": "exponential",
    "learning_rate": 0.01,
    "end_learning_rate": 0.0001,
    "label_smoothing": 0.0,
    "learning_rate_decay_factor": 0.94,
    "num_epochs_per_decay": 2.0,
    "warmup_epochs": 0.0,
    "sync_replicas": False,
    "replicas_to_aggregate": 1,
    "moving_average_decay": None,
    "dataset_name": "imagenet",
    "dataset_split_name": "train",
    "dataset_dir": None,
    "labels_offset": 0,
    "model_name": "inception_v3",
    "preprocessing_name": None,
    "batch_size": 32,
    "train_image_size": None,
    "max_number_of_steps": None,
    "use_grayscale": False,
    "checkpoint_path": None,
    "checkpoint_exclude_scopes": None,
    "trainable_scopes": None,
    "ignore_missing_vars": False,
}
SLIM_EVAL_DEFAULTS = {
    "batch_size": 100,
    "max_num_batches": None,
    "master": "",
    "checkpoint_path": "/tmp/tfmodel/",
    "eval_dir": "/tmp/tfmodel/",
    "num_preprocessing_threads": 4,
    "dataset_name": "imagenet",
    "dataset_split_name": "test",
    "labels_offset": 0,
    "model_name": "inception_v3",
    "preprocessing_name": None,
    "moving_average_decay": None,
    "eval_image_size": None,
    "quantize": False,
    "use_grayscale": False,
}
# Read off export_inference_graph.py and download_and_convert_data.py of the same folder.
SLIM_EXPORT_DEFAULTS = {
    "model_name": "inception_v3",
    "is_training": False,
    "image_size": None,
    "batch_size": None,
    "dataset_name": "imagenet",
    "labels_offset": 0,
    "output_file": "",
    "dataset_dir": "",
    "quantize": False,
    "is_video_model": False,
    "num_frames": None,
    "write_text_graphdef": False,
    "use_grayscale": False,
}
SLIM_CONVERT_FLAGS = ("dataset_name", "dataset_dir", "small_object_area_threshold", "foreground_class_of_interest")


def train(*argv):
    return config.parse(TrainConfig, argv, "train")


def test_training_has_every_flag_of_slim_with_its_default():
    given = {name: getattr(train(), name) for name in SLIM_TRAIN_DEFAULTS}
    # Not set is 0, too, as long as nothing asks for more roles than one.
    assert given | {"num_ps_tasks": train().num_ps} == SLIM_TRAIN_DEFAULTS


def test_evaluation_has_every_flag_of_slim_with_its_default():
    parsed = config.parse(EvalConfig, ["--dataset_dir", "/d"], "eval")
    assert {name: getattr(parsed, name) for name in SLIM_EVAL_DEFAULTS} == SLIM_EVAL_DEFAULTS


def test_export_has_every_flag_of_slim_with_its_default():
    parsed = config.parse(ExportConfig, ["--checkpoint_path", "/c", "--model_dir", "/m"], "export")
    assert {name: getattr(parsed, name) for name in SLIM_EXPORT_DEFAULTS} == SLIM_EXPORT_DEFAULTS


def test_conversion_has_every_flag_of_slim():
    assert set(SLIM_CONVERT_FLAGS) <= {each.name for each in dataclasses.fields(ConvertConfig)}


@pytest.mark.parametrize(
    ("cls", "words", "said"),
    [
        (ExportConfig, ["--is_video_model"], "--is_video_model true: slim's video nets .* are none of the nets here"),
        (ExportConfig, ["--num_frames=64"], "--num_frames 64: slim's video nets"),
        (ExportConfig, ["--write_text_graphdef"], "--write_text_graphdef true without --output_file"),
        (ConvertConfig, ["--small_object_area_threshold=0.005"], "--small_object_area_threshold 0.005: .*COCO"),
        (ConvertConfig, ["--foreground_class_of_interest=person"], "--foreground_class_of_interest person: .*COCO"),
        (ConvertConfig, ["--dataset_name=flowers"], "; flowers, which slim's script downloads, is to be given as pic"),
        (TrainConfig, ["--warmup_epochs=-1"], "--warmup_epochs: got -1"),
        (TrainConfig, ["--adopt_checkpoint", "--restart"], "--adopt_checkpoint with --restart: got both"),
    ],
)
def test_what_slim_has_and_is_not_here_is_refused_with_the_reason(cls, words, said):
    needed = {ExportConfig: ["--checkpoint_path=/c", "--model_dir=/m"], ConvertConfig: ["--dataset_dir=/d"]}
    with pytest.raises(UsageError, match=said):
        config.parse(cls, [*needed.get(cls, []), *words], "job")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("--sync_replicas", True),
        ("--sync_replicas=true", True),
        ("--sync_replicas=False", False),
        ("--nosync_replicas", False),
    ],
)
def test_a_boolean_is_read_in_every_spelling_of_slims_flags(word, value):
    assert train(word).sync_replicas is value


@pytest.mark.parametrize("power", ["-0.7", "-.7", "-7e-1"])
def test_negative_numbers_are_values(power):
    assert train("--quantize_delay", "-1", "--ftrl-learning-rate-power", power).ftrl_learning_rate_power == -0.7


def test_a_flag_is_no_value_of_the_one_before_it():
    with pytest.raises(UsageError, match="--ftrl_learning_rate_power: expected one argument"):
        train("--ftrl_learning_rate_power", "--quantize_delay", "-1")


def test_a_configuration_survives_json():
    config_ = train("--batch_size", "7", "--dataset_dir", "hdfs://default/x")
    assert config.from_dict(TrainConfig, config.to_dict(config_)) == config_


def test_the_number_of_gpus_is_said_in_slims_own_flags_and_survives_json():
    without, two = train("--num_gpus", "0"), train("--num_gpus=2")
    assert (without.num_clones, without.clone_on_cpu) == (1, True)
    assert (two.num_clones, two.clone_on_cpu) == (2, False)
    for config_ in (without, two):
        assert config.from_dict(TrainConfig, config.to_dict(config_)) == config_


@pytest.mark.parametrize(
    "text", ["", "40000", "40000-", "1023-2000", "40000-65536", "5000-4000", "4,5-7", "-1-5", "a-b"]
)
def test_a_range_of_ports_that_is_none_is_refused_by_every_job_that_opens_some(text):
    jobs = [
        (TrainConfig, []),
        (DoctorConfig, []),
        (EvalConfig, ["--dataset_dir", "/d"]),
        (ExportConfig, ["--checkpoint_path", "/c", "--model_dir", "/m"]),
        (ScoreConfig, ["--input", "/i", "--model_dir", "/m", "--output_dir", "/o"]),
        (ConvertConfig, ["--images_dir", "/i", "--dataset_dir", "/d"]),
    ]
    for cls, argv in jobs:
        with pytest.raises(UsageError, match=f"--port_range: got '{text}', wanted LOW-HIGH from 1024 to 65535"):
            config.parse(cls, [*argv, f"--port_range={text}"], "job")
        assert config.parse(cls, [*argv, "--port_range=1024-65535"], "job").port_range == "1024-65535"


def test_a_range_of_one_port_is_too_narrow():
    with pytest.raises(UsageError, match="--port_range 5000-5000: got 1 port, wanted 2 at least"):
        train("--port_range", "5000-5000")
    with pytest.raises(UsageError, match="--port_range 5000-5001 with --launcher tensorflowonspark: got both"):
        train("--port_range", "5000-5001", "--launcher", "tensorflowonspark")
    assert str(PortRange.parse(train("--port_range", "5000-5001").port_range)) == "5000-5001"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--lerning_rate", "1"], "unknown flag --lerning_rate, did you mean --learning_rate?"),
        (["--batch_siz=1"], "unknown flag --batch_siz, did you mean --batch_size?"),
        (["oops"], "unexpected argument 'oops'"),
        (["--batch_size", "many"], "batch_size: invalid int value: 'many'"),
        (["--batch_size", "0"], "--batch_size: got 0, wanted at least 1"),
        (["--label_smoothing", "2"], "--label_smoothing: got 2.0, wanted 0 to 1"),
        (["--learning_rate", "nan"], "--learning_rate: got nan, wanted more than 0"),
        (["--start_timeout_s", "inf"], "--start_timeout_s: got inf, wanted more than 0"),
        (["--stall_timeout_s=-inf"], "--stall_timeout_s: got -inf, wanted at least 0"),
        (["--bad_record_budget", "nan"], "--bad_record_budget: got nan, wanted 0 to 1"),
        (["--num_evaluators", "2"], "--num_evaluators: got 2, wanted 0 to 1"),
        (["--optimizer", "adm"], "argument --optimizer: invalid choice: 'adm'"),
        (["--cluster_size", "2", "--num_ps_tasks", "2"], "leaves no worker"),
        (["--cluster_size", "3", "--num_ps_tasks", "0"], "wanted at least one ps"),
        (["--wire_dtype", "bfloat16", "--num_ps_tasks", "0"], "without a ps nothing travels; wanted --num_ps_tasks"),
        (["--wire_dtype", "bfloat"], "invalid choice: 'bfloat'"),
        (["--quantize_delay", "10"], "TensorFlow 2 does not have"),
        (["--num_gpus", "-1"], "--num_gpus: got -1, wanted at least 0"),
        (["--num_gpus", "2", "--num_clones", "3"], "--num_clones 3 is not --num_gpus 2"),
        (["--num_gpus", "1", "--clone_on_cpu"], "got both, wanted one of them"),
        (["--sync_replicas=perhaps"], "got 'perhaps', wanted true or false"),
        (["--recipe", "/no/such.toml"], "cannot be read"),
        (["--recipe", ""], "--recipe: got nothing, wanted a TOML file"),
        (["--recipe=/a.toml", "--recipe=/b.toml"], "got --recipe 2 times, /a.toml and /b.toml, wanted it once"),
        (["-batch_size", "3"], "unknown flag -batch_size, did you mean --batch_size?"),
        (["--no_sync_replicas"], "unknown flag --no_sync_replicas, did you mean --nosync_replicas?"),
    ],
)
def test_a_bad_flag_is_told_in_one_sentence(argv, sentence):
    with pytest.raises(UsageError) as caught:
        train(*argv)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_switch_is_turned_off_with_hyphens_too():
    assert train("--sync-replicas").sync_replicas is True
    assert train("--sync_replicas", "--nosync-replicas").sync_replicas is False


def test_a_word_that_stands_for_a_flag_is_not_given_beside_it():
    with pytest.raises(UsageError, match=r"--input: got it and '/a\.jpg', which stands for it; wanted one of them"):
        config.parse(CaptionConfig, ["/a.jpg", "--checkpoint_path=/c", "--input=/b.jpg"], "caption")


def test_a_value_out_of_range_is_refused_wherever_it_comes_from(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text("learning_rate = inf\n")
    values = config.to_dict(train()) | {"learning_rate": float("inf")}
    ways = (
        lambda: train("--recipe", str(recipe)),
        lambda: config.from_dict(TrainConfig, values),
        lambda: TrainConfig(learning_rate=float("inf")),
        lambda: dataclasses.replace(train(), learning_rate=float("inf")),
        lambda: config.parse(DoctorConfig, ["--learning_rate", "inf"], "doctor"),
    )
    for way in ways:
        with pytest.raises(UsageError, match="--learning_rate: got inf, wanted more than 0"):
            way()


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ({"least": 1}, [1, 10**400], [0, float("inf"), float("nan")]),
        ({"most": 5}, [5, -3.5], [6, float("-inf")]),
        ({"above": 0}, [1e-300], [0, -1]),
        ({"above": 0, "below": 1}, [0.5], [0, 1]),
        ({"share": True}, [0, 1, 0.3], [-1e-9, 1.001]),
    ],
)
def test_the_range_of_a_flag_is_checked_and_shown(bounds, inside, outside):
    @dataclasses.dataclass(frozen=True)
    class Job(Flags):
        """A job."""

        size: float | None = flag(None, "a size", group="all", **bounds)

    assert [Job(size=value).size for value in [None, *inside]] == [None, *inside]
    for value in outside:
        with pytest.raises(UsageError, match=r"--size: got \S+, wanted "):
            Job(size=value)


def test_a_setting_of_the_wrong_type_is_refused_by_name():
    for key, value in (("batch_size", "8"), ("batch_size", 8.0), ("batch_size", True), ("model_name", 3)):
        with pytest.raises(UsageError, match=f"setting '{key}' of TrainConfig is .*, wanted (int|str)"):
            config.from_dict(TrainConfig, {key: value})
    assert config.from_dict(TrainConfig, {"learning_rate": 1, "cluster_size": None}).learning_rate == 1


def test_help_shows_ranges_and_what_is_required(capsys):
    with pytest.raises(SystemExit):
        config.parse(ConvertConfig, ["--help"], "convert")
    text = " ".join(capsys.readouterr().out.split())
    assert "folder for the shards, any storage URL (required)" in text
    assert "shards a split [at least 1] (default: 5)" in text
    assert "the rest 'train' [a number between 0 and 1] (default: not set)" in text
    assert "fails the conversion [0 to 1] (default: 1.0)" in text


def test_help_is_complete_and_grouped(capsys):
    with pytest.raises(SystemExit):
        train("--help")
    text = capsys.readouterr().out
    assert all(f"--{name}" in text for name in SLIM_TRAIN_DEFAULTS)
    assert all(
        f"{group}:" in text for group in ("optimizer", "learning rate", "dataset and net", "fine-tuning", "cluster")
    )
    assert "(default: 0.01)" in text


def test_a_seed_is_one_that_tensorflow_and_spark_can_hold():
    made = [each for each in vars(config).values() if isinstance(each, type) and issubclass(each, Flags)]
    ranges = [each.__dataclass_fields__["seed"].metadata["range"] for each in made if hasattr(each, "seed")]
    assert len(ranges) > 10
    assert all(0 in each and 2**62 in each and -1 not in each and 2**63 not in each for each in ranges)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("styles = [1, 2]", "styles is [1, 2], wanted a list of str"),
        ("styles = 's.jpg'", "styles is 's.jpg', wanted a list of str"),
        ("styles = ['s.jpg']\nstyle_scales = ['2']", "style_scales is ['2'], wanted a list of float"),
        ("styles = []", "--styles is empty"),
    ],
)
def test_a_list_of_a_recipe_has_values_of_the_flags_type(tmp_path, text, sentence):
    recipe = tmp_path / "r.toml"
    recipe.write_text(f"content = 'c.jpg'\noutput = 'o.jpg'\n{text}\n")
    with pytest.raises(UsageError) as told:
        config.parse(config.StyleTransferConfig, ["--recipe", str(recipe)], "style")
    assert sentence in str(told.value)
    given = {"content": "c.jpg", "output": "o.jpg", "styles": ["s.jpg"]}
    assert config.from_dict(config.StyleTransferConfig, {**given, "style_scales": [2]}).style_scales == (2,)


def test_a_recipe_is_beaten_by_a_flag(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text("batch_size = 8\nlearning_rate = 1\n")
    parsed = train("--recipe", str(recipe), "--batch_size", "9")
    assert (parsed.batch_size, parsed.learning_rate) == (9, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("batch_sice = 8", "unknown key 'batch_sice', did you mean batch_size?"),
        ("batch_size = 'x'", "batch_size is 'x', wanted int"),
        ("batch_size = true", "batch_size is True, wanted int"),
        pytest.param("learning_rate = 1" + 400 * "0", "learning_rate is 10+, wanted float", id="1e400"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_bad_recipe_is_told_in_one_sentence(tmp_path, text, sentence):
    recipe = tmp_path / "r.toml"
    recipe.write_text(text)
    with pytest.raises(UsageError, match=sentence.replace("?", r"\?")):
        train("--recipe", str(recipe))


@pytest.mark.parametrize(
    ("cls", "argv", "sentence"),
    [
        (EvalConfig, [], "--dataset_dir is missing"),
        (EvalConfig, ["--dataset_dir", "/d", "--quantize"], "TensorFlow 2 does not have"),
        (ExportConfig, ["--model_dir", "/m"], "--checkpoint_path is missing"),
        (ExportConfig, ["--model_dir", "/m", "--checkpoint_path", "/c", "--is_training"], "wanted false"),
        (ScoreConfig, ["--input", "/i", "--model_dir", "/m"], "--output_dir is missing"),
        (ScoreConfig, ["--input", "/i", "--model_dir", "/m", "--output_dir", "/o", "--date", "20260101"], "YYYY-MM-DD"),
        (
            ScoreConfig,
            ["--input", "/i", "--model_dir", "/m", "--output_dir", "/o", "--date", "2026-02-30"],
            "2026-02-30",
        ),
        (ConvertConfig, ["--dataset_dir", "/d"], "got none of --images_dir, --labels_csv, --gnt_dir, "),
        (
            ConvertConfig,
            ["--dataset_dir=/d", "--gnt_dir=/g", "--images_dir=/i"],
            "got --images_dir and --gnt_dir, wanted one of them",
        ),
        (
            ConvertConfig,
            ["--dataset_dir=/d", "--gnt_dir=/g", "--formats=jpeg"],
            "--formats jpeg with --gnt_dir: it is of picture files, wanted none",
        ),
        (ConvertConfig, ["--dataset_dir", "/d", "--images_dir", "/i", "--dataset_name", "../x"], "letters, digits"),
        (ConvertConfig, ["--dataset_dir", "/d", "--images_dir", "/i", "--validation_fraction", "1"], "between 0 and 1"),
    ],
)
def test_each_job_refuses_what_can_never_work(cls, argv, sentence):
    with pytest.raises(UsageError, match=sentence):
        config.parse(cls, argv, "job")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--loss hinge", "invalid choice: 'hinge'"),
        ("--focal_gamma 3", "--focal_gamma 3 with --loss softmax: it has no effect; wanted --loss focal"),
        ("--loss focal --focal_gamma -1", "--focal_gamma: got -1.0, wanted at least 0"),
        ("--loss focal --focal_alpha 0", "--focal_alpha: got 0.0, wanted"),
        ("--class_weights 1,-1", "--class_weights: got -1 for class 1"),
        ("--class_weights=", "--class_weights: got nothing"),
        ("--clip_gradient_norm 0", "--clip_gradient_norm: got 0.0, wanted"),
        ("--learning_rate_scales Net", "--learning_rate_scales: got 'Net', wanted SCOPE=NUMBER"),
        ("--learning_rate_scales Net=a", "--learning_rate_scales: got 'Net=a', wanted SCOPE=NUMBER"),
        ("--learning_rate_scales Net=1,", "--learning_rate_scales: got '', wanted SCOPE=NUMBER"),
        ("--learning_rate_scales =1", "--learning_rate_scales: got '=1', wanted SCOPE=NUMBER"),
        ("--learning_rate_scales Net=-1", "--learning_rate_scales Net: got -1, wanted a finite number"),
        ("--learning_rate_scales Net=1,Net/=2", "--learning_rate_scales: got 'Net' twice"),
        ("--learning_rate_decay_type cosine --learning_rate 1e-5", "--end_learning_rate 0.0001: got more than"),
        (
            "--early_stopping_evaluations 3",
            "--early_stopping_evaluations without an evaluator: wanted --num_evaluators",
        ),
        ("--early_stopping_evaluations 0 --num_evaluators 1", "--early_stopping_evaluations: got 0, wanted at least 1"),
        ("--keep_best", "--keep_best without an evaluator: wanted --num_evaluators 1"),
        ("--optimizer ftrl --warmup_epochs 1", "--warmup_epochs 1 with --optimizer ftrl: the rate is 0 at step 0"),
        (
            "--optimizer ftrl --learning_rate_decay_type polynomial --end_learning_rate 0",
            "--end_learning_rate 0 with --optimizer ftrl: the rate of polynomial decay becomes 0",
        ),
        ("--end_learning_rate -1", "--end_learning_rate: got -1.0, wanted at least 0"),
        ("--learning_rate_decay_factor 0", "--learning_rate_decay_factor: got 0.0, wanted more than 0"),
        ("--momentum nan", "--momentum: got nan, wanted 0 to 1"),
        ("--rmsprop_decay 1.5", "--rmsprop_decay: got 1.5, wanted 0 to 1"),
        ("--adam_beta1 1", "--adam_beta1: got 1.0, wanted at least 0 and less than 1"),
        ("--adagrad_initial_accumulator_value 0", "--adagrad_initial_accumulator_value: got 0.0, wanted more than 0"),
        ("--ftrl_learning_rate_power 0.5", "--ftrl_learning_rate_power: got 0.5, wanted at most 0"),
        ("--ftrl_l1 -1", "--ftrl_l1: got -1.0, wanted at least 0"),
    ],
)
def test_a_way_of_training_that_cannot_work_is_one_sentence(words, message):
    with pytest.raises(UsageError) as caught:
        train(*words.split())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ways_of_training_are_flags_and_survive_json():
    words = (
        "--loss focal --focal_alpha 1 --focal_gamma 0.5 --class_weights 1,2 --clip_gradient_norm 2"
        " --learning_rate_scales Net/Logits=1,Net=0.1 --learning_rate_decay_type cosine --num_evaluators 1"
        " --early_stopping_evaluations 3 --keep_best --sync_replicas"
    )
    config_ = train(*words.split())
    assert config.from_dict(TrainConfig, config.to_dict(config_)) == config_
    assert (config_.keep_best, config_.early_stopping_evaluations, config_.class_weights) == (True, 3, "1,2")


CONF = pathlib.Path(__file__).parents[1] / "conf"
RECIPES = sorted(path for path in CONF.glob("*.toml") if path.name != "serve.toml")


def test_the_recipe_of_the_service_is_one_that_it_takes():
    serving = config.parse(config.ServeConfig, ["--recipe", str(CONF / "serve.toml"), "--models_dir", "m"], "serve")
    assert (serving.host, serving.version_policy) == ("0.0.0.0", "latest:2")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_one_that_training_takes_and_says_what_it_costs_and_gives(recipe):
    net = nets.get(train("--recipe", str(recipe)).model_name)
    assert net.check_image_size(train("--recipe", str(recipe)).train_image_size or net.default_image_size)
    head = recipe.read_text().partition("\n\n")[0].splitlines()
    comments = [line for line in head if line.startswith("#")]
    for word in ("# Command:", "# Cost:", "# Expected:"):
        assert any(line.startswith(word) for line in comments), word
