"""Starting from a checkpoint: what is restored, what is refused, and in which words."""

import pytest
import tensorflow.compat.v1 as tf

from sparkcv import storage
from sparkcv.errors import CheckpointError, UsageError
from sparkcv.train import scopes, warmstart

pytestmark = pytest.mark.tensorflow

SAVED = {"net/conv/weights": [2, 3], "net/conv/biases": [3], "net/logits/weights": [3, 4]}


def write(folder, shapes, name="model.ckpt-7", version=tf.train.SaverDef.V2):
    """Saves variables full of 7s under the given names; returns the prefix."""
    with tf.Graph().as_default(), tf.Session() as session:
        for variable, shape in shapes.items():
            tf.get_variable(variable, shape, initializer=tf.constant_initializer(7.0))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(write_version=version)
        return saver.save(session, str(folder / name), write_meta_graph=False)


def start(prefix, shapes, **options):
    """Values of the net's variables (initially 0) after the warm start: name to the mean."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.get_variable(name, shape, initializer=tf.zeros_initializer()) for name, shape in shapes.items()]
        source = prefix if isinstance(prefix, warmstart.Source) else warmstart.Source(prefix, prefix)
        restore, _ = warmstart.init_fn(source, variables, **options)
        session.run(tf.global_variables_initializer())
        restore(session)
        return {variable.op.name: session.run(variable).mean() for variable in variables}


@pytest.mark.parametrize("version", [tf.train.SaverDef.V1, tf.train.SaverDef.V2])
def test_both_formats_restore_all_variables(tmp_path, version):
    """Slim's published checkpoints are of the first format: one file."""
    prefix = write(tmp_path, SAVED, "inception_v3.ckpt", version)
    assert start(prefix, SAVED) == dict.fromkeys(SAVED, 7.0)


def test_excluded_scopes_keep_their_first_values(tmp_path):
    prefix = write(tmp_path, SAVED)
    got = start(prefix, SAVED | {"net/logits/weights": [3, 9]}, exclude_scopes=" net/logits , net/conv/b,")
    assert got == {"net/conv/weights": 7.0, "net/conv/biases": 0.0, "net/logits/weights": 0.0}


def test_an_excluded_scope_that_matches_nothing_ends_it_with_the_nearest_unless_told_to_go_on(tmp_path, caplog):
    prefix = write(tmp_path, SAVED)
    said = r"--checkpoint_exclude_scopes has 'net/logit/', which matches none of the 3 variables .*'net/logits'\?"
    with pytest.raises(UsageError, match=said):
        start(prefix, SAVED, exclude_scopes="net/logit/")
    with caplog.at_level("WARNING", logger="sparkcv"):
        got = start(prefix, SAVED, exclude_scopes="net/logit/", ignore_missing_scopes=True)
    assert got == dict.fromkeys(SAVED, 7.0)
    assert "--checkpoint_exclude_scopes has 'net/logit/', which matches none" in caplog.text


@pytest.mark.parametrize("scope", ["net/aux", "net/old"])
def test_a_scope_that_only_the_net_or_only_the_checkpoint_has_matches(tmp_path, scope):
    prefix = write(tmp_path, SAVED | {"net/old/weights": [1]})
    got = start(prefix, SAVED | {"net/aux/weights": [1]}, exclude_scopes=scope, ignore_missing_vars=True)
    assert got == dict.fromkeys(SAVED, 7.0) | {"net/aux/weights": 0.0}


def test_excluding_everything_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--checkpoint_exclude_scopes 'net' leaves no variable to restore"):
        start(write(tmp_path, SAVED), SAVED, exclude_scopes="net")


def test_a_missing_variable_is_named_unless_missing_ones_are_ignored(tmp_path):
    prefix = write(tmp_path, {"net/conv/weights": [2, 3]})
    wanted = r"lacks 2 of 3 variables: net/conv/biases, net/logits/weights; .*--ignore_missing_vars"
    with pytest.raises(CheckpointError, match=wanted):
        start(prefix, SAVED)
    got = start(prefix, SAVED, ignore_missing_vars=True)
    assert got == {"net/conv/weights": 7.0, "net/conv/biases": 0.0, "net/logits/weights": 0.0}


