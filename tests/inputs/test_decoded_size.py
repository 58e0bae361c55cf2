"""What decoded pictures take, told before anything starts and held to while they come."""

import pytest

from sparkcv.errors import UsageError
from sparkcv.inputs.decoded_size import DecodedSize, check_fits
from sparkcv.inputs.quarantine import Quarantine
from sparkcv.inputs.spool import Spool
from sparkcv.inputs.validate import ImageCheck
from sparkcv.records.assignment import assign
from sparkcv.records.header import ImageHeader
from sparkcv.records.shards import open_dataset
from tests.inputs import data

PICTURE = 32 * 32 * 3


@pytest.fixture
def dataset(tmp_path):
    """48 pictures of 32 px, one of which is none."""
    shards = data.drawn_shards(4, 12)
    shards[0][0] = data.payload(b"no picture", 0)
    data.write_dataset(tmp_path / "data", shards)
    return open_dataset(str(tmp_path / "data"), "shapes", "train")


def test_the_first_pictures_tell_what_each_worker_needs(dataset):
    assert check_fits(dataset, 1, 48 * PICTURE) == 48 * PICTURE
    assert check_fits(dataset, 3, 16 * PICTURE) == 16 * PICTURE
    with pytest.raises(UsageError) as caught:
        check_fits(dataset, 2, 24 * PICTURE - 1)
    assert str(caught.value) == (
        "--input_mode preloaded: got 24 pictures a worker that take about 0 MiB decoded, "
        "wanted at most --cache_bytes 73727 (0 MiB)"
    )


def test_what_comes_is_added_up_and_refused_at_the_first_byte_too_many(dataset, tmp_path):
    size = DecodedSize(4 * PICTURE, 48)
    for _ in range(4):
        size.add(ImageHeader("jpeg", 32, 32, 3, 8))
    assert size.num_bytes == 4 * PICTURE
    with pytest.raises(UsageError, match="got 48 pictures a worker that take about 0 MiB decoded"):
        size.add(ImageHeader("jpeg", 32, 32, 3, 8))


@pytest.mark.parametrize(("max_bytes", "is_refused"), [(47 * PICTURE, False), (47 * PICTURE - 1, True)])
def test_a_workers_input_ends_with_that_sentence(dataset, tmp_path, max_bytes, is_refused):
    size = DecodedSize(max_bytes, 48)
    check = ImageCheck(3, see=size.add)
    parts = assign(dataset.shards, 0, 1)
    with Spool(
        parts, str(tmp_path), max_bytes=1 << 20, seed=0, check=check, num_epochs=1, quarantine=Quarantine(48, 0.5)
    ) as spool:
        try:
            for shard in spool:
                spool.release(shard.ticket)
        except UsageError as err:
            said = str(err)
        else:
            said = ""
    assert ("--cache_bytes" in said) == is_refused
    assert is_refused or size.num_bytes == 47 * PICTURE
