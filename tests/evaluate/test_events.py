"""The event file, read back by TensorFlow's own reader."""

import pytest

from sparkcv import storage
from sparkcv.evaluate import events
from sparkcv.records import tfrecord

VALUES = {"eval/Accuracy": 0.875, "eval/Recall_5": 1.0}


@pytest.mark.tensorflow
def test_tensorflow_reads_the_scalars_at_their_step(tf, tmp_path):
    url = events.write_scalars(str(tmp_path), 2**40, VALUES, wall_time_s=1234.5)
    found = list(tf.compat.v1.train.summary_iterator(url))
    assert [event.wall_time for event in found] == [1234.5, 1234.5]
    assert found[0].file_version == "brain.Event:2"
    assert found[1].step == 2**40
    assert {value.tag: value.simple_value for value in found[1].summary.value} == VALUES


def test_it_is_an_event_file_by_its_name_in_any_storage():
    url = events.write_scalars("memory://eval-events", 7, VALUES, wall_time_s=1234.5)
    assert storage.basename(url).startswith("events.out.tfevents.0000001234.")
    assert len(list(tfrecord.read_records(storage.read_bytes(url), url))) == 2


def test_no_values_are_an_empty_summary():
    url = events.write_scalars("memory://eval-events", 0, {}, wall_time_s=0.0)
    assert len(list(tfrecord.read_records(storage.read_bytes(url), url))) == 2
