"""Configuration: one frozen dataclass a job, whose field names are its flags, checked whole before anything starts."""

from sparkcv.config.caption import CaptionConfig
from sparkcv.config.captions_demo import CaptionsDemoConfig
from sparkcv.config.convert import ConvertConfig
from sparkcv.config.convert_captions import ConvertCaptionsConfig
from sparkcv.config.demo import DemoConfig
from sparkcv.config.doctor import DoctorConfig
from sparkcv.config.evaluate import EvalConfig
from sparkcv.config.evaluate_captions import EvaluateCaptionsConfig
from sparkcv.config.evaluate_text2image import EvaluateText2ImageConfig
from sparkcv.config.export import ExportConfig
from sparkcv.config.export_captions import ExportCaptionsConfig
from sparkcv.config.flags import choose, flag, from_dict, parse, read_recipe, to_dict
from sparkcv.config.generate import GenerateConfig
from sparkcv.config.reproduce import ReproduceConfig
from sparkcv.config.score import ScoreConfig
from sparkcv.config.score_captions import ScoreCaptionsConfig
from sparkcv.config.serve import ServeConfig
from sparkcv.config.statistics import StatisticsConfig
from sparkcv.config.style_transfer import StyleTransferConfig
from sparkcv.config.stylize import StylizeConfig
from sparkcv.config.submit import SubmitConfig
from sparkcv.config.super_resolve import SuperResolveConfig
from sparkcv.config.tensorboard import TensorBoardConfig
from sparkcv.config.text2image_demo import Text2ImageDemoConfig
from sparkcv.config.texture import TextureConfig
from sparkcv.config.train import TrainConfig
from sparkcv.config.train_captions import TrainCaptionsConfig
from sparkcv.config.train_style import TrainStyleConfig
from sparkcv.config.train_text2image import TrainText2ImageConfig

__all__ = [
    "CaptionConfig",
    "CaptionsDemoConfig",
    "ConvertCaptionsConfig",
    "ConvertConfig",
    "DemoConfig",
    "DoctorConfig",
    "EvalConfig",
    "EvaluateCaptionsConfig",
    "EvaluateText2ImageConfig",
    "ExportCaptionsConfig",
    "ExportConfig",
    "GenerateConfig",
    "ReproduceConfig",
    "ScoreCaptionsConfig",
    "ScoreConfig",
    "ServeConfig",
    "StatisticsConfig",
    "StyleTransferConfig",
    "StylizeConfig",
    "SubmitConfig",
    "SuperResolveConfig",
    "TensorBoardConfig",
    "Text2ImageDemoConfig",
    "TextureConfig",
    "TrainCaptionsConfig",
    "TrainConfig",
    "TrainStyleConfig",
    "TrainText2ImageConfig",
    "choose",
    "flag",
    "from_dict",
    "parse",
    "read_recipe",
    "to_dict",
]
