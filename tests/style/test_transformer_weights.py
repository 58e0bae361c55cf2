"""Weights of the transformer net: each form gives the same arrays, and what is none is refused with what differs."""

import io
import json

import numpy as np
import pytest

from sparkcv.errors import CheckpointError, MissingFileError
from sparkcv.style import transformer_weights
from sparkcv.style.transformer_spec import TransformerSpec
from tests.style.conftest import random_weights


def same(got, wanted):
    assert got.spec == wanted.spec
    assert got.digest == wanted.digest
    return True


def save(path, values):
    """Write a checkpoint of variables with TensorFlow; return its prefix."""
    from sparkcv.nets.slim import tf

    with tf.Graph().as_default(), tf.Session() as session:
        variables = {name: tf.Variable(value, name=name.replace("/", "_")) for name, value in values.items()}
        session.run(tf.global_variables_initializer())
        return tf.train.Saver(variables).save(session, str(path), write_meta_graph=False)


def test_a_dump_for_the_browser_is_read_by_its_numbered_names(dump_folder, published):
    assert same(transformer_weights.load(str(dump_folder)), published)


@pytest.mark.tensorflow
def test_a_published_checkpoint_is_read_with_its_optimizers_slots_left_alone(tmp_path, published):
    names = published.spec.published_names()
    values = {theirs: published.arrays[name] for name, theirs in names.items()}
    prefix = save(
        tmp_path / "fns.ckpt", {**values, "Variable/Adam": values["Variable"], "beta1_power": np.float32(0.9)}
    )
    assert same(transformer_weights.load(prefix), published)


@pytest.mark.tensorflow
@pytest.mark.parametrize("upsample", ["resize", "transposed"])
def test_a_checkpoint_of_our_own_names_says_how_it_doubles(tmp_path, upsample):
    wanted = random_weights(TransformerSpec(upsample))
    prefix = save(tmp_path / "model.ckpt-3", {**wanted.arrays, "global_step": np.int64(3)})
    assert same(transformer_weights.load(prefix), wanted)


@pytest.mark.parametrize("padding", ["reflect", "same"])
def test_what_is_dumped_is_read_again(tmp_path, padding):
    wanted = random_weights(TransformerSpec("resize", padding, (2, 3, 4), num_blocks=1))
    (tmp_path / "transformer.npz").write_bytes(transformer_weights.dump(wanted))
    assert same(transformer_weights.load(str(tmp_path)), wanted)
    assert same(transformer_weights.load(str(tmp_path / "transformer.npz")), wanted)


def test_the_digest_tells_weights_and_padding_apart(published):
    other = random_weights(published.spec, seed=1)
    assert len({published.digest, other.digest, published.padded("reflect").digest}) == 3
    assert published.padded(None).digest == published.digest


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(MissingFileError, match=r"no checkpoint .*nothing"):
        transformer_weights.load(str(tmp_path / "nothing"))


def test_a_dump_that_lacks_a_file_or_a_part_of_one_is_refused(dump_folder):
    (dump_folder / "Variable_7").write_bytes((dump_folder / "Variable_7").read_bytes()[:-4])
    with pytest.raises(CheckpointError, match="Variable_7' has 508 bytes, wanted 512"):
        transformer_weights.load(str(dump_folder))
    (dump_folder / "Variable_7").write_bytes(bytes(516))
    with pytest.raises(CheckpointError, match="more than 512 bytes, wanted 512"):
        transformer_weights.load(str(dump_folder))
    (dump_folder / "Variable_7").unlink()
    with pytest.raises(MissingFileError, match="Variable_7"):
        transformer_weights.load(str(dump_folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("Variable_47"), "another net .*no variable 'Variable_47'"),
        (
            lambda m: m["Variable"].update(shape=[9, 9, 3, 16]),
            r"'Variable' has shape \[9, 9, 3, 16\], wanted \[9, 9, 3, 32\]",
        ),
        (lambda m: m["Variable_3"].update(filename="../secret"), "names the file '../secret', wanted one in its own"),
        (lambda m: m["Variable_3"].update(shape="wide"), "no manifest of weights"),
        (lambda m: m.update(Variable=3), "no manifest of weights"),
    ],
)
def test_a_dump_of_another_net_is_refused_with_the_first_difference(dump_folder, change, words):
    manifest = json.loads((dump_folder / "manifest.json").read_text())
    change(manifest)
    (dump_folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=words):
        transformer_weights.load(str(dump_folder))


def test_a_manifest_that_is_no_json_is_refused(dump_folder):
    (dump_folder / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match="no manifest of weights"):
        transformer_weights.load(str(dump_folder))


def test_weights_that_are_not_finite_are_refused(dump_folder):
    (dump_folder / "Variable_7").write_bytes(np.full(128, np.nan, np.float32).tobytes())
    with pytest.raises(CheckpointError, match="'Variable_7' has values that are not finite"):
        transformer_weights.load(str(dump_folder))


@pytest.mark.tensorflow
def test_checkpoints_that_are_cut_damaged_or_of_another_net_are_refused(tmp_path, published):
    names = published.spec.published_names()
    prefix = save(tmp_path / "fns.ckpt", {theirs: published.arrays[name] for name, theirs in names.items()})
    data = tmp_path / "fns.ckpt.data-00000-of-00001"
    whole = data.read_bytes()
    data.write_bytes(whole[:100_000])
    with pytest.raises(CheckpointError, match="is damaged where Variable"):
        transformer_weights.load(prefix)
    data.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(CheckpointError, match="is damaged where Variable"):
        transformer_weights.load(prefix)
    index = tmp_path / "fns.ckpt.index"
    index.write_bytes(b"")
    with pytest.raises(CheckpointError, match="not the index of a checkpoint"):
        transformer_weights.load(prefix)
    other = save(tmp_path / "lenet.ckpt", {"LeNet/conv1/weights": np.zeros((5, 5, 1, 32), np.float32)})
    with pytest.raises(
        CheckpointError, match="of another net than the style transformer: it has no variable 'Variable'"
    ):
        transformer_weights.load(other)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no transformer.npz"),
        (b"PK\3\4 no archive", "is no transformer.npz"),
        (npz(a=np.zeros(3)), "is no transformer.npz"),
        (npz(spec=np.array([{}], object)), "is no transformer.npz"),
        (npz(spec=np.array("{}")), "is no transformer.npz"),
        (npz(spec=np.array('{"filters": [1, 2, 3], "upsample": "up"}')), "is of no net that there is"),
        (npz(spec=np.array('{"filters": [1, 2, 3]}')), "no variable 'transformer/conv1/weights'"),
    ],
)
def test_a_file_that_is_no_transformer_is_refused(tmp_path, data, words):
    (tmp_path / "transformer.npz").write_bytes(data)
    with pytest.raises(CheckpointError, match=words):
        transformer_weights.load(str(tmp_path))


def test_a_file_that_was_cut_is_refused(tmp_path):
    whole = transformer_weights.dump(random_weights(TransformerSpec("resize", "same", (2, 3, 4), num_blocks=1)))
    for size in (1, 100, len(whole) // 2, len(whole) - 1):
        with pytest.raises(CheckpointError, match="or it was cut"):
            transformer_weights.parse(whole[:size], "cut.npz")
