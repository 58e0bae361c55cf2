"""The index of a checkpoint: equal to what TensorFlow reads of it, and every kind of damage told."""

import pathlib
import struct

import pytest

from sparkcv import storage
from sparkcv.errors import CheckpointError, MissingFileError
from sparkcv.rundir import checkpoint_index
from sparkcv.rundir import checkpoint_listing as listing
from tests.fixtures import bundles

SHAPES = {"net/conv/weights": (3, 2), "net/logits/biases": (4,), "global_step": ()}


def test_names_and_shapes_are_read_and_the_data_is_whole(tmp_path):
    index = checkpoint_index.read(bundles.write(tmp_path, SHAPES))
    assert {name: tensor.shape for name, tensor in index.tensors.items()} == SHAPES
    index.check_sizes(listing.sizes_in(str(tmp_path)))
    index.check_data()


@pytest.mark.tensorflow
def test_what_tensorflow_wrote_reads_as_tensorflow_reads_it(tmp_path):
    import tensorflow.compat.v1 as tf

    prefix = str(tmp_path / "model.ckpt")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("parted", [10, 3], partitioner=tf.fixed_size_partitioner(2))
        tf.get_variable("words", initializer=tf.constant(["a", "bcd"]))
        for number in range(900):  # more than a block of names
            tf.get_variable(f"some/rather/long/scope/of/names/variable_{number}", [2, 1 + number % 3])
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix, write_meta_graph=False)
        tf.train.Saver(write_version=tf.train.SaverDef.V1).save(session, str(tmp_path / "old.ckpt"))
    index = checkpoint_index.read(prefix)
    wanted = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    assert {name: list(tensor.shape) for name, tensor in index.tensors.items()} == wanted
    index.check_sizes(listing.sizes_in(str(tmp_path)))
    index.check_data()
    assert checkpoint_index.is_table(str(tmp_path / "old.ckpt"))
    assert not checkpoint_index.is_table(f"{prefix}.data-00000-of-00001")


def test_every_flipped_byte_is_found_or_changes_nothing(tmp_path):
    prefix = bundles.write(tmp_path, SHAPES)
    path, wanted = pathlib.Path(f"{prefix}.index"), checkpoint_index.read(prefix)
    data = path.read_bytes()
    unseen = []
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            assert checkpoint_index.read(prefix) == wanted
        except CheckpointError:
            continue
        unseen.append(at)
    # A block that nothing reads, and the footer's padding: all that is said is under a CRC.
    assert len(unseen) < 60
    assert not [at for at in unseen if at < len(data) - 48 - 13 - 30]


def test_every_cut_is_found(tmp_path):
    prefix = bundles.write(tmp_path, SHAPES)
    path = pathlib.Path(f"{prefix}.index")
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(
            CheckpointError, match=r"model\.ckpt-7\.index' is not the index of a checkpoint, or damaged"
        ):
            checkpoint_index.read(prefix)


def test_a_table_that_names_one_block_for_ever_is_refused(tmp_path):
    data = bundles.block([(b"", b"")])
    index = bundles.block([(bytes([n]), bundles.varint(0) + bundles.varint(len(data) - 5)) for n in range(9)])
    footer = bytes(2) + bundles.varint(len(data)) + bundles.varint(len(index) - 5)
    footer = footer.ljust(40, b"\x00") + struct.pack("<Q", bundles.MAGIC)
    (tmp_path / "x.index").write_bytes(data + index + footer)
    with pytest.raises(CheckpointError, match="its blocks are not in order"):
        checkpoint_index.read(str(tmp_path / "x"))


def test_a_small_file_of_names_without_end_is_refused(tmp_path):
    """Each name shares its beginning with the one before, and so costs the file a few bytes."""
    prefix = bundles.write(tmp_path, {"a": ()})
    entry = bundles.varint(60_000) + bundles.varint(1) + bundles.varint(0) + b"x"
    header = bundles.varint(0) * 2 + bundles.varint(2) + bundles.field(1, 1)
    body = header + bundles.varint(0) + bundles.varint(60_000) + bundles.varint(0) + b"y" * 60_000 + entry * 2000
    pathlib.Path(f"{prefix}.index").write_bytes(bundles.table([], body))
    with pytest.raises(CheckpointError, match="its names have more than"):
        checkpoint_index.read(prefix)


def test_a_newer_format_is_told_and_a_missing_index_too(tmp_path):
    with pytest.raises(CheckpointError, match="is of format 2, which a newer TensorFlow wrote; wanted at most 1"):
        checkpoint_index.read(bundles.write(tmp_path, SHAPES, min_consumer=2))
    with pytest.raises(MissingFileError):
        checkpoint_index.read(str(tmp_path / "none"))


def test_data_that_is_missing_short_or_changed_is_told_with_what_lies_there(tmp_path):
    index = checkpoint_index.read(bundles.write(tmp_path, SHAPES))
    data = tmp_path / "model.ckpt-7.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:5] + b"\x01" + whole[6:])
    with pytest.raises(CheckpointError, match="is damaged where net/conv/weights is stored"):
        index.check_data()
    data.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match=rf"has {len(whole) - 1} bytes, its index wants {len(whole)}"):
        index.check_sizes(listing.sizes_in(str(tmp_path)))
    storage.delete(str(data))
    with pytest.raises(CheckpointError, match=r"lacks its file model\.ckpt-7\.data-00000-of-00001"):
        index.check_sizes(listing.sizes_in(str(tmp_path)))
