"""The flags of training pictures from captions: those of training, with both nets' sizes."""

import dataclasses

from sparkcv.config.augment import text_of_table
from sparkcv.config.flags import flag
from sparkcv.config.tables import OF_A_TABLE
from sparkcv.config.train import DECAYS, OPTIMIZERS, TrainConfig
from sparkcv.errors import UsageError

WORDS, CHARACTERS, VECTORS = TEXTS = ("words", "characters", "vectors")

_GAN = "pictures from captions"
_SIZES = (16, 32, 64, 128)
# What a classifier's training has and this one cannot: each must keep its default.
_UNUSED = (
    *("model_name", "trainable_scopes", "checkpoint_exclude_scopes", "checkpoint_path", "class_weights", "loss"),
    *("num_evaluators", "use_grayscale", "adopt_checkpoint", "label_smoothing", "dataset_table", "dataset_query"),
    *("labels_offset", "export_dir", "image_feature", "label_feature", "input_mode", "cache", "weight_decay"),
    *("batch_norm_decay", "freeze_batch_norm", "normalization", "statistics", "preprocessing_name"),
    *("ignore_missing_vars", "ignore_missing_scopes", *OF_A_TABLE),
)


@dataclasses.dataclass(frozen=True)
class TrainText2ImageConfig(TrainConfig):
    """Train pictures from captions, by GAN-CLS, on Spark executors."""

    text: str = flag(
        WORDS,
        "what the nets are told: words or characters, by an encoder that is trained too, or the vectors of the dataset",
        group=_GAN,
        choices=TEXTS,
    )
    z_size: int = flag(100, "random numbers of which a picture is made", group=_GAN, least=1, most=10_000)
    text_units: int = flag(256, "numbers to which each net reduces a text", group=_GAN, least=1, most=65536)
    word_size: int = flag(
        128, "numbers that stand for a word, or for a text that is read by its characters", group=_GAN, least=1,
        most=65536,
    )  # fmt: skip
    gf: int = flag(64, "filters of the generator's last layer but one; each before it has twice as many", group=_GAN,
                   least=1, most=1024)  # fmt: skip
    df: int = flag(64, "filters of the discriminator's first layer; each behind it has twice as many", group=_GAN,
                   least=1, most=1024)  # fmt: skip
    unhalved_losses: bool = flag(
        False,
        "losses of wrong and of made pictures count as much as that of real ones, not half of it: not the paper's way,"
        " but that of its TensorFlow form",
        group=_GAN,
    )
    real_target: float = flag(
        1.0, "what a real picture with its caption is to be taken for: below 1 the discriminator is never sure",
        group=_GAN, above=0.5, most=1,
    )  # fmt: skip
    model_name: str = flag("gan_cls", "only that", group=_GAN)
    image_feature: str = flag("image/data", "only that: the form of the records is im2txt's", group=_GAN)
    label_feature: str = flag("image/image_id", "only that: the form of the records is im2txt's", group=_GAN)
    dataset_name: str = flag("captions", "name in the shards' file names", group=_GAN)
    train_image_size: int | None = flag(
        64, f"side of the pictures in pixels: {', '.join(map(str, _SIZES))}", group=_GAN, least=1
    )
    augment: str | None = flag(
        "slim=false",
        "augmentations, as for a classifier; not the preprocessing's own, which crop and mirror, and change colours",
        group=_GAN,
        table=text_of_table,
    )
    batch_size: int = flag(64, "pictures a step, on each worker and clone; 2 at least", group=_GAN, least=2)
    optimizer: str = flag("adam", "update rule", group=_GAN, choices=OPTIMIZERS)
    adam_beta1: float = flag(0.5, "decay of adam's first moment", group=_GAN, least=0, below=1)
    opt_epsilon: float = flag(1e-8, "epsilon of adadelta, adam and rmsprop", group=_GAN, least=0)
    learning_rate: float = flag(2e-4, "initial learning rate", group=_GAN, above=0)
    learning_rate_decay_type: str = flag("fixed", "how it falls", group=_GAN, choices=DECAYS)
    weight_decay: float = flag(0.0, "only that", group=_GAN, least=0)

    @property
    def label_is(self) -> str:
        """What an output of the net stands for: "class", or "word"."""
        return "word"

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        self.refuse_use(_UNUSED, "a training of pictures from captions")
        if self.train_image_size not in _SIZES:
            raise UsageError(
                f"--train_image_size: got {self.train_image_size}, wanted one of {', '.join(map(str, _SIZES))}"
            )
        if self.text == VECTORS:
            self.refuse_use(["word_size"], f"--text {self.text}, with which no word is read,")
