"""Which statistics a job takes: its own dataset's, as its own pictures are prepared, or the run's own copy."""

import dataclasses

import numpy as np
import pytest

from sparkcv import storage
from sparkcv.config import EvalConfig, ExportConfig, StatisticsConfig, TrainConfig
from sparkcv.driver import statistics, statistics_checks
from sparkcv.errors import CheckpointError, DataError, MissingFileError, UsageError
from sparkcv.records.shards import open_dataset
from sparkcv.records.statistics import FittedOn, Moments, file_name
from sparkcv.rundir.description import RunDescription
from tests.inputs import data


@pytest.fixture
def dataset(tmp_path):
    data.write_dataset(tmp_path / "data", data.drawn_shards(1, 4))
    return open_dataset(str(tmp_path / "data"), "shapes", "train")


@pytest.fixture
def config(dataset, tmp_path):
    return TrainConfig(
        dataset_dir=dataset.dir,
        dataset_name="shapes",
        train_dir=str(tmp_path / "run"),
        model_name="lenet",
        train_image_size=8,
        normalization="zca",
    )


def of(dataset, **changed):
    fitted = FittedOn("shapes", "train", dataset.digest, 4, "lenet", 8, False, "accurate")
    return dataclasses.replace(fitted, **changed)


def fit(of, whitening="zca", seed=0):
    channels = 1 if of.use_grayscale else 3
    moments = Moments((of.image_size, of.image_size, channels), has_covariance=bool(whitening))
    pixels = np.random.default_rng(seed).uniform(size=(6, of.image_size, of.image_size, channels))
    moments.add(pixels.astype(np.float32))
    return moments.fit(of, whitening, 0.1)


def test_those_beside_the_shards_are_taken(config, dataset):
    fitted = of(dataset)
    fit(fitted).write(f"{dataset.dir}/{file_name(fitted)}")
    settled = statistics_checks.for_training(config, dataset, resumes=False)
    assert settled.statistics == f"{dataset.dir}/shapes_train_statistics_lenet_8.npz"
    plain = dataclasses.replace(config, normalization="per_image")
    assert statistics_checks.for_training(plain, dataset, resumes=False) == plain


def test_where_there_are_none_the_command_is_told(config, dataset):
    told = (
        r"no statistics at '.*/shapes_train_statistics_lenet_8\.npz'; wanted what `sparkcv statistics --dataset_dir .*"
        r" --dataset_split_name train .* --preprocessing_name lenet --image_size 8 --whitening zca` writes there"
    )
    with pytest.raises(MissingFileError, match=told):
        statistics_checks.for_training(config, dataset, resumes=False)


@pytest.mark.parametrize(
    ("changed", "whitening", "told"),
    [
        (
            {"dataset_digest": "cd" * 32, "dataset_name": "birds"},
            "zca",
            r"are of birds/train \(digest cdcdcdcdcdcd\), lenet at 8 pixels, not of shapes/train in .*; wanted its own",
        ),
        ({"preprocessing": "vgg"}, "zca", "prepared as vgg at 8 pixels, in colour, wanted lenet at 8 pixels"),
        ({"image_size": 9}, "zca", "lenet at 9 pixels, in colour, wanted lenet at 8 pixels, in colour"),
        ({"use_grayscale": True}, "zca", "at 8 pixels, grey, wanted lenet at 8 pixels, in colour"),
        ({}, "pca", "have pca, wanted zca: fit them anew with --whitening zca"),
        ({}, "", "have no whitening, wanted zca"),
    ],
)
def test_others_are_refused_by_name(config, dataset, tmp_path, changed, whitening, told):
    url = str(tmp_path / "others.npz")
    fit(of(dataset, **changed), whitening).write(url)
    given = dataclasses.replace(config, statistics=url)
    with pytest.raises(DataError, match=rf"others\.npz'.*{told}"):
        statistics_checks.for_training(given, dataset, resumes=False)


