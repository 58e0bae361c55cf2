"""The flags of training captions: those of training, whose net is the encoder that looks at the picture."""

import dataclasses

from sparkcv.config.augment import text_of_table
from sparkcv.config.flags import flag
from sparkcv.config.tables import OF_A_TABLE
from sparkcv.config.train import DECAYS, OPTIMIZERS, TrainConfig

_CAPTION = "captions"
# What a classifier's training has and this one cannot: each must keep its default.
_UNUSED = (
    *("trainable_scopes", "class_weights", "loss", "num_evaluators", "use_grayscale"),
    *("adopt_checkpoint", "dataset_table", "dataset_query", "labels_offset", "export_dir"),
    *("image_feature", "label_feature", "input_mode", "cache", "moving_average_decay", "normalization", "statistics"),
    *OF_A_TABLE,
)


@dataclasses.dataclass(frozen=True)
class TrainCaptionsConfig(TrainConfig):
    """Train captions of pictures on Spark executors; --model_name is the encoder, which looks at the picture."""

    embedding_size: int = flag(512, "numbers that stand for a word, and for a picture", group=_CAPTION, least=1)
    num_lstm_units: int = flag(512, "units of the LSTM", group=_CAPTION, least=1)
    lstm_dropout_keep: float = flag(
        0.7, "share of what the LSTM reads and writes that dropout keeps", group=_CAPTION, above=0, most=1
    )
    train_encoder: bool = flag(
        False,
        "train the encoder too, at --encoder_learning_rate: the second phase, of a run that was trained without it",
        group=_CAPTION,
    )
    encoder_learning_rate: float = flag(5e-4, "learning rate of all with --train_encoder", group=_CAPTION, above=0)
    encoder_learning_rate_decays: bool = flag(
        False,
        "the learning rate of --train_encoder falls as --learning_rate_decay_type says: for an encoder that nobody has"
        " trained",
        group=_CAPTION,
    )
    image_feature: str = flag("image/data", "only that: the form of the records is im2txt's", group=_CAPTION)
    label_feature: str = flag("image/image_id", "only that: the form of the records is im2txt's", group=_CAPTION)
    augment: str | None = flag(
        "slim=false",
        "augmentations, as for a classifier; not the preprocessing's own, which crop and mirror, so that what is left"
        " of a thing is not any more; slim=true: those too",
        group=_CAPTION,
        table=text_of_table,
    )
    dataset_name: str = flag("captions", "name in the shards' file names", group=_CAPTION)
    optimizer: str = flag("sgd", "update rule", group=_CAPTION, choices=OPTIMIZERS)
    learning_rate: float = flag(2.0, "initial learning rate of the first phase", group=_CAPTION, above=0)
    learning_rate_decay_type: str = flag("exponential", "how it falls", group=_CAPTION, choices=DECAYS)
    learning_rate_decay_factor: float = flag(0.5, "factor of exponential decay", group=_CAPTION, above=0)
    num_epochs_per_decay: float = flag(
        8.0, "epochs after which it decays: passes over all captions", group=_CAPTION, above=0
    )
    clip_gradient_norm: float | None = flag(
        5.0, "largest norm of all gradients together, to which they are scaled down", group=_CAPTION, above=0
    )
    label_smoothing: float = flag(0.0, "weight moved from the true word to all", group=_CAPTION, share=True)
    weight_decay: float = flag(0.0, "L2 weight on the encoder's weights", group=_CAPTION, least=0)

    @property
    def label_is(self) -> str:
        """What an output of the net stands for: "class", or "word"."""
        return "word"

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        self.refuse_use(_UNUSED, "a training of captions")