def test_a_checkpoint_of_another_net_is_refused_even_when_missing_variables_are_ignored(tmp_path):
    prefix = write(tmp_path, {"other/weights": [2]})
    with pytest.raises(CheckpointError, match=r"has none of the 3 variables wanted .*it is of another net"):
        start(prefix, SAVED, ignore_missing_vars=True)


def test_another_shape_is_refused_with_both_shapes(tmp_path):
    prefix = write(tmp_path, SAVED)
    with pytest.raises(CheckpointError, match=r"net/logits/weights has shape \[3, 4\] in checkpoint .* and \[3, 9\]"):
        start(prefix, SAVED | {"net/logits/weights": [3, 9]})


def test_a_damaged_or_absent_checkpoint_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read"):
        start(str(tmp_path / "nothing"), SAVED)
    prefix = write(tmp_path, SAVED)
    index = tmp_path / "model.ckpt-7.index"
    index.write_bytes(index.read_bytes()[:-30])
    with pytest.raises(CheckpointError, match=r"model.ckpt-7 cannot be read: .+"):
        start(prefix, SAVED)


def test_damaged_values_are_found_when_they_are_restored(tmp_path):
    prefix = write(tmp_path, SAVED)
    data = tmp_path / "model.ckpt-7.data-00000-of-00001"
    data.write_bytes(b"\x00" * len(data.read_bytes()))
    with pytest.raises(CheckpointError, match="cannot be restored"):
        start(prefix, SAVED)


def test_restore_operations_are_where_the_files_are(tmp_path):
    prefix = write(tmp_path, SAVED)
    with tf.Graph().as_default() as graph:
        variables = [tf.get_variable(name, shape) for name, shape in SAVED.items()]
        warmstart.init_fn(warmstart.Source(prefix, prefix), variables, device="/job:worker/task:0/device:CPU:0")
        restores = {op.device for op in graph.get_operations() if op.type in ("RestoreV2", "SaveV2")}
    assert restores == {"/job:worker/task:0/device:CPU:0"}


def trainable(scopes, **options):
    with tf.Graph().as_default():
        for name, shape in SAVED.items():
            tf.get_variable(name, shape)
        tf.get_variable("net/frozen", [1], trainable=False)
        return [variable.op.name for variable in warmstart.variables_to_train(scopes, **options)]


def test_all_trainable_variables_are_trained_by_default():
    assert trainable(None) == list(SAVED)


def test_trainable_scopes_choose_each_variable_once():
    assert trainable("net/logits") == ["net/logits/weights"]
    assert trainable("net/logits, net") == ["net/logits/weights", "net/conv/weights", "net/conv/biases"]
    assert trainable("net/.*/biases") == ["net/conv/biases"]


@pytest.mark.parametrize(
    ("scopes", "message"),
    [
        ("net/logits,typo", "'typo', which matches none of the 3 trainable variables .such as net/conv/weights"),
        ("net/frozen", "'net/frozen', which matches none"),
        ("net/(", "'net/.', which is no regular expression"),
        (" , ", "' , ' names no scope, so nothing would be trained"),
    ],
)
def test_scopes_that_train_nothing_are_refused(scopes, message):
    with pytest.raises(UsageError, match=f"--trainable_scopes .*{message}"):
        trainable(scopes)


def test_a_scope_that_trains_nothing_may_be_ignored_as_long_as_another_trains_something():
    assert trainable("typo,net/logits", ignore_missing_scopes=True) == ["net/logits/weights"]
    with pytest.raises(UsageError, match="--trainable_scopes 'typo' matches no variable, so nothing would be trained"):
        trainable("typo", ignore_missing_scopes=True)


def fetch(url, scratch_dir):
    return warmstart.fetch(url, scratch_dir, "lenet")


