"""Captions as characters: the alphabet, what is not in it, and where reading ends."""

import pytest

from sparkcv.records import characters


def test_the_alphabet_has_seventy_ids_and_one_of_them_is_any_other_byte():
    assert len(characters.BYTES) == 256
    assert set(characters.BYTES) == set(range(characters.ALPHABET_SIZE))
    other = characters.ALPHABET_SIZE - 1
    assert characters.encode(["\u00e4"]) == (other, other)  # two bytes of UTF-8
    assert other not in characters.encode(["az09-,;.!?:'/|_@#$%^&*~`+=<>()[]{}", '"'])
    assert characters.encode(["Red"]) == characters.encode(["red"])


@pytest.mark.parametrize(
    ("words", "whole"), [(("a" * 201,), 1), (("a" * 202,), 0), (("ab", "c" * 198), 2), (("ab", "c" * 199), 1), ((), 0)]
)
def test_reading_ends_behind_the_last_character(words, whole):
    assert characters.num_whole(words) == whole
    assert len(characters.encode(words)) == min(201, len(" ".join(words)))
