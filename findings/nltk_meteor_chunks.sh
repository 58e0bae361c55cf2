#!/usr/bin/env bash
# NLTK's METEOR takes the last free occurrence of a repeated word, not the alignment with the fewest chunks that METEOR is
# defined by: a caption whose halves are turned round loses up to half of its score.
#
# Behaviour: words are matched from the sentences' ends, each with the last one that is left. The paper that the function's
#   docstring cites wants, of all alignments with the most matches, the one whose lines cross least.
# Seen: nltk 3.10.4, Python 3.11, translate.meteor_score.single_meteor_score, a dictionary without synonyms.
# Output: on the mat sat the cat: nltk 0.5000, by the fewest of all alignments' chunks 0.9375
#   a dog next to a cat: nltk 0.8519, by the fewest of all alignments' chunks 0.9375
# Why it matters: captions repeat "a" and "the" in nearly every sentence. METEOR by nltk, which other evaluation packages
#   wrap, is below the published program's for no fault of the caption, and ranks captions by where their articles are.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check nltk==3.10.4
"$dir/venv/bin/python" - <<'PY'
import itertools
import sys

from nltk.translate.meteor_score import single_meteor_score

PAIRS = (
    ("the cat sat on the mat", "on the mat sat the cat", 0.5),
    ("a cat next to a dog", "a dog next to a cat", 0.8519),
)


class NoSynonyms:
    def synsets(self, word):
        return []


def defined(reference, caption):
    """METEOR where both have the same words, each of which then is matched: over all alignments, by brute force."""
    fewest = min(
        1 + sum(order[at + 1] != order[at] + 1 for at in range(len(order) - 1))
        for order in itertools.permutations(range(len(reference)))
        if all(reference[place] == word for place, word in zip(order, caption))
    )
    return 1 - 0.5 * (fewest / len(caption)) ** 3


as_stated = True
for reference, caption, seen in ((one.split(), other.split(), seen) for one, other, seen in PAIRS):
    got = single_meteor_score(reference, caption, wordnet=NoSynonyms())
    wanted = defined(reference, caption)
    print(f"{' '.join(caption)}: nltk {got:.4f}, by the fewest of all alignments' chunks {wanted:.4f}")
    as_stated &= abs(got - seen) < 1e-4 and abs(wanted - 0.9375) < 1e-9
sys.exit(not as_stated)
PY