def test_what_becomes_of_each_variable_is_said_by_count_and_by_name(tmp_path, caplog):
    prefix = write(tmp_path, SAVED | {"net/old/weights": [1]})
    with tf.Graph().as_default(), tf.Session() as session, caplog.at_level("INFO", logger="sparkcv"):
        variables = [tf.get_variable(name, shape) for name, shape in SAVED.items()]
        restore, done = warmstart.init_fn(
            warmstart.Source(prefix, "hdfs://host/from"),
            variables,
            exclude_scopes="net/logits",
            frozen={"net/conv/weights", "net/conv/biases"},
        )
        session.run(tf.global_variables_initializer())
        restore(session)
    assert done.to_dict() == {
        "schema": 1,
        "source": "hdfs://host/from",
        "restored": ["net/conv/weights", "net/conv/biases"],
        "skipped": ["net/logits/weights", "net/old/weights"],
        "new": ["net/logits/weights"],
        "frozen": ["net/conv/weights", "net/conv/biases"],
    }
    assert "started from hdfs://host/from: 2 restored, 2 skipped, 2 frozen, 1 newly made variables" in caplog.text
    assert "1 newly made: net/logits/weights" in caplog.text


@pytest.fixture
def remote(tmp_path):
    """A folder in another file system with the checkpoints of steps 7 and 70, and what else lies about."""
    url = "memory://warmstart/run"
    for name in ("model.ckpt-7", "model.ckpt-70"):
        write(tmp_path, SAVED, name)
    for path in sorted(tmp_path.iterdir()):
        storage.write_bytes(storage.join(url, path.name), path.read_bytes())
    storage.write_text(storage.join(url, "model.ckpt-7.json"), "{}")
    yield url
    storage.delete(url, recursive=True)


def test_a_prefix_is_fetched_without_its_namesakes(remote, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    prefix = fetch(storage.join(remote, "model.ckpt-7"), str(scratch))
    assert sorted(path.name for path in scratch.iterdir()) == ["model.ckpt-7.data-00000-of-00001", "model.ckpt-7.index"]
    assert start(prefix, SAVED) == dict.fromkeys(SAVED, 7.0)


def test_of_a_folder_the_newest_is_fetched_wherever_it_was_written(remote, tmp_path):
    pointer = storage.join(remote, "checkpoint")
    storage.write_text(pointer, 'model_checkpoint_path: "/old/machine/model.ckpt-70"\n')
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert fetch(remote, str(scratch)) == warmstart.Source(
        str(scratch / "model.ckpt-70"), storage.join(remote, "model.ckpt-70")
    )
    assert (scratch / "model.ckpt-70.index").exists()


def test_one_file_of_the_old_format_is_fetched(tmp_path):
    written = write(tmp_path, SAVED, "inception_v3.ckpt", tf.train.SaverDef.V1)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert start(fetch(written, str(scratch)), SAVED) == dict.fromkeys(SAVED, 7.0)


def test_a_folder_without_a_checkpoint_is_refused(remote, tmp_path):
    storage.delete(storage.join(remote, "checkpoint"))
    with pytest.raises(CheckpointError, match=r"folder memory://.*run has no file 'checkpoint'"):
        fetch(remote, str(tmp_path))
    storage.write_text(storage.join(remote, "checkpoint"), "half writ")
    with pytest.raises(CheckpointError, match="checkpoint does not name a checkpoint"):
        fetch(remote, str(tmp_path))
    storage.write_text(storage.join(remote, "checkpoint"), 'model_checkpoint_path: "model.ckpt-71"\n')
    with pytest.raises(CheckpointError, match=r"no checkpoint .*model.ckpt-71: neither model.ckpt-71.index nor a file"):
        fetch(remote, str(tmp_path))


def test_a_path_where_nothing_is_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*/none: neither none.index nor a file none in"):
        fetch(str(tmp_path / "none"), str(tmp_path))


def test_blank_scopes_count_for_nothing():
    assert scopes.split_scopes(None) == []
    assert scopes.split_scopes(" a/b , ,c,") == ["a/b", "c"]
