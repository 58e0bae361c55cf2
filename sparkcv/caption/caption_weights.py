"""Which variables of a checkpoint are those of the captions' net, under the names of each generation of TensorFlow.

im2txt's checkpoints were published with the LSTM's variables under three pairs of names, as TensorFlow changed them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from sparkcv.errors import CheckpointError
from sparkcv.train.scopes import split_scopes

__all__ = ["FittedWeights", "SCOPES", "fit", "holds", "leaves_out"]

SCOPES = "image_embedding,seq_embedding,lstm,logits"
"""The scopes of the net's own variables, as flags name them; the encoder's are others."""

_NAMES = {
    "image_embedding/weights": ("image_embedding/weights",),
    "seq_embedding/map": ("seq_embedding/map",),
    "lstm/basic_lstm_cell/kernel": (
        "lstm/basic_lstm_cell/kernel",
        "lstm/basic_lstm_cell/weights",
        "lstm/BasicLSTMCell/Linear/Matrix",
    ),
    "lstm/basic_lstm_cell/bias": (
        "lstm/basic_lstm_cell/bias",
        "lstm/basic_lstm_cell/biases",
        "lstm/BasicLSTMCell/Linear/Bias",
    ),
    "logits/weights": ("logits/weights",),
    "logits/biases": ("logits/biases",),
}
_PUBLISHED_WORDS = 12000  # im2txt's net has so many, and its vocabularies fewer: what is above is never the answer


@dataclasses.dataclass(frozen=True)
class FittedWeights:
    """The sizes of the net in a checkpoint, and the name there of each of its variables."""

    num_words: int
    num_features: int
    embedding: int
    units: int
    names: Mapping[str, str]

    def lines(self, num_encoder: int) -> list[str]:
        """Return the table of what is restored; ``num_encoder`` is of how many variables the encoder is."""
        rows = [f"  {name:<28} from {theirs}" for name, theirs in self.names.items()]
        return [*rows, f"  {'the encoder':<28} {num_encoder} variables"]


def holds(names: Iterable[str]) -> bool:
    """Tell whether variables of these names are of a net of captions, and not of its encoder alone."""
    known = {name for ours, candidates in _NAMES.items() for name in candidates if not ours.startswith("logits/")}
    return not known.isdisjoint(names)


def leaves_out(exclude_scopes: str | None) -> bool:
    """Tell whether ``--checkpoint_exclude_scopes`` names some of :data:`SCOPES`, so that they begin anew."""
    return not set(split_scopes(exclude_scopes)).isdisjoint(split_scopes(SCOPES))


def fit(shapes: Mapping[str, Sequence[int]], num_words: int, source: str) -> FittedWeights:
    """Return where the net's variables are in the checkpoint ``source``, by the shapes of its variables.

    Raises CheckpointError for one without captions, one whose shapes do not go together, and a vocabulary of
    ``num_words`` that is not its own; both sizes are named.
    """
    names = {}
    for ours, candidates in _NAMES.items():
        found = next((name for name in candidates if name in shapes), None)
        if found is None:
            known = ", ".join(sorted(shapes)[:3]) or "none"
            raise CheckpointError(
                f"the checkpoint {source!r} has no variable {' or '.join(candidates)}, it has {known}...: wanted one of"
                " captions"
            )
        names[ours] = found
    held = {ours: tuple(shapes[theirs]) for ours, theirs in names.items()}
    (num_features, embedding), (words, _) = (
        _two(held, name) for name in ("image_embedding/weights", "seq_embedding/map")
    )
    units = _two(held, "logits/weights")[0]
    wanted = {
        "image_embedding/weights": (num_features, embedding),
        "seq_embedding/map": (words, embedding),
        "lstm/basic_lstm_cell/kernel": (embedding + units, 4 * units),
        "lstm/basic_lstm_cell/bias": (4 * units,),
        "logits/weights": (units, words),
        "logits/biases": (words,),
    }
    for name, shape in wanted.items():
        if held[name] != shape:
            raise CheckpointError(
                f"the checkpoint {source!r} has {names[name]} of shape {list(held[name])}, by its other variables it"
                f" would be {list(shape)}"
            )
    if num_words > words or (num_words < words and words != _PUBLISHED_WORDS):
        raise CheckpointError(
            f"the vocabulary has {num_words} words, the checkpoint {source!r} has {words}; wanted the vocabulary that"
            " it was trained with"
        )
    return FittedWeights(words, num_features, embedding, units, names)


def _two(held: Mapping[str, tuple[int, ...]], name: str) -> tuple[int, int]:
    shape = held[name]
    return (shape[0], shape[1]) if len(shape) == 2 else (0, 0)
