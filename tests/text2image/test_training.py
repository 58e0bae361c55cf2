"""The worker of pictures from captions in one process, and pictures made by what it leaves."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from sparkcv.caption.vocabulary import read_vocabulary
from sparkcv.config import ConvertCaptionsConfig
from sparkcv.driver import convert_captions
from sparkcv.errors import CheckpointError, DataError, SparkcvError, UsageError
from sparkcv.text2image import picture_request, trained_gan
from sparkcv.text2image.gan_spec import GanSpec
from sparkcv.text2image.picture_maker import PictureMaker
from tests.text2image import gan_runs

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on words, of three steps and then two more."""
    folder = tmp_path_factory.mktemp("text2image")
    gan_runs.write_dataset(folder)
    assert gan_runs.train_run(folder, "run", max_number_of_steps=3, save_summaries_secs=1)["step"] == 3
    first = variables(folder / "run/model.ckpt-3")
    assert gan_runs.train_run(folder, "run", max_number_of_steps=5)["step"] == 5
    last = variables(folder / "run/model.ckpt-5")
    same = {name for name, value in last.items() if np.array_equal(value, first[name])}
    assert same == set()  # batch normalisation's averages too
    return folder


def variables(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_curves_and_samples_are_there_while_it_goes_on(folder):
    lines = (folder / "run/metrics.jsonl").read_text().split("\n")
    rows = [json.loads(line) for line in lines if line]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    parts = ("real_loss", "wrong_loss", "fake_loss", "generator_loss")
    assert all(row["loss"] == pytest.approx(sum(row[part] for part in parts), rel=1e-4) for row in rows)
    assert (folder / "run/samples/step-00000001.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_seed_makes_the_same_pictures_and_a_way_leads_from_one_to_another(folder):
    gan = trained_gan.find(str(folder / "run"), None, 20)
    assert gan.step == 5
    maker = PictureMaker(gan.checkpoint, gan.checkpoint, gan.spec)
    captions = ["a large red ring", "a small blue star"]
    try:
        rows = picture_request.many(gan.texts, captions, 2)
        made = maker.make(rows, seed=3)
        assert made.shape == (4, 16, 16, 3)
        assert np.array_equal(maker.make(rows[2:], seed=3), made[2:])  # whatever else is made
        assert not np.array_equal(maker.make(rows, seed=4), made)
        assert not np.array_equal(made[0], made[1])
        way = maker.make(picture_request.way(gan.texts, *captions, 5), seed=3)
        assert np.array_equal(way[0], made[0])
        assert np.array_equal(way[-1], made[2])  # the second caption with the first's random numbers
        other = maker.make(picture_request.many(gan.texts, ["a large red zeppelin"], 1), seed=3)
        assert other.shape == (1, 16, 16, 3)
    finally:
        maker.close()
    sizes = {"gf": 8}
    with pytest.raises(CheckpointError, match=r"has generator/\S+ of \[.*\], its run's flags say"):
        PictureMaker(gan.checkpoint, "it", GanSpec(**{**gan.spec.__dict__, **sizes}))


def test_moving_averages_are_taken_where_they_are_kept(folder):
    gan_runs.train_run(folder, "averaged", max_number_of_steps=2, moving_average_decay=0.9)
    gan = trained_gan.find(str(folder / "averaged"), None, 20)
    rows = picture_request.many(gan.texts, ["a red ring"], 1)
    maker = PictureMaker(gan.checkpoint, "", gan.spec)
    values = variables(gan.checkpoint)
    name = "generator/deconv2/weights"
    with maker._graph.as_default():
        (variable,) = (each for each in tf.global_variables() if each.op.name == name)
        assert np.array_equal(maker._session.run(variable), values[f"{name}/ExponentialMovingAverage"])
    assert not np.array_equal(values[name], values[f"{name}/ExponentialMovingAverage"])
    assert maker.make(rows, 0).shape == (1, 16, 16, 3)
    maker.close()


def test_supplied_vectors_take_the_place_of_words(folder, tmp_path):
    captions = [line.split(",")[1] for line in (folder / "figures/captions.csv").read_text().splitlines()[1:]]
    rng = np.random.default_rng(0)
    different = sorted(set(captions))
    np.savez(tmp_path / "v.npz", captions=np.array(different), vectors=rng.normal(size=(len(different), 6)))
    gan_runs.write_dataset(folder, name="with-vectors", vectors=str(tmp_path / "v.npz"))
    flags = {"dataset_dir": str(folder / "with-vectors"), "text": "vectors", "word_size": 128, "max_number_of_steps": 2}
    assert gan_runs.train_run(folder, "vectors", **flags)["step"] == 2
    names = variables(folder / "vectors/model.ckpt-2")
    assert names["generator/text/weights"].shape == (6, 8)
    assert not any("words" in name for name in names)
    gan = trained_gan.find(str(folder / "vectors"), str(tmp_path / "v.npz"), 20)
    maker = PictureMaker(gan.checkpoint, "", gan.spec)
    assert maker.make(picture_request.many(gan.texts, different[:1], 1), 0).shape == (1, 16, 16, 3)
    maker.close()
    np.savez(tmp_path / "long.npz", captions=np.array(different), vectors=rng.normal(size=(len(different), 7)))
    long = trained_gan.find(str(folder / "vectors"), str(tmp_path / "long.npz"), 20)
    gan_runs.write_dataset(folder, name="with-long", vectors=str(tmp_path / "long.npz"))
    with pytest.raises(DataError, match=r"has vectors of 7 numbers, the run of .* was trained on vectors of 6; wanted"):
        gan_runs.train_run(folder, "vectors", **{**flags, "dataset_dir": str(folder / "with-long")})
    with pytest.raises(CheckpointError, match="vectors of 7 numbers, the nets were trained on vectors of 6"):
        PictureMaker(long.checkpoint, "the run", long.spec)
    with pytest.raises(UsageError, match=r"--vectors is missing: the nets of .* were trained on vectors"):
        trained_gan.find(str(folder / "vectors"), None, 20)
    with pytest.raises(UsageError, match=r"--vectors .*: the nets of .* were trained on words"):
        trained_gan.find(str(folder / "run"), str(tmp_path / "v.npz"), 20)
    np.savez(tmp_path / "few.npz", captions=np.array(different[1:]), vectors=np.ones((len(different) - 1, 6)))
    with pytest.raises(DataError, match="has no vector of the caption"):
        gan_runs.write_dataset(folder, name="few", vectors=str(tmp_path / "few.npz"))
    assert not (folder / "few").exists()


def test_characters_tell_words_apart_that_no_vocabulary_has(folder):
    assert gan_runs.train_run(folder, "by-characters", text="characters", max_number_of_steps=2)["step"] == 2
    names = variables(folder / "by-characters/model.ckpt-2")
    assert names["discriminator/characters/conv0/weights"].shape == (4, 70, 12)
    assert names["generator/text/weights"].shape == (8, 8)
    gan = trained_gan.find(str(folder / "by-characters"), None, 100)
    maker = PictureMaker(gan.checkpoint, "", gan.spec)
    wanted = picture_request.request(gan.texts, ["zeppelin", "zeppelins", "red " * 60], None, 1)
    made = maker.make(wanted.rows, 0)
    maker.close()
    assert not np.array_equal(made[0], made[1])
    assert wanted.unknown == {"red " * 60: ("red",)}  # what is behind the 201st character
    with pytest.raises(UsageError, match=r"--vectors .*: the nets of .* were trained on characters"):
        trained_gan.find(str(folder / "by-characters"), str(folder / "run/run.json"), 20)
    with pytest.raises(UsageError, match="--text"):
        gan_runs.train_run(folder, "by-characters", max_number_of_steps=3)


def test_a_run_that_is_to_go_on_with_another_vocabulary_is_told_of_words(folder):
    # The same pictures: one word is gone, or is another.
    captions = (folder / "figures/captions.csv").read_text()
    for name, other, said in (
        (
            "fewer",
            captions.replace("large", "red"),
            r"holds a run with num_words \d+, this one has \d+; .* words and pixels",
        ),
        ("others", captions.replace("ring", "hoop"), r"word \d+ is '\w+' to the run in .* wanted the same words in"),
    ):
        (folder / "figures/captions.csv").write_text(other)
        config = {"captions_file": str(folder / "figures/captions.csv"), "dataset_dir": str(folder / name)}
        prepared = convert_captions.prepare(ConvertCaptionsConfig(**config, num_shards=2, min_word_count=1))
        convert_captions.run_with(gan_runs.OneProcess(), prepared, lambda: None)
        with pytest.raises(SparkcvError, match=said):
            gan_runs.train_run(folder, "run", dataset_dir=str(folder / name), max_number_of_steps=9)
    (folder / "figures/captions.csv").write_text(captions)


def test_records_of_one_caption_each_are_trained_on_too(folder):
    gan_runs.write_dataset(folder, name="each", record_per_caption=True)
    flags = {"dataset_dir": str(folder / "each"), "max_number_of_steps": 2, "unhalved_losses": True, "batch_size": 8}
    assert gan_runs.train_run(folder, "each-run", **flags)["step"] == 2


def test_one_caption_for_all_pictures_is_refused(folder, tmp_path):
    # The conversion lets them through: only to the nets, which know no rare word, they are the same.
    rows = [f"figure-{number:05d}.png,a figure{number}" for number in range(6)]
    (tmp_path / "same.csv").write_text("\n".join(["path,caption", *rows]) + "\n")
    config = ConvertCaptionsConfig(
        captions_file=str(tmp_path / "same.csv"),
        images_dir=str(folder / "figures"),
        dataset_dir=str(tmp_path / "data"),
        min_word_count=4,
    )
    convert_captions.run_with(gan_runs.OneProcess(), convert_captions.prepare(config), lambda: None)
    with pytest.raises(DataError, match="has the same captions for all pictures; wanted different ones"):
        gan_runs.train_run(tmp_path, "run", max_number_of_steps=1)
    assert not (tmp_path / "run").exists()
    assert len(read_vocabulary(str(tmp_path / "data/word_counts.txt"))) == 4
