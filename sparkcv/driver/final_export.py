"""The export at the end of a training run: known to be possible before it starts, proven before it is a success.

Unlike that of ``jobs/export_inference_graph.py`` it may replace a model, but only one that the same run exported.
"""

from sparkcv import logs, storage
from sparkcv.config import ExportConfig, TrainConfig
from sparkcv.driver import export
from sparkcv.errors import (
    FileExistsAlreadyError,
    MissingFileError,
    ModelError,
    SparkcvError,
    UsageError,
)
from sparkcv.launchers import Launcher
from sparkcv.predict import manifest as manifests
from sparkcv.rundir.checkpoint import Found

__all__ = ["check", "is_whole", "run"]

_log = logs.get(__name__)


def check_apart(export_dir: str, train_dir: str) -> None:
    """Raise UsageError for an ``--export_dir`` that holds the run's folder, both as resolved URLs."""
    if f"{train_dir}/".startswith(f"{export_dir}/"):
        raise UsageError(f"--export_dir {export_dir} holds --train_dir {train_dir}; wanted a folder of its own")


def check(config: TrainConfig) -> None:
    """Refuse an ``--export_dir`` that could not be written at the end; raises UsageError, FileExistsAlreadyError."""
    url = config.export_dir
    if url is None:
        return
    check_apart(url, config.train_dir)
    if not storage.exists(url) or (storage.is_dir(url) and not storage.list_dir(url)):
        return
    try:
        owner = storage.parent(manifests.read_manifest(url).run)
    except (ModelError, MissingFileError) as err:
        raise FileExistsAlreadyError(
            f"--export_dir: {url!r} is there already and is no model of this run ({err}); wanted a new or an empty"
            " folder, or an export of this run"
        ) from err
    if owner != config.train_dir:
        raise FileExistsAlreadyError(
            f"--export_dir: {url!r} is a model of the run in {owner!r}; wanted a new or an empty folder, or an export"
            f" of {config.train_dir!r}"
        )


def is_whole(config: TrainConfig, found: Found | None) -> bool:
    """Tell whether ``--export_dir`` holds a model of the checkpoint ``found``, every byte of it as it was exported."""
    if found is None or config.export_dir is None:
        return False
    try:
        manifest = manifests.read_manifest(config.export_dir)
        manifests.verify(config.export_dir, manifest)
    except (ModelError, MissingFileError):
        return False
    return (manifest.step, manifest.run) == (found.step, found.prefix_url)


def run(launcher: Launcher, config: TrainConfig, found: Found) -> str:
    """Export the checkpoint ``found``, unless it was; then have the published model score. Return what to tell.

    Raises RoleFailedError, ModelError or StorageError; the run is trained then, and no success.
    """
    url, log_url = str(config.export_dir), storage.join(config.train_dir, "logs")
    flags = _flags(config, found)
    try:
        if is_whole(config, found):
            _log.info("%s holds the model of step %d already", url, found.step)
        else:
            check(config)  # training may have taken days, in which somebody else came to use the folder
            export.sweep(url)  # what a driver that was killed left there
            export.run_on(launcher, export.prepare(flags, may_replace=True), log_url=log_url)
        digest = manifests.read_manifest(url).digest
        export.score_on(launcher, flags, digest, log_url=log_url)
    except SparkcvError as err:
        _log.error(
            "the run is trained to step %d, its export failed: the same command does only that again", found.step
        )
        if isinstance(err, UsageError):  # the command was right: nobody could have typed it better
            raise ModelError(f"the export to {url!r} failed: {err}") from err
        raise
    return f"model {url} of digest {digest[:16]}, read back, and it scores"


def _flags(config: TrainConfig, found: Found) -> ExportConfig:
    return ExportConfig(
        checkpoint_path=found.prefix_url,
        model_dir=str(config.export_dir),
        dataset_dir=config.dataset_dir or "",
        dataset_name=config.dataset_name,
        labels_offset=config.labels_offset,
        model_name=config.model_name,
        preprocessing_name=config.preprocessing_name,
        image_size=config.train_image_size,
        normalization=config.normalization,
        use_grayscale=config.use_grayscale,
        jpeg_arithmetic=config.jpeg_arithmetic,
        moving_average_decay=config.moving_average_decay,
        start_timeout_s=config.start_timeout_s,
        port_range=config.port_range,
    )
