"""A picture that a decoder dies of costs itself, whatever the decoder does; a busy host costs none."""

import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sparkcv.errors import ModelError
from sparkcv.predict import Predictor
from sparkcv.predict.limited import IsolatedPreparer, LimitedPreparer, PreparerOrder
from sparkcv.predict.preparing import PreparedPicture, RecordPicture, Reject
from sparkcv.preprocess.picture_file import PictureRules
from tests.preprocess.jpeg_defects import cut_inside

DYING = "tests.predict.dying_decoder"


def jpeg(comment=b""):
    buffer = io.BytesIO()
    Image.effect_noise((32, 24), 80).save(buffer, "JPEG", comment=comment)
    return buffer.getvalue()


@pytest.fixture
def dying():
    order = PreparerOrder("/models/m", "tf", PictureRules(damaged="mark"), limit_s=0.3)
    with IsolatedPreparer(order, DYING) as preparer:
        yield preparer


def test_what_kills_the_process_is_the_reason_of_the_picture_that_did_it(dying):
    given = [jpeg(), jpeg(b"killed"), jpeg(), jpeg(b"busy"), jpeg(b"left"), jpeg(b"refused"), b"GIF", jpeg()]
    got = dying.prepare(given)
    assert [one.reason if isinstance(one, Reject) else "" for one in got] == [
        "",
        "crashed: the process that reads it ended with SIGSEGV",
        "",
        "too slow: reading it takes more than 0.3 s of CPU time",
        "crashed: the process that reads it ended with exit code 9",
        "not decodable: refused",
        "format not read: text",
        "",
    ]


def test_what_it_gives_is_what_the_model_gets(dying):
    whole, damaged, record = dying.prepare([jpeg(), cut_inside(jpeg()), RecordPicture(jpeg(), 6)])
    assert (whole.damaged, damaged.damaged, record.damaged) == (False, True, False)
    np.testing.assert_array_equal(whole.pixels, np.full([2, 2, 3], 1, np.float32))
    np.testing.assert_array_equal(record.pixels, np.full([2, 2, 3], 6, np.float32))


def test_a_process_that_does_not_come_up_is_no_pictures_fault():
    order = PreparerOrder("/models/none", "tf", PictureRules(), 1.0)
    with (
        IsolatedPreparer(order, "tests.predict.no_such_module") as preparer,
        pytest.raises(ModelError, match="come up"),
    ):
        preparer.prepare([jpeg()])


@pytest.mark.tensorflow
def test_a_real_model_gets_the_same_pixels_from_a_process_of_its_own(color_model, picture):
    with Predictor(str(color_model), "tf", rules=PictureRules()) as predictor:
        here = predictor.preparer.prepare([picture("red"), picture("blue")])
        with IsolatedPreparer(PreparerOrder(str(color_model), "tf", PictureRules(), 60.0)) as preparer:
            there = preparer.prepare([picture("red"), picture("blue")])
        assert [one.label for one in predictor.predict_prepared(there, 1)] == ["red", "blue"]
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


class Instant:
    def prepare(self, pictures):
        return [PreparedPicture(np.zeros([1, 1, 3], np.float32)) for _ in pictures]


def test_within_its_limit_nothing_happens_and_no_timer_is_left():
    assert len(LimitedPreparer(Instant(), 5.0, num_threads=2).prepare([b"a", b"b", b"c"])) == 3
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_beyond_it_the_process_ends_though_a_library_never_returns():
    code = (
        "from sparkcv.predict.limited import LimitedPreparer\n"
        "class Stuck:\n"
        "    def prepare(self, pictures):\n"
        "        sum(range(10**13))\n"  # a day in C, and the lock of Python held
        "LimitedPreparer(Stuck(), 0.2).prepare([b'x'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": "."}, check=False)
    assert ended.returncode == -signal.SIGPROF
