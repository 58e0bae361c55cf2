"""What is given as a picture and is none: it costs itself, before any decoder sees it."""

import pytest

from sparkcv.predict.preparing import PicturePreparer, Reject
from sparkcv.preprocess.picture_file import PictureRules


class Nothing:
    """A decoder that is given nothing."""

    def decode(self, pictures):
        assert not pictures
        return []


@pytest.mark.parametrize("path", ["", " ", "a\0b", "nosuchscheme://h/x"])
def test_a_path_that_no_store_could_have_is_a_reject(path):
    (answer,) = PicturePreparer(Nothing(), PictureRules(100)).prepare([path])
    assert isinstance(answer, Reject)
    assert answer.reason.startswith("no path: got ")
