"""The flags of training a fast style transfer net: those of training, whose net is the one that the loss looks at."""

import dataclasses

from sparkcv.config.flags import flag
from sparkcv.config.stylize import PADDINGS
from sparkcv.config.tables import OF_A_TABLE
from sparkcv.config.train import DECAYS, OPTIMIZERS, TrainConfig
from sparkcv.errors import UsageError

_STYLE = "style"
UPSAMPLES = ("resize", "transposed")
_VGG_STYLE = "vgg_16/conv1/conv1_2,vgg_16/conv2/conv2_2,vgg_16/conv3/conv3_3,vgg_16/conv4/conv4_3"
# What a classifier's training has and this one cannot: each must keep its default.
_UNUSED = (
    *("trainable_scopes", "checkpoint_exclude_scopes", "class_weights", "loss", "num_evaluators", "use_grayscale"),
    *("adopt_checkpoint", "moving_average_decay", "label_smoothing", "normalization", "statistics"),
    *("dataset_table", "dataset_query", *OF_A_TABLE),
)


@dataclasses.dataclass(frozen=True)
class TrainStyleConfig(TrainConfig):
    """Train a fast style transfer net on Spark executors; --model_name is the fixed net that its loss looks through."""

    style_image: str = flag(None, "the picture whose style is wanted", group=_STYLE, required=True)
    content_layers: str = flag(
        "vgg_16/conv3/conv3_3", "end points of --model_name whose content is kept, with commas", group=_STYLE
    )
    style_layers: str = flag(_VGG_STYLE, "end points whose Gram matrices are the style, with commas", group=_STYLE)
    content_weight: float = flag(7.5, "factor of the content's loss", group=_STYLE, least=0)
    style_weight: float = flag(100.0, "factor of the style's loss", group=_STYLE, least=0)
    tv_weight: float = flag(200.0, "factor of the total variation", group=_STYLE, least=0)
    upsample: str = flag(
        "resize",
        "how the net doubles: by nearest neighbour, or transposed convolutions",
        group=_STYLE,
        choices=UPSAMPLES,
    )
    padding: str = flag(
        "reflect", "what the net sees beyond the edges: mirrored pixels, or zeros", group=_STYLE, choices=PADDINGS
    )
    model_name: str = flag("vgg_16", "the net that the loss looks through; it stays as it is", group=_STYLE)
    batch_size: int = flag(4, "pictures a step, on each worker and clone", group=_STYLE, least=1)
    optimizer: str = flag("adam", "update rule", group=_STYLE, choices=OPTIMIZERS)
    opt_epsilon: float = flag(1e-8, "epsilon of adadelta, adam and rmsprop", group=_STYLE, least=0)
    learning_rate: float = flag(1e-3, "initial learning rate", group=_STYLE, above=0)
    learning_rate_decay_type: str = flag("fixed", "how the learning rate falls", group=_STYLE, choices=DECAYS)
    weight_decay: float = flag(0.0, "L2 weight on the fixed net's weights: of no use", group=_STYLE, least=0)

    def __post_init__(self) -> None:
        """Refuse what can never work, before anything starts."""
        super().__post_init__()
        self.refuse_use(_UNUSED, "a style net's training")
        if not self.content_weight + self.style_weight + self.tv_weight:
            raise UsageError("--content_weight, --style_weight and --tv_weight are all 0; wanted one above it")

    def layers(self, which: str) -> tuple[str, ...]:
        """Return the names of ``--content_layers`` or ``--style_layers``; ``which`` is ``content`` or ``style``."""
        return tuple(name.strip() for name in str(getattr(self, f"{which}_layers")).split(",") if name.strip())
