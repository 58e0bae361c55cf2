"""The characters of a caption as a character CNN-RNN reads them: ids of an alphabet of 70, without TensorFlow.

The alphabet is ASCII's letters in lower case, digits, punctuation marks and the space, and one id for any other byte of
UTF-8. A text is what is between a caption's begin and its end, one space between two words.
"""

from collections.abc import Iterable, Sequence

__all__ = ["ALPHABET_SIZE", "BYTES", "LENGTH", "encode", "num_whole"]

LENGTH = 201
"""Characters of a text that are read, as in Reed et al. 2016; what is behind them is not."""

ALPHABET_SIZE = 70

_CHARACTERS = bytes(code for code in range(0x20, 0x7F) if not 0x41 <= code <= 0x5A)

BYTES = tuple(_CHARACTERS.find(bytes([code]).lower()) % ALPHABET_SIZE for code in range(256))
"""The id of each byte; 69 is that of all bytes that the alphabet does not have."""


def encode(words: Iterable[str]) -> tuple[int, ...]:
    """Return the ids of the characters of a caption's words, :data:`LENGTH` at most."""
    return tuple(BYTES[code] for code in " ".join(words).encode("utf-8", "surrogateescape")[:LENGTH])


def num_whole(words: Sequence[str]) -> int:
    """Return how many words, from the first on, are read to their end."""
    end = -1
    for number, word in enumerate(words):
        end += 1 + len(word.encode("utf-8", "surrogateescape"))
        if end > LENGTH:
            return number
    return len(words)
