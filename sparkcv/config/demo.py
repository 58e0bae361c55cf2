"""The flags of the demo: the whole chain on pictures that it draws itself."""

import dataclasses

from sparkcv.config import checks
from sparkcv.config.flags import flag
from sparkcv.errors import UsageError

_RUN, _DATA, _TRAIN = "run", "pictures", "training"


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """Draw pictures, convert, train, evaluate, export, score them into Parquet, and write report.html."""

    work_dir: str = flag("demo", "folder for everything; a former demo there is replaced", group=_RUN)
    min_accuracy: float = flag(0.90, "accuracy below which the demo fails", group=_RUN)
    seed: int = flag(0, "seed of pictures and training", group=_RUN)
    train_per_class: int = flag(200, "pictures drawn for training, of each of the 8 classes", group=_DATA)
    test_per_class: int = flag(25, "pictures held out, of each of the 8 classes", group=_DATA)
    num_broken: int = flag(6, "deliberately broken files among each of both", group=_DATA)
    model_name: str = flag("inception_v3", "the net to train", group=_TRAIN)
    image_size: int = flag(75, "side of the square input in pixels", group=_TRAIN)
    batch_size: int = flag(16, "examples a step, on each worker", group=_TRAIN)
    max_number_of_steps: int = flag(900, "global step at which to stop", group=_TRAIN)
    learning_rate: float = flag(0.001, "initial learning rate", group=_TRAIN)
    num_workers: int = flag(2, "workers beside the one ps", group=_TRAIN)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        checks.at_least(self, 1, ("train_per_class", "test_per_class", "image_size", "batch_size"))
        checks.at_least(self, 1, ("max_number_of_steps", "num_workers"))
        checks.at_least(self, 0, ("seed", "num_broken"))
        checks.above(self, 0, ("learning_rate",))
        checks.share(self, ("min_accuracy",))
        if not self.work_dir:
            raise UsageError("--work_dir is empty, wanted a local folder")
