"""The evaluation job: what it refuses before Spark starts, and one true run on executors."""

import io
import json
import re

import google_crc32c
import pytest

from jobs import eval_image_classifier
from sparkcv import config, storage, synthetic
from sparkcv.config import EvalConfig
from sparkcv.driver import evaluate
from sparkcv.errors import UsageError
from sparkcv.records import example, labels, manifest, shards, tfrecord
from sparkcv.rundir import checkpoint_publication
from tests.fixtures import bundles

SIZE = 24
STEP = 7
NAMES = (*synthetic.CLASSES[:-1], "<b>stars</b>")
BAD = example.encode(example.ImageExample(b"GIF89a", "jpeg", 1, filename="bad.jpg"))


def payload(label, seed):
    sink = io.BytesIO()
    synthetic.draw(label, seed, 40).convert("RGB").save(sink, "PNG")
    return example.encode(example.ImageExample(sink.getvalue(), "png", label, filename=f"{NAMES[label]}/{seed}.png"))


def write_dataset(folder, names=NAMES, per_shard=12, num_shards=2):
    """A dataset as the conversion writes it, with one record in its last shard that is no picture."""
    folder.mkdir(exist_ok=True)
    entries = []
    for index in range(num_shards):
        payloads = [payload((i + index) % 8, 50 * index + i) for i in range(per_shard)]
        payloads += [BAD] if index == num_shards - 1 else []
        data = b"".join(map(tfrecord.frame, payloads))
        name = shards.shard_name("shapes", "test", index, num_shards)
        (folder / name).write_bytes(data)
        crc = f"{google_crc32c.value(data):08x}"
        entries.append(manifest.ShardEntry(name, len(payloads), len(data), crc, {}))
    labels.write_labels(str(folder), names)
    split = manifest.SplitEntry(0, tuple(entries))
    manifest.write_manifest(str(folder), manifest.Manifest("shapes", tuple(names), {"test": split}))
    return str(folder)


