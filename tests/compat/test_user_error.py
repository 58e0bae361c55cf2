"""What TensorFlow itself says of a path that it cannot open, and what the driver is told then."""

import pytest

from sparkcv.compat.user_error import error_of

pytestmark = pytest.mark.tensorflow


def told_of(call):
    with pytest.raises(Exception) as caught:
        call()
    return str(error_of(caught.value, "map_fun f of worker:0"))


def gfile():
    import tensorflow as tf

    return tf.io.gfile


@pytest.mark.parametrize("url", ["hdfs://nn:8020/a", "viewfs://all/a", "s3a://bucket/a"])
@pytest.mark.parametrize(
    "call",
    [
        lambda url: gfile().GFile(url).read(),
        lambda url: gfile().makedirs(url),
        lambda url: gfile().glob(f"{url}/*"),
        lambda url: gfile().listdir(url),
    ],
    ids=["read", "makedirs", "glob", "listdir"],
)
def test_a_path_of_no_file_system_of_tensorflows_is_answered_with_stage_and_publish(call, url):
    scheme = url.partition(":")[0]
    told = told_of(lambda: call(url))
    assert told.startswith(
        f"map_fun f of worker:0 gave TensorFlow a path of {scheme}://, which it cannot open: read from"
    )
    assert "ctx.stage(url)" in told
    assert "ctx.publish(local, url)" in told


@pytest.mark.parametrize("path", ["/there/is/none", "file:///there/is/none", "ram://none"])
def test_a_folder_that_is_absent_where_tensorflow_can_look_is_just_absent(path):
    told = told_of(lambda: gfile().listdir(path))
    assert told == f"map_fun f of worker:0 raised NotFoundError: Could not find directory {path}"


def test_anothers_error_that_reads_so_is_not_tensorflows():
    def call():
        raise ValueError("Could not find directory hdfs://nn/a")

    assert told_of(call) == "map_fun f of worker:0 raised ValueError: Could not find directory hdfs://nn/a"
