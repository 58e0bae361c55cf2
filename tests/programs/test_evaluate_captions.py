"""A record with captions as its evaluation sees it."""

import dataclasses
import io

import pytest
from PIL import Image

from sparkcv.caption.caption_task import CaptionNet, CaptionSearch, EvaluationTask
from sparkcv.caption.captioning import seen_of
from sparkcv.predict.rows import InputRow
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.programs import evaluate_captions
from sparkcv.records import captioned, tfrecord
from sparkcv.records.captioned import CaptionedPicture

TASK = EvaluationTask(CaptionNet("n", ("a", "b", "c"), "lenet"), CaptionSearch(), (), 2**20, 1, 1)


class Seen:
    """Stands for a net: what is prepared comes back as it was seen."""

    def prepare(self, picture):
        return picture


def encoded(file_format, color):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 10), color).convert("RGB" if file_format == "JPEG" else "RGBA").save(
        buffer, file_format, exif=exif
    )
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("file_format", "color"), [("JPEG", "red"), ("PNG", (255, 0, 0, 90))])
def test_a_picture_is_turned_as_its_record_says_and_once(file_format, color, orientation):
    data = encoded(file_format, color)
    picture = CaptionedPicture(data, 1, (("a", "b"),), ((0, 1),), file_format.lower(), orientation=orientation)
    record = next(tfrecord.read_records(tfrecord.frame(captioned.encode(picture)), "x"))
    seen = evaluate_captions.prepared(Seen(), record, TASK)[1]
    assert (seen.width, seen.height, seen.orientation) == (20, 10, orientation)
    row = dataclasses.replace(InputRow("a", "a"), is_record=True, orientation=orientation)
    assert seen_of(row, data, PictureRules(2**20)) == seen


@pytest.mark.parametrize(("count", "stands_for"), [(10, [1, 1, 1, 4, 1, 1, 1]), (None, [1, 1, 1, 1, 1, 1, 1])])
def test_what_is_lost_behind_a_damaged_length_is_counted_by_the_manifest(tmp_path, count, stands_for):
    frames = [tfrecord.frame(bytes([number]) * 100) for number in range(10)]
    for number in range(3, 7):
        frames[number] = b"\xff" * tfrecord.HEADER_BYTES + frames[number][tfrecord.HEADER_BYTES :]
    (tmp_path / "shard").write_bytes(b"".join(frames))
    task = dataclasses.replace(TASK, shards=((str(tmp_path / "shard"), count),))
    found = evaluate_captions._records(EvaluationTask.from_json(task.to_json()))
    assert [getattr(record, "num_records", 1) for _, record in found] == stands_for
