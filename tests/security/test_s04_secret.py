"""The run's secret stands nowhere but in Spark's task data and in the memory of those who need it (S4)."""

import base64

import pytest

pytestmark = pytest.mark.spark

# Where it is looked for, and what surely stands there: a place that was not read would hold no secret either.
SURE = {
    "seen/task.txt": b"AgentTask(",
    "seen/cmdline-*-java": b"org.apache.spark",
    "seen/cmdline-*-python*": b"sparkcv.cluster.node",
    "seen/environ-*-java": b"SPARK_HOME",
    "seen/environ-*-python*": b"CUDA_VISIBLE_DEVICES",
    "seen/page-environment": b"sparkcv look",
    "seen/page-stages": b"worker:2",
    "seen/api-environment": b"spark.app.name",
    "seen/api-jobs": b"worker:2",
    "seen/api-executors-driver-threads": b"threadName",
    "seen/log-*": b"DAGScheduler",
    "events/**/*": b"SparkListenerStageSubmitted",
    "logs/*": b"shows its devices",
}


def forms(secret: bytes) -> list[bytes]:
    """The ways in which it could be written down."""
    signed = ", ".join(str(byte - 256 if byte > 127 else byte) for byte in secret).encode()
    encoded = base64.b64encode(secret)
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), encoded[:40], repr(secret).encode(), signed]


@pytest.mark.parametrize("place", SURE)
def test_the_secret_is_in_none_of(looked, place):
    folder, _, _, _ = looked
    wanted = forms((folder / "secret").read_bytes())
    files = [path for path in folder.glob(place) if path.is_file()]
    held = [path.read_bytes() for path in files]
    assert any(SURE[place] in data for data in held)
    assert not [path.name for path, data in zip(files, held, strict=True) for form in wanted if form in data]


def test_the_secret_is_in_no_output_of_the_driver_either(looked):
    folder, said, _, _ = looked
    assert "shows its devices" in said
    assert not [form for form in forms((folder / "secret").read_bytes()) if form in said.encode()]


def test_the_search_finds_a_secret_that_is_there(looked, tmp_path):
    folder, _, _, _ = looked
    secret = (folder / "secret").read_bytes()
    assert len(secret) == 32
    for form in forms(secret):
        assert any(one in b"<td>" + form + b"</td>" for one in forms(secret))
