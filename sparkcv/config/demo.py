"""The flags of the demo: the whole chain on pictures that it draws itself."""

import dataclasses

from sparkcv.config.flags import MOST_SEED, Flags, flag

_RUN, _DATA, _TRAIN = "run", "pictures", "training"


@dataclasses.dataclass(frozen=True)
class DemoConfig(Flags):
    """Draw pictures, convert, train, evaluate, export, score them into Parquet, and write report.html."""

    work_dir: str = flag("demo", "folder for everything; a former demo there is replaced", group=_RUN, required=True)
    min_accuracy: float = flag(0.90, "accuracy below which the demo fails", group=_RUN, share=True)
    seed: int = flag(0, "seed of pictures and training", group=_RUN, least=0, most=MOST_SEED)
    train_per_class: int = flag(200, "pictures drawn for training, of each of the 8 classes", group=_DATA, least=1)
    test_per_class: int = flag(25, "pictures held out, of each of the 8 classes", group=_DATA, least=1)
    num_broken: int = flag(6, "deliberately broken files among each of both", group=_DATA, least=0)
    model_name: str = flag("inception_v3", "the net to train", group=_TRAIN)
    image_size: int = flag(75, "side of the square input in pixels", group=_TRAIN, least=1)
    batch_size: int = flag(16, "examples a step, on each worker", group=_TRAIN, least=1)
    max_number_of_steps: int = flag(900, "global step at which to stop", group=_TRAIN, least=1)
    learning_rate: float = flag(0.001, "initial learning rate", group=_TRAIN, above=0)
    num_workers: int = flag(2, "workers beside the one ps", group=_TRAIN, least=1)
