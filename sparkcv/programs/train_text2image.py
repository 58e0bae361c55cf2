"""The training program of pictures from captions, for every role: ps and worker."""

from sparkcv.programs.other_training import OtherTraining

__all__ = ["main"]

main = OtherTraining("sparkcv.programs.text2image_worker", "a training of pictures from captions")
