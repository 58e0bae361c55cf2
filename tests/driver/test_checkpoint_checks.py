"""What the driver tells of a checkpoint by its files alone."""

import json
import pathlib
import re

import pytest

from sparkcv import nets
from sparkcv.config import TrainConfig
from sparkcv.driver import checkpoint_checks
from sparkcv.driver.checkpoint_checks import TrainedClasses
from sparkcv.errors import CheckpointError, LabelError, UsageError
from sparkcv.rundir import checkpoint, checkpoint_index
from tests.fixtures import bundles

GOLDENS = json.loads((pathlib.Path(__file__).parents[1] / "nets" / "goldens.json").read_text())
INCEPTION = {
    "InceptionV3/Conv2d_1a_3x3/weights": (3, 3, 3, 32),
    "InceptionV3/Logits/Conv2d_1c_1x1/weights": (1, 1, 8, 3),
    "InceptionV3/Logits/Conv2d_1c_1x1/biases": (3,),
    "InceptionV3/Logits/Conv2d_1c_1x1/biases/RMSProp": (3,),
    "InceptionV3/AuxLogits/Conv2d_2b_1x1/biases": (3,),
    "global_step": (),
}
NAMES = ("circle", "square", "star")


@pytest.fixture
def index(tmp_path):
    return checkpoint_index.read(bundles.write(tmp_path, INCEPTION))


def config(**flags):
    return TrainConfig(model_name="inception_v3", **flags)


@pytest.mark.parametrize("name", nets.names())
def test_every_net_is_known_by_the_scope_of_its_variables(tmp_path, name):
    shapes = {GOLDENS[name][end].split(" ")[0]: (1,) for end in ("first", "last")}
    saved = checkpoint_index.read(bundles.write(tmp_path, shapes))
    checkpoint_checks.check_net(name, saved)
    for other in {"lenet", "resnet_v2_101", "inception_v1"} - {name}:
        with pytest.raises(CheckpointError, match=f"is of another net: .*--model_name is {other}; wanted the same net"):
            checkpoint_checks.check_net(other, saved)


def test_a_net_without_a_scope_of_its_own_is_known_by_its_cells(tmp_path):
    saved = checkpoint_index.read(bundles.write(tmp_path, {"conv0/weights": (3,), "cell_0/beginning_bn/beta": (3,)}))
    checkpoint_checks.check_net("nasnet_mobile", saved)
    with pytest.raises(CheckpointError, match="its variables lie in cell_0, conv0, --model_name is inception_v3"):
        checkpoint_checks.check_net("inception_v3", saved)


def test_a_checkpoint_that_is_half_deleted_or_none_is_told(tmp_path):
    prefix = bundles.write(tmp_path, INCEPTION)
    found = checkpoint.locate(prefix)
    assert checkpoint_checks.index_of(found).tensors.keys() == INCEPTION.keys()
    (tmp_path / "model.ckpt-7.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match=r"lacks its file model\.ckpt-7\.data-00000-of-00001"):
        checkpoint_checks.index_of(found)
    bundles.write(tmp_path, INCEPTION)
    (tmp_path / "model.ckpt-7.index").unlink()
    with pytest.raises(CheckpointError, match=r"is half deleted: model\.ckpt-7\.index is missing"):
        checkpoint_checks.index_of(checkpoint.locate(prefix))
    (tmp_path / "inception_v3.ckpt").write_bytes(b"\nnot a table")
    with pytest.raises(CheckpointError, match=r"inception_v3\.ckpt' is no checkpoint: it is one file"):
        checkpoint_checks.index_of(checkpoint.locate(str(tmp_path / "inception_v3.ckpt")))
    (tmp_path / "inception_v3.ckpt").write_bytes(bundles.table([(b"", b"")]))
    assert checkpoint_checks.index_of(checkpoint.locate(str(tmp_path / "inception_v3.ckpt"))) is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"checkpoint_exclude_scopes": "InceptionV3/Logit/"},
            "--checkpoint_exclude_scopes has 'InceptionV3/Logit/', .*did you mean 'InceptionV3/Logits'",
        ),
        (
            {"trainable_scopes": "InceptionV3/Logits,inceptionv3/Logits"},
            "--trainable_scopes has 'inceptionv3/Logits', .*did you mean 'InceptionV3/Logits'",
        ),
        ({"trainable_scopes": "Inception("}, "no regular expression"),
    ],
)
def test_a_scope_that_matches_nothing_is_refused_with_the_nearest(index, flags, said):
    with pytest.raises(UsageError, match=said):
        checkpoint_checks.check_scopes(config(**flags), index)
    checkpoint_checks.check_scopes(config(**flags, ignore_missing_scopes=True), index)


def test_what_only_the_net_can_tell_of_scopes_is_left_to_the_role(index):
    checkpoint_checks.check_scopes(config(checkpoint_exclude_scopes="InceptionV3/Aux2"), index)
    checkpoint_checks.check_scopes(config(trainable_scopes="InceptionV3/New", ignore_missing_vars=True), index)
    checkpoint_checks.check_scopes(config(checkpoint_exclude_scopes="InceptionV3/Logits,InceptionV3/AuxLogits"), index)


def check_head(index, names, trained=NAMES, **flags):
    classes = TrainedClasses(len(trained), trained, "/run/run.json")
    checkpoint_checks.check_head(config(**flags), index, classes, names, "/data/labels.txt")


def test_a_head_that_is_restored_must_be_of_the_same_classes(index):
    check_head(index, NAMES)
    both = re.escape("--checkpoint_exclude_scopes InceptionV3/AuxLogits,InceptionV3/Logits")
    said = rf"class 1 is 'square' to the checkpoint .*\(by /run/run\.json\) and 'star' in /data/labels\.txt; .*{both}"
    with pytest.raises(LabelError, match=said):
        check_head(index, ("circle", "star", "square"))
    with pytest.raises(CheckpointError, match=rf"biases has 3 values .* and /data/labels\.txt has 5 classes; {both}"):
        check_head(index, (*NAMES, "dot", "line"))
    check_head(index, NAMES[::-1], trained=())  # nobody knows


def test_a_new_head_may_be_of_any_classes(index):
    check_head(index, ("a", "b"), checkpoint_exclude_scopes="InceptionV3/Logits,InceptionV3/AuxLogits")
    with pytest.raises(CheckpointError, match="InceptionV3/AuxLogits/Conv2d_2b_1x1/biases has 3 values"):
        check_head(index, ("a", "b"), checkpoint_exclude_scopes="InceptionV3/Logits")


@pytest.mark.parametrize(
    "name",
    [
        *("vgg_16/fc8", "LeNet/fc4", "CharNet/fc2", "CifarNet/logits", "resnet_v1_50/logits", "final_layer/FC"),
        *("aux_11/aux_logits/FC", "AlexnetFlowers/fc8", "GanCls/logits", "SceneNet/logits"),
        *("InceptionResnetV2/Logits/Logits", "InceptionV4/AuxLogits/Aux_logits", "MobilenetV3/Logits/Conv2d_1c_1x1"),
    ],
)
def test_the_heads_of_all_nets_are_known(tmp_path, name):
    shapes = {f"{name}/biases": (3,), "fc3/biases": (9,), "LeNet/fc2/biases": (7,), "CharNet/fc1/biases": (8,)}
    index = checkpoint_index.read(bundles.write(tmp_path, shapes))
    assert checkpoint_checks.num_classes_of(index) == 3
    check_head(index, NAMES)
    with pytest.raises(CheckpointError, match=f"{name}/biases has 3 values"):
        check_head(index, NAMES[:2])
