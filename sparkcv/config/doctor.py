"""The flags of the doctor: those of training, so that only the job's name in a command has to change."""

import dataclasses

from sparkcv.config.flags import flag
from sparkcv.config.train import TrainConfig

_DOCTOR = "doctor"


@dataclasses.dataclass(frozen=True)
class DoctorConfig(TrainConfig):
    """Find out whether a training job would start: the driver and every executor are examined, nothing is trained.

    Takes the flags of train_image_classifier.py. Exits with 0 if training can start, with 1 if it would fail.
    """

    load_tensorflow: bool = flag(
        True, "start a role's process on each executor and let it load TensorFlow, which takes seconds", group=_DOCTOR
    )
    load_timeout_s: float = flag(120.0, "seconds that such a process may take", group=_DOCTOR, above=0)
    examination_timeout_s: float = flag(
        480.0, "seconds in which all executors must have answered", group=_DOCTOR, above=0
    )

    principal: str = flag("", "check --keytab for this one, which spark-submit is to be given", group=_DOCTOR)
    keytab: str = flag("", "a keytab on this machine, to be checked before spark-submit is given it", group=_DOCTOR)