def write_run(folder, *, model_name="cifarnet", **run):
    """A run's folder whose checkpoint is whole to look at, but no TensorFlow ever read it."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    for end in ("index", "data-00000-of-00001"):
        (scratch / f"model.ckpt-{STEP}.{end}").write_bytes(b"some bytes")
    run_dir = str(folder / "run")
    checkpoint_publication.publish(str(scratch / f"model.ckpt-{STEP}"), STEP, run_dir, model_name=model_name)
    if run:
        storage.write_json(storage.join(run_dir, "run.json"), run)
    return run_dir


@pytest.fixture
def flags(tmp_path):
    """Flags that could start."""
    return {
        "dataset_dir": write_dataset(tmp_path / "data"),
        "dataset_name": "shapes",
        "checkpoint_path": write_run(tmp_path),
        "eval_dir": str(tmp_path / "eval"),
        "model_name": "cifarnet",
        "preprocessing_name": "inception",
        "eval_image_size": SIZE,
    }


@pytest.mark.parametrize(
    ("run", "warnings"),
    [
        ({"preprocessing_name": "inception", "train_image_size": SIZE}, []),
        ({"preprocessing_name": "inception_v4"}, []),  # the same family
        ({}, []),
        (
            {"exif_orientation": True, "jpeg_arithmetic": "fast", "use_grayscale": False},
            [
                "the run was trained with --jpeg_arithmetic fast and is evaluated with accurate",
                "the run was trained with --exif_orientation True and is evaluated with False",
            ],
        ),
        (
            {"preprocessing_name": None, "train_image_size": 32},
            [
                f"the run was trained at 32 px and is evaluated at {SIZE}: see --eval_image_size",
                "the run was trained with the preprocessing cifarnet and is evaluated with inception: see"
                " --preprocessing_name",
            ],
        ),
    ],
)
def test_pictures_that_are_prepared_in_another_way_than_in_training_are_told(flags, tmp_path, run, warnings, caplog):
    url = write_run(tmp_path / "trained")
    storage.write_json(f"{url}/run.json", {"model_name": "cifarnet", "config": run})
    evaluate.prepare(EvalConfig(**{**flags, "checkpoint_path": url}))
    assert [record.getMessage() for record in caplog.records] == warnings


@pytest.mark.parametrize(("theirs", "ours"), [(True, False), (False, True)])
def test_a_run_of_grey_pictures_is_not_evaluated_on_coloured_ones(flags, tmp_path, theirs, ours):
    url = write_run(tmp_path / "trained", model_name="cifarnet", config={"use_grayscale": theirs})
    said = rf"--use_grayscale {ours}: '.*/model.ckpt-7' was trained on .* pictures; wanted --use_grayscale {theirs}"
    with pytest.raises(UsageError, match=f"(?i){said}"):
        evaluate.prepare(EvalConfig(**{**flags, "checkpoint_path": url, "use_grayscale": ours}))


def words(flags):
    return [f"--{name}={value}" for name, value in flags.items()]


def refused(flags, capsys, code, *told):
    """Runs the job, which must refuse in one sentence that holds ``told`` and leave nothing behind."""
    assert eval_image_classifier.main(words(flags)) == code
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence.startswith("eval_image_classifier.py: ")
    for text in told:
        assert text in sentence
    assert not storage.exists(storage.join(str(flags["eval_dir"]), "report.html"))


def test_help_names_every_flag_of_slim_and_ours(capsys):
    assert eval_image_classifier.main(["--help"]) == 0
    told = capsys.readouterr().out
    for name in config.to_dict(EvalConfig(dataset_dir="/d")):
        assert f"--{name} " in told


def test_slims_defaults_are_the_defaults():
    chosen = EvalConfig(dataset_dir="/d")
    assert (chosen.batch_size, chosen.max_num_batches, chosen.master) == (100, None, "")
    assert (chosen.checkpoint_path, chosen.eval_dir) == ("/tmp/tfmodel/", "/tmp/tfmodel/")
    assert (chosen.num_preprocessing_threads, chosen.dataset_name, chosen.dataset_split_name) == (4, "imagenet", "test")
    assert (chosen.dataset_dir, chosen.labels_offset, chosen.model_name) == ("/d", 0, "inception_v3")
    assert (chosen.preprocessing_name, chosen.moving_average_decay, chosen.eval_image_size) == (None, None, None)
    assert (chosen.quantize, chosen.use_grayscale) == (False, False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"checkpoint_pth": "/x"}, ["unknown flag --checkpoint_pth", "did you mean --checkpoint_path?"]),
        ({"model_name": "cifarnett"}, ["unknown network 'cifarnett'", "did you mean 'cifarnet'?"]),
        ({"preprocessing_name": "incepton"}, ["unknown preprocessing 'incepton'", "did you mean 'inception"]),
        ({"eval_image_size": 2}, ["image size 2 does not fit cifarnet"]),
        ({"batch_size": 0}, ["--batch_size: got 0, wanted at least 1"]),
        ({"labels_offset": 7}, ["--labels_offset 7 leaves 1 of the 8 classes"]),
        ({"labels_offset": -1}, ["--labels_offset: got -1"]),
        ({"quantize": "true"}, ["--quantize true"]),
        ({"bad_record_budget": 1.5}, ["--bad_record_budget: got 1.5, wanted 0 to 1"]),
        ({"dataset_dir": ""}, ["--dataset_dir is missing"]),
        ({"dataset_dir": "nosuch://x"}, ["unknown scheme 'nosuch'"]),
    ],
)
def test_what_can_never_work_is_a_usage_error(flags, capsys, change, told):
    refused({**flags, **change}, capsys, 2, *told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dataset_dir": "/nowhere/data"}, ["/nowhere/data"]),
        ({"dataset_name": "shape"}, ["no shards shape_test-*.tfrecord", "'shapes_test'"]),
        ({"dataset_split_name": "validation"}, ["no shards shapes_validation-*.tfrecord"]),
        ({"checkpoint_path": "/nowhere/run"}, ["no checkpoint '/nowhere/run'"]),
        ({"model_name": "inception_v3", "eval_image_size": 80}, ["is of 'cifarnet', --model_name is 'inception_v3'"]),
    ],
)
def test_what_is_not_there_or_not_it_is_a_failure_that_names_it(flags, capsys, change, told):
    refused({**flags, **change}, capsys, 1, *told)


def test_a_folder_without_a_checkpoint_is_refused(flags, capsys, tmp_path):
    refused({**flags, "checkpoint_path": str(tmp_path / "data")}, capsys, 1, "no checkpoint in")


def test_a_checkpoint_with_a_flipped_byte_is_refused(flags, capsys, tmp_path):
    (tmp_path / "run" / f"model.ckpt-{STEP}.index").write_bytes(b"some bytez")
    refused(flags, capsys, 1, f"model.ckpt-{STEP}.index")


def test_a_shard_that_was_cut_is_refused(flags, capsys, tmp_path):
    shard = tmp_path / "data" / "shapes_test-00000-of-00002.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-1])
    refused(flags, capsys, 1, "shapes_test-00000-of-00002.tfrecord", "bytes, manifest.json says")


def test_another_number_of_classes_is_refused_with_both_numbers(flags, capsys, tmp_path):
    run = write_run(tmp_path / "other", num_classes=10, labels=[str(i) for i in range(10)])
    refused({**flags, "checkpoint_path": run}, capsys, 1, "was trained on 10 classes", "has 8 less --labels_offset 0")


def test_classes_of_other_names_are_refused_with_the_first_difference(flags, capsys, tmp_path):
    run = write_run(tmp_path / "other", num_classes=8, labels=[NAMES[1], NAMES[0], *NAMES[2:]])
    refused({**flags, "checkpoint_path": run}, capsys, 1, f"class 0 is {NAMES[1]!r} to the checkpoint", repr(NAMES[0]))


def test_an_eval_dir_that_cannot_be_written_is_refused(flags, capsys, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused({**flags, "eval_dir": str(tmp_path / "file" / "eval")}, capsys, 1, str(tmp_path / "file"))


def test_a_run_of_another_picture_size_is_only_warned_of(flags, capsys, tmp_path):
    run = write_run(tmp_path / "other", num_classes=8, config={"train_image_size": 80})
    plan = evaluate.prepare(EvalConfig(**{**flags, "checkpoint_path": run}))
    assert (plan.found.step, plan.image_size, plan.train_dir) == (STEP, SIZE, run)


def test_a_run_json_of_another_kind_is_passed_over(flags, tmp_path):
    storage.write_json(str(tmp_path / "run" / "run.json"), ["no", "object"])
    assert evaluate.prepare(EvalConfig(**flags)).found.step == STEP


def test_a_folder_that_slim_trained_is_evaluated_at_its_newest_that_reads(flags, capsys, tmp_path):
    shapes = {"CifarNet/logits/biases": (8,), "global_step": ()}
    for step in (20, 40):
        bundles.write(tmp_path / "slim", shapes, f"model.ckpt-{step}")
    (tmp_path / "slim" / "model.ckpt-40.index").write_bytes(b"half writ")
    asked = {**flags, "checkpoint_path": str(tmp_path / "slim")}
    assert evaluate.prepare(EvalConfig(**asked)).found.step == 20
    refused({**asked, "model_name": "lenet"}, capsys, 1, "is of another net: its variables lie in CifarNet")
    prefix = f"{tmp_path}/slim/model.ckpt-20"
    refused({**asked, "checkpoint_path": f"{prefix}.index"}, capsys, 2, f"name that: --checkpoint_path {prefix}")


# On executors.


@pytest.fixture(scope="module")
def tf():
    """TensorFlow, imported before the check of a test's environment variables looks at them."""
    import tensorflow

    return tensorflow