def test_a_run_keeps_its_own_whatever_becomes_of_the_dataset(config, dataset):
    fitted = of(dataset)
    beside = f"{dataset.dir}/{file_name(fitted)}"
    fit(fitted).write(beside)
    kept = statistics_checks.keep(statistics_checks.for_training(config, dataset, resumes=False))
    own = f"{config.train_dir}/statistics.npz"
    assert kept.statistics == own
    assert statistics_checks.keep(kept) == kept
    fit(fitted, seed=1).write(beside)
    changed = dataclasses.replace(dataset, digest="ef" * 32)
    assert statistics_checks.for_training(config, changed, resumes=True).statistics == own
    with pytest.raises(CheckpointError, match=r"are others than those that .*/run was trained with"):
        statistics_checks.for_training(dataclasses.replace(config, statistics=beside), dataset, resumes=True)
    again = statistics_checks.for_training(config, dataset, resumes=False)  # a run that begins anew
    assert again.statistics == beside


def test_an_evaluation_normalizes_as_the_run_did(config, dataset):
    fit(of(dataset)).write(f"{config.train_dir}/statistics.npz")
    told = RunDescription(config={"normalization": "zca"})
    asked = EvalConfig(dataset_dir=dataset.dir, model_name="lenet")
    settled = statistics_checks.as_trained(asked, told, config.train_dir, 8)
    assert (settled.normalization, settled.statistics) == ("zca", f"{config.train_dir}/statistics.npz")
    own = statistics_checks.as_trained(asked, RunDescription(), config.train_dir, 8)
    assert (own.normalization, own.statistics) == ("own", None)
    given = dataclasses.replace(asked, normalization="rescale")
    assert statistics_checks.as_trained(given, told, config.train_dir, 8).normalization == "rescale"
    with pytest.raises(DataError, match="wanted lenet at 9 pixels"):
        statistics_checks.as_trained(asked, told, config.train_dir, 9)


@pytest.mark.parametrize(
    "asked", [EvalConfig(dataset_dir="/data", model_name="lenet"), ExportConfig(checkpoint_path="/c", model_dir="/m")]
)
def test_the_command_that_is_told_writes_what_the_run_lacks_where_it_is_looked_for(asked, tmp_path):
    asked = dataclasses.replace(asked, model_name="lenet")
    own = str(tmp_path / "statistics.npz")
    told = {"normalization": "zca", "dataset_dir": "/of_run", "dataset_name": "shapes", "dataset_split_name": "all"}
    command = (
        "`sparkcv statistics --dataset_dir /of_run --dataset_name shapes --dataset_split_name all --model_name lenet"
        f" --preprocessing_name lenet --image_size 8 --whitening zca --output_file {own}`"
    )
    with pytest.raises(MissingFileError) as raised:
        statistics_checks.as_trained(asked, RunDescription(config=told), str(tmp_path), 8)
    assert command in str(raised.value)


def test_a_file_that_would_have_no_effect_is_refused(config, dataset):
    given = dataclasses.replace(config, normalization="rescale", statistics="/some.npz")
    with pytest.raises(UsageError, match=r"--statistics /some\.npz with --normalization rescale: they have no effect"):
        statistics_checks.for_training(given, dataset, resumes=False)


def test_a_fit_is_planned_without_tensorflow(dataset):
    asked = StatisticsConfig(
        dataset_dir=dataset.dir, dataset_name="shapes", model_name="lenet", image_size=8, whitening="zca"
    )
    plan = statistics.prepare(asked)
    assert plan.of == of(dataset)
    assert plan.config.output_file == f"{dataset.dir}/{file_name(plan.of)}"
    assert plan.session().num_executors == 1
    with pytest.raises(UsageError, match=r"--output_file: .* is a folder, wanted the name of a file"):
        statistics.prepare(dataclasses.replace(asked, output_file=dataset.dir))
    large = dataclasses.replace(asked, image_size=33)
    with pytest.raises(UsageError, match=r"33 x 33 x 3, 3267 values, .*; wanted at most 3072"):
        statistics.prepare(large)
    assert statistics.prepare(dataclasses.replace(large, whitening=None)).of.image_size == 33
    assert storage.exists(f"{dataset.dir}/manifest.json")
    ink = statistics.prepare(dataclasses.replace(asked, model_name="charnet"))  # whose pictures are grey, unasked
    assert file_name(ink.of) == "shapes_train_statistics_charnet_8_grey.npz"
    assert ink.config.use_grayscale
