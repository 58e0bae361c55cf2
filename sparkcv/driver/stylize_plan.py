"""A run of fast style transfer before it starts: its flags, net, input and output, checked without Spark."""

import dataclasses
from typing import Any

from sparkcv import storage
from sparkcv.config import StylizeConfig
from sparkcv.driver.picture_files import ENDINGS, check_replaceable
from sparkcv.driver.picture_folder import check_parent, check_prior, refuse_of_folder
from sparkcv.driver.picture_rules import rules_of
from sparkcv.driver.stage_session import stage_session
from sparkcv.errors import UsageError
from sparkcv.predict import publish, rows
from sparkcv.predict.rows import InputFiles, content
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.spark.session import SessionSpec
from sparkcv.style import picture_pixels, transformer_weights
from sparkcv.style.transformer_weights import TransformerWeights

__all__ = ["StylizePlan", "prepare"]

_OF_FOLDER = ("num_partitions", "cluster_size", "port_range", "bad_image_budget", "executor_memory_mb")
_LOADED_BYTES = 1.0e9  # TensorFlow, a picture of the usual limit and what was made of it
_PIXEL_BYTES = 4 * 32 * 4  # of a strip: of the widest layer the input, the output and what is computed between


@dataclasses.dataclass(frozen=True)
class StylizePlan:
    """A run that can start: its flags with full URLs, its net, and its input.

    ``files`` is None for a single picture, which takes no Spark.
    """

    config: StylizeConfig
    weights: TransformerWeights
    files: InputFiles | None

    @property
    def rules(self) -> PictureRules:
        """How pictures are read."""
        return rules_of(self.config)

    def settings(self) -> dict[str, Any]:
        """Return what the pictures made depend on."""
        config = self.config
        return {
            "style_digest": self.weights.digest,
            "input": config.input,
            "format": config.format,
            "quality": config.quality,
            "formats": config.formats,
            "background": config.background,
            "exif_orientation": config.exif_orientation,
        }

    def session(self) -> SessionSpec | None:
        """Return what the run needs of Spark; None for a single picture."""
        if self.files is None:
            return None
        return stage_session("sparkcv stylize", self.config, _LOADED_BYTES + self.config.strip_pixels * _PIXEL_BYTES)


def prepare(config: StylizeConfig) -> StylizePlan:
    """Check all that can be checked without Spark, TensorFlow or a whole listing.

    Raises:
        UsageError: an input that is no pictures, an output within it, a format that is not written.
        MissingFileError, DataError: no input, or none in it; no net; no folder for the output.
        CheckpointError: weights that are damaged or of another net.
        FileExistsAlreadyError: the output is there, of another net, input or setting, or not ours.
    """
    config = dataclasses.replace(
        config, style=storage.resolve(str(config.style)), output=storage.resolve(str(config.output))
    )
    weights = transformer_weights.load(config.style).padded(config.padding)
    files = rows.find_input(config.input)
    config = dataclasses.replace(config, input=files.input)
    if storage.exists(files.input) and not storage.is_dir(files.input):
        return StylizePlan(_single(config), weights, None)
    if files.kind != content.PICTURES:
        raise UsageError(f"--input: {files.input!r} holds {files.kind}, wanted a picture or a folder of pictures")
    publish.hadoop_url(config.output)
    check_parent(config.output)
    if files.holds(config.output):
        raise UsageError(f"--output: {config.output!r} lies in --input {files.input!r}, so output would become input")
    plan = StylizePlan(config, weights, files)
    check_prior(config.output, plan.settings(), overwrite=config.overwrite)
    storage.check_writable(config.output)
    return plan


def _single(config: StylizeConfig) -> StylizeConfig:
    """Settle the name and the format of a single picture's output."""
    refuse_of_folder(config, _OF_FOLDER, f"--input {config.input!r}")
    output = config.output
    if storage.is_dir(output):
        output = storage.join(output, picture_pixels.output_name(storage.basename(config.input), config.format)[0])
    own = picture_pixels.format_of(storage.basename(output))
    if own is None:
        raise UsageError(
            f"--output: {output!r} does not say a format that is written; wanted a name that ends in {ENDINGS}"
        )
    if config.format not in (None, own):
        raise UsageError(
            f"--format {config.format}: --output {output!r} ends in another one's name; wanted one of both"
        )
    check_parent(output)
    check_replaceable(output, (config.input,), overwrite=config.overwrite)
    return dataclasses.replace(config, output=output, format=own)