@pytest.fixture(scope="module")
def real_run(tf, tmp_path_factory):
    """A run's folder with one checkpoint of random weights, curves, and what the trainer says of it."""
    from sparkcv import nets

    tf1, scratch, run_dir = tf.compat.v1, tmp_path_factory.mktemp("scratch"), tmp_path_factory.mktemp("real-run")
    with tf.Graph().as_default(), tf1.Session() as session:
        nets.get("cifarnet").build(tf1.zeros([1, SIZE, SIZE, 3]), 8, is_training=True)
        step = tf1.train.get_or_create_global_step()
        session.run(tf1.global_variables_initializer())
        session.run(step.assign(STEP))
        tf1.train.Saver().save(session, str(scratch / f"model.ckpt-{STEP}"), write_meta_graph=False, write_state=False)
    checkpoint_publication.publish(str(scratch / f"model.ckpt-{STEP}"), STEP, str(run_dir), model_name="cifarnet")
    storage.write_text(str(run_dir / "metrics.jsonl"), '{"step": 1, "loss": 2.5, "learning_rate": 0.1}\n')
    return run_dir


@pytest.mark.spark
@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning")
def test_a_run_on_two_executors_accounts_for_every_record_and_leaves_a_page(
    spark, tf, real_run, flags, capsys, tmp_path
):
    before = sorted((entry.name, entry.size) for entry in storage.list_dir(str(real_run)))
    asked = {**flags, "checkpoint_path": real_run, "cluster_size": 2, "bad_record_budget": 0.05, "batch_size": 4}
    assert eval_image_classifier.main(words(asked)) == 0
    told = capsys.readouterr().out
    results = json.loads((tmp_path / "eval" / f"eval-{STEP}.json").read_text())
    assert (results["step"], results["num_examples"], results["num_rejected"]) == (STEP, 24, 1)
    assert sum(count for _, _, count in results["confusion"]) == 24
    assert results["accuracy"] == sum(n for true, guess, n in results["confusion"] if true == guess) / 24
    assert results["rejected"][0]["path"].endswith("shapes_test-00001-of-00002.tfrecord")
    assert re.search(rf"accuracy +{results['accuracy']:.4f}", told)
    assert "24 examples + 1 rejected, the whole split" in told
    page = (tmp_path / "eval" / "report.html").read_text()
    assert "&lt;b&gt;stars&lt;/b&gt;" in page
    assert page.count("data:image/jpeg;base64,") == min(24, len(results["worst_mistakes"]))
    names = sorted(entry.name for entry in storage.list_dir(str(tmp_path / "eval")))
    assert len(names) == 3
    assert names[:1] == [f"eval-{STEP}.json"]
    scalars = {}
    for event in tf.compat.v1.train.summary_iterator(str(tmp_path / "eval" / names[1])):
        scalars.update({value.tag: (event.step, value.simple_value) for value in event.summary.value})
    assert scalars["eval/Accuracy"] == (STEP, pytest.approx(results["accuracy"]))
    assert scalars["eval/Recall_5"] == (STEP, pytest.approx(results["recall_5"]))
    assert sorted((entry.name, entry.size) for entry in storage.list_dir(str(real_run))) == before


@pytest.mark.spark
@pytest.mark.tensorflow
def test_a_failed_evaluator_ends_the_job_with_its_sentence_and_leaves_nothing(spark, real_run, flags, capsys, tmp_path):
    data = write_dataset(tmp_path / "fewer", names=NAMES[:6])
    asked = {**flags, "checkpoint_path": real_run, "dataset_dir": data, "cluster_size": 2, "bad_record_budget": 1.0}
    assert eval_image_classifier.main(words(asked)) == 1
    told = capsys.readouterr().err
    assert "was trained on 8 classes, the dataset shapes/test in" in told
    assert "has 6;" in told
    assert storage.list_dir(str(tmp_path / "eval")) == []
