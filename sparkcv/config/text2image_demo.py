"""The flags of the demo of pictures from captions: the whole chain on figures that it draws itself."""

import dataclasses

from sparkcv.config.flags import MOST_SEED, Flags, flag
from sparkcv.config.train_text2image import CHARACTERS, WORDS

_RUN, _DATA, _TRAIN = "run", "figures", "training"


@dataclasses.dataclass(frozen=True)
class Text2ImageDemoConfig(Flags):
    """Draw figures with captions, convert, train GAN-CLS and a judge, make pictures from captions, and judge them."""

    work_dir: str = flag("text2image", "folder for everything; a former demo there is replaced", group=_RUN,
                         required=True)  # fmt: skip
    min_real: float = flag(
        0.97, "share of real figures whose colour and shape the judge finds, below which the demo fails", group=_RUN,
        share=True,
    )  # fmt: skip
    min_seen: float = flag(
        0.85, "that share of made figures, of combinations that were trained on", group=_RUN, share=True
    )
    min_unseen: float = flag(
        0.65, "that share of made figures, of combinations that were never trained", group=_RUN, share=True
    )
    seed: int = flag(0, "seed of figures and training", group=_RUN, least=0, most=MOST_SEED)
    num_train: int = flag(4000, "figures drawn for training, two captions each", group=_DATA, least=2)
    num_judged: int = flag(6000, "figures drawn for the training of the judge", group=_DATA, least=2)
    num_test: int = flag(300, "figures held out, of each of both kinds", group=_DATA, least=2)
    train_image_size: int = flag(32, "side of the pictures in pixels: 16, 32, 64, 128", group=_DATA, least=1)
    text: str = flag(
        WORDS, "what the nets are told of a caption, by an encoder that is trained too", group=_TRAIN,
        choices=(WORDS, CHARACTERS),
    )  # fmt: skip
    filters: int = flag(24, "--gf and --df of the nets", group=_TRAIN, least=1, most=1024)
    batch_size: int = flag(32, "pictures a step", group=_TRAIN, least=2)
    judge_batch_size: int = flag(32, "pictures a step of the judge's training", group=_TRAIN, least=1)
    max_number_of_steps: int = flag(10_000, "global step at which to stop", group=_TRAIN, least=1)
    num_judge_steps: int = flag(500, "global step at which the judge's training stops", group=_TRAIN, least=1)
