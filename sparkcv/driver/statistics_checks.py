"""Which statistics a job normalizes by: found, of the right dataset and tensor, before anything starts.

A run keeps a copy in its folder: who resumes, evaluates or exports it normalizes as it was trained, whatever becomes of
the dataset.
"""

import dataclasses
from typing import TypeVar

from sparkcv import nets, preprocess, storage
from sparkcv.config import EvalConfig, ExportConfig, TrainConfig
from sparkcv.config.normalization import NEEDS_STATISTICS, OWN, WHITENINGS
from sparkcv.errors import CheckpointError, DataError, UsageError
from sparkcv.preprocess.normalization import Normalization
from sparkcv.records.shards import Dataset
from sparkcv.records.statistics import FittedOn, Statistics, file_name, read_or_tell
from sparkcv.rundir.description import RunDescription

__all__ = ["FILE_NAME", "as_trained", "for_training", "keep"]

FILE_NAME = "statistics.npz"

_DATASET = ("dataset_dir", "dataset_name", "dataset_split_name")

Trained = TypeVar("Trained", EvalConfig, ExportConfig)


def for_training(config: TrainConfig, dataset: Dataset, *, resumes: bool) -> TrainConfig:
    """Return the flags with the URL of the statistics that the run needs, if it needs any.

    A run that resumes keeps those that it has. Raises UsageError for a file that would have no effect, MissingFileError
    if there is none, DataError for one of another dataset or tensor, CheckpointError for another one than the run's.
    """
    if not _is_needed(config.normalization, config.statistics):
        return config
    tensor = _tensor(config, config.train_image_size, dataset)
    own = storage.join(config.train_dir, FILE_NAME)
    given = storage.resolve(config.statistics) if config.statistics else None
    if resumes and storage.exists(own):
        found, url = Statistics.read(own), own
        if given not in (None, own) and Statistics.read(str(given)).digest != found.digest:
            raise CheckpointError(
                f"--statistics {given} are others than those that {config.train_dir} was trained with; wanted those, no"
                " --statistics, or another --train_dir"
            )
    else:
        url = given or storage.join(dataset.dir, file_name(tensor))
        fit = _fit(dataset.dir, config.model_name, tensor, config.normalization, url)
        found = read_or_tell(url, fit)
        if found.of.dataset_digest != dataset.digest:
            raise DataError(
                f"the statistics {url!r} are of {found.of}, not of {dataset.name}/{dataset.split} in {dataset.dir!r}"
                f" (digest {dataset.digest[:12]}); wanted its own, which `{fit}` fits"
            )
    _check(found, url, config.normalization, tensor)
    return dataclasses.replace(config, statistics=url)


def keep(config: TrainConfig) -> TrainConfig:
    """Put the statistics of a run that starts into its folder, and return the flags that name them there."""
    own = storage.join(config.train_dir, FILE_NAME)
    if config.statistics in (None, own):
        return config
    Statistics.read(str(config.statistics)).write(own)
    return dataclasses.replace(config, statistics=own)


def as_trained(config: Trained, told: RunDescription, run_url: str, image_size: int) -> Trained:
    """Return the flags of an evaluation or an export with the normalization and the statistics of the run.

    What is given by flag counts. Raises as :func:`for_training`.
    """
    kind = config.normalization or told.normalization or OWN
    if not _is_needed(kind, config.statistics):
        return dataclasses.replace(config, normalization=kind)
    tensor = _tensor(config, image_size)
    url = storage.resolve(config.statistics) if config.statistics else storage.join(run_url, FILE_NAME)
    trained_on = {name: text for name in _DATASET if isinstance(text := told.config.get(name), str)}
    of = dataclasses.replace(
        tensor,
        dataset_name=trained_on.get("dataset_name", tensor.dataset_name),
        split=trained_on.get("dataset_split_name", tensor.split),
    )
    dataset_dir = trained_on.get("dataset_dir", config.dataset_dir or "DATASET_DIR")
    found = read_or_tell(url, _fit(dataset_dir, config.model_name, of, kind, url))
    _check(found, url, kind, tensor)
    return dataclasses.replace(config, normalization=kind, statistics=url)


def _is_needed(kind: str, given: str | None) -> bool:
    if kind in NEEDS_STATISTICS:
        return True
    if given:
        raise UsageError(
            f"--statistics {given} with --normalization {kind}: they have no effect; wanted one of"
            f" {', '.join(NEEDS_STATISTICS)}"
        )
    return False


def _tensor(config: TrainConfig | EvalConfig | ExportConfig, size: int | None, of: Dataset | None = None) -> FittedOn:
    net = nets.get(config.model_name)
    family = preprocess.get(config.preprocessing_name or net.preprocessing).name
    size = size or net.default_image_size
    data = (of.name, of.split, of.digest, of.num_records) if of else (config.dataset_name, "train", "", 0)
    return FittedOn(*data, family, size, config.use_grayscale, config.jpeg_arithmetic or "")


def _check(found: Statistics, url: str, kind: str, tensor: FittedOn) -> None:
    if found.of.tensor != tensor.tensor:
        got, wanted = (_shown(of) for of in (found.of, tensor))
        raise DataError(f"the statistics {url!r} are of pictures prepared as {got}, wanted {wanted}")
    try:
        Normalization(kind, found)
    except DataError as err:
        raise DataError(f"{url!r}: {err}") from err


def _shown(of: FittedOn) -> str:
    return f"{of.preprocessing} at {of.image_size} pixels, {'grey' if of.use_grayscale else 'in colour'}"


def _fit(dataset_dir: str, model_name: str, of: FittedOn, kind: str, url: str) -> str:
    """Return the command that writes the statistics for a normalization to ``url``."""
    grey = " --use_grayscale" if of.use_grayscale else ""
    whitening = f" --whitening {kind}" if kind in WHITENINGS else ""
    elsewhere = "" if url == storage.join(dataset_dir, file_name(of)) else f" --output_file {url}"
    return (
        f"sparkcv statistics --dataset_dir {dataset_dir} --dataset_name {of.dataset_name} --dataset_split_name"
        f" {of.split} --model_name {model_name} --preprocessing_name {of.preprocessing} --image_size"
        f" {of.image_size}{grey}{whitening}{elsewhere}"
    )
