"""The training program of captions: dispatches a process of a run to what its role does, as ps or worker."""

from sparkcv.programs.other_training import OtherTraining

__all__ = ["main"]

main = OtherTraining("sparkcv.programs.caption_worker", "a training of captions")
