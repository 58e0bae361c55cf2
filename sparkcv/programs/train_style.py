"""The training program of a style net: dispatches a process of a run to what its role does, as ps or worker."""

from sparkcv.programs.other_training import OtherTraining

__all__ = ["main"]

main = OtherTraining("sparkcv.programs.style_worker", "the training of a style net")
