"""How a job's flags have pictures read that are decoded at once, and kept nowhere."""

from sparkcv.config import ScoreCaptionsConfig, ScoreConfig, StylizeConfig
from sparkcv.config.pictures import parse_background, parse_formats
from sparkcv.preprocess.picture_file import PictureRules

__all__ = ["rules_of"]


def rules_of(config: ScoreConfig | StylizeConfig | ScoreCaptionsConfig) -> PictureRules:
    """Return the rules; an orientation that no flag speaks of is followed."""
    return PictureRules(
        config.max_pixels,
        parse_formats(config.formats),
        parse_background(config.background),
        use_orientation=config.exif_orientation is not False,
        compress_level=0,
        damaged=config.damaged if isinstance(config, ScoreConfig) else "ignore",
    )
