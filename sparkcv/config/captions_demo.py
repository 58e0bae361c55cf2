"""The flags of the demo of captions: the whole chain on scenes that it draws itself."""

import dataclasses

from sparkcv.config.flags import MOST_SEED, Flags, flag

_RUN, _DATA, _TRAIN = "run", "scenes", "training"


@dataclasses.dataclass(frozen=True)
class CaptionsDemoConfig(Flags):
    """Draw scenes with captions, convert, train, and evaluate on held-out scenes and held-out combinations."""

    work_dir: str = flag(
        "captions_demo", "folder for everything; a former demo there is replaced", group=_RUN, required=True
    )
    min_bleu: float = flag(0.85, "BLEU-4 on held-out scenes below which the demo fails", group=_RUN, share=True)
    min_seen: float = flag(
        0.95, "share of right colours, shapes and places on those scenes below which it fails", group=_RUN, share=True
    )
    min_unseen: float = flag(
        0.80, "that share on scenes with combinations that were never trained", group=_RUN, share=True
    )
    seed: int = flag(0, "seed of scenes and training", group=_RUN, least=0, most=MOST_SEED)
    num_train: int = flag(
        10000, "scenes drawn for training, one caption each; those held out have two", group=_DATA, least=2
    )
    num_test: int = flag(200, "scenes held out, of each of both kinds", group=_DATA, least=1)
    image_size: int = flag(64, "side of the pictures in pixels", group=_DATA, least=16, most=512)
    model_name: str = flag("scenenet", "the encoder", group=_TRAIN)
    embedding_size: int = flag(64, "numbers that stand for a word, and for a picture", group=_TRAIN, least=1)
    num_lstm_units: int = flag(128, "units of the LSTM", group=_TRAIN, least=1)
    batch_size: int = flag(128, "pictures a step", group=_TRAIN, least=1)
    max_number_of_steps: int = flag(1600, "global step at which to stop", group=_TRAIN, least=1)
    learning_rate: float = flag(0.006, "initial learning rate", group=_TRAIN, above=0)
