"""The vocabulary of captions: words by frequency, both forms of published files, and every bad form a sentence."""

import pytest

from sparkcv.caption.vocabulary import END, START, UNKNOWN, Vocabulary, read_vocabulary, tokenize
from sparkcv.errors import DataError, MissingFileError


@pytest.fixture
def write(tmp_path):
    """Writes a vocabulary's bytes and returns its path."""

    def write(data):
        path = tmp_path / "word_counts.txt"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


def test_words_that_are_frequent_enough_are_kept_most_frequent_first():
    captions = [["a", "dog"], ["a", "cat"], ["a", "dog", "dog"], ["a", "dog", "b"], ["b", "b", "b", "a"]]
    found = Vocabulary.of_captions(captions, 4)
    assert found.words == (END, START, "a", "b", "dog", UNKNOWN)
    assert found.counts == (5, 5, 5, 4, 4, 1)
    assert found.encode(["a", "cat", "dog"]) == (1, 2, 5, 4, 0)
    assert found.decode([1, 2, 5, 4, 0, 2]) == f"a {UNKNOWN} dog"
    assert found.decode([2, 99]) == f"a {UNKNOWN}"


def test_begin_and_end_stay_however_few_the_captions():
    assert Vocabulary.of_captions([["a"] * 4], 4).words == (END, START, "a", UNKNOWN)
    with pytest.raises(DataError, match="no word of 1 captions occurs 4 times or more"):
        Vocabulary.of_captions([["a"]], 4)


def test_a_file_is_read_as_it_was_written(write):
    made = Vocabulary.of_captions([tokenize("It's a well-known café, don't!")], 1)
    assert made == read_vocabulary(write(made.to_text()))


def test_both_forms_of_published_files_are_read(write):
    plain = read_vocabulary(write("a 969108\n<S> 586368\n</S> 586368\n. 440479\n's 7\ncafé 5\nit\\ 4\n"))
    of_bytes = read_vocabulary(
        write("b'a' 969108\nb'<S>' 586368\nb'</S>' 586368\nb'.' 440479\nb\"'s\" 7\nb'caf\\xc3\\xa9' 5\nb'it\\\\' 4\n")
    )
    assert plain == of_bytes
    assert plain.words == ("a", "<S>", "</S>", ".", "'s", "café", "it\\", UNKNOWN)
    assert plain.counts[0] == 969108


def test_an_unknown_word_of_its_own_keeps_its_place_and_windows_ends_of_lines_are_none(write):
    assert read_vocabulary(write("<S> 2\r\n<UNK> 1\r\n</S> 2\r\n")).words == ("<S>", "<UNK>", "</S>")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("", "line 1 is '', wanted a word and its count"),
        ("<S> 1\n</S>\n", "line 2 is '</S>', wanted a word and its count"),
        ("<S> 1\n</S> many\n", "line 2 is '</S> many', wanted a word and its count"),
        ("<S> 1\n</S> -1\n", "line 2 is '</S> -1'"),
        ("<S> 1\n\n</S> 1\n", "line 2 is ''"),
        ("<S> 1\n</S> 1\n<S> 1\n", "line 3 has the word '<S>' again"),
        ("<S> 1\nb'<S>' 1\n", "line 2 has the word '<S>' again"),
        ("a 1\nb 1\n", "is no vocabulary of captions: the vocabulary of 3 words has no <S>"),
        ("<S> 1\na 1\n", "the vocabulary of 3 words has no </S>"),
        ("two words 1\n", "has the word 'two words', wanted one of printable characters"),
        ("b'\\xff' 1\n", "which are not the bytes of UTF-8"),
        ("b'\\x0' 1\n", "which are not the bytes of UTF-8"),
        ("b'' 1\n", "has the word '', wanted one of printable"),
        ("a\x1b[31m 1\n", "wanted one of printable characters"),
        (b"<S> 1\n\xff\xfe 1\n", "line 2 is not UTF-8: byte 0xff; wanted UTF-8"),
        ("<S> 1\n".encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_every_bad_form_is_one_sentence(write, data, sentence):
    with pytest.raises(DataError) as caught:
        read_vocabulary(write(data))
    assert sentence in str(caught.value)
    assert "word_counts.txt" in str(caught.value)


def test_a_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(MissingFileError):
        read_vocabulary(str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A man riding a wave on top of a surfboard.", "a man riding a wave on top of a surfboard ."),
        ("The dog's ball isn't red; it's well-known!", "the dog 's ball is n't red ; it 's well-known !"),
        ("Two,  red\tballs", "two , red balls"),
        ("Ein ÄPFEL kostet 1,50", "ein äpfel kostet 1,50"),
        ("", ""),
        (" \n", ""),
        ("a\u200b dog \ud800\x07", "a dog"),
    ],
)
def test_a_caption_becomes_words_and_marks(caption, words):
    assert tokenize(caption) == tuple(words.split())
