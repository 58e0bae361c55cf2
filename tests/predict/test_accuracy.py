"""Precision and features of the real small net: what each engine gives, and the gate before less than float32."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from sparkcv.errors import MissingFileError, ModelError, UsageError
from sparkcv.predict import NetSpec, Predictor, measure
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines import agreement
from sparkcv.predict.engines.agreement import Agreement
from sparkcv.predict.engines.choice import has_bf16
from tests.predict.real_net import NET, SIZE, drawn

pytestmark = pytest.mark.tensorflow

PICTURES = drawn(48)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def pixels(real_model, cache):
    with Predictor(real_model, "openvino", cache_dir=cache) as predictor:
        return np.stack(predictor.decode(PICTURES))


@pytest.fixture(scope="module")
def plain(real_model, pixels):
    """What plain TensorFlow gives for the end points: name -> ``[batch, channels]``."""
    import tensorflow.compat.v1 as tf

    from sparkcv import nets

    run = str(pathlib.Path(real_model).parent / "run")
    with tf.Graph().as_default(), tf.Session() as session:
        taken = tf.placeholder(tf.float32, [None, SIZE, SIZE, 3])
        _, points = nets.get(NET).build(taken, 4, is_training=False)
        wanted = {
            name: tf.reduce_mean(point, [1, 2]) if point.shape.rank == 4 else point for name, point in points.items()
        }
        tf.train.Saver().restore(session, f"{run}/model.ckpt-5")
        return session.run(wanted, {taken: pixels})


@pytest.mark.parametrize("engine", ["tf", "openvino"])
def test_features_are_slims_end_points_with_either_engine(real_model, cache, plain, engine):
    known = json.loads(pathlib.Path(real_model, "model.json").read_text())["outputs"]["end_points"]
    assert {"conv1", "pool2", "fc3", "Logits", "Predictions"} <= set(known)
    assert set(known) <= set(plain)
    for name in ("fc3", "conv2", "Logits"):
        with Predictor(real_model, NetSpec(engine, features=name), cache_dir=cache) as predictor:
            answers = predictor.predict(PICTURES, 4)
        got = np.stack([answer.features for answer in answers])
        assert (got.dtype, got.shape) == (np.float32, (48, known[name]["features"]))
        scale = np.abs(plain[name]).max()
        np.testing.assert_allclose(got / scale, plain[name] / scale, atol=1e-5, err_msg=name)
        scores = np.stack([[dict(answer.top_k)[label] for label in predictor.names] for answer in answers])
        np.testing.assert_allclose(scores, plain["Predictions"], atol=1e-5)


def test_features_carry_more_than_bfloat16_has_where_the_net_runs_in_it(real_model, cache, plain, tmp_path):
    if not has_bf16():
        return  # such a host computes in float32, which the test before has shown
    for engine in ("tf", "openvino"):
        net = NetSpec(engine, "bf16", features="conv2")
        found = measure(real_model, str(tmp_path / engine), net, PICTURES, cache_dir=cache)
        net = dataclasses.replace(net, proof_url=str(tmp_path / engine))
        assert (found.num_pictures, found.is_enough) == (48, True)
        with Predictor(real_model, net, cache_dir=cache) as predictor:
            got = np.stack([answer.features for answer in predictor.predict(PICTURES, 1)])
        assert 0 < np.abs(got - plain["conv2"]).max() < 0.05 * np.abs(plain["conv2"]).max()
        below = got.view(np.uint32) & 0xFFFF  # the bits that bfloat16 does not have
        assert (below != 0).mean() > 0.2, engine


def test_int8_is_made_of_ones_own_pictures_and_gives_features_too(real_model, cache, tmp_path):
    net = NetSpec("auto", "int8", features="fc3")
    found = measure(real_model, str(tmp_path / "int8"), net, PICTURES, cache_dir=cache)
    assert (found.engine, found.num_pictures, sorted(found.files)) == ("openvino", 24, ["net.bin", "net.xml"])
    assert found.is_enough
    with (
        Predictor(real_model, dataclasses.replace(net, proof_url=str(tmp_path / "int8")), cache_dir=cache) as one,
        Predictor(real_model, NetSpec("openvino", features="fc3"), cache_dir=cache) as two,
    ):
        assert one.engine.precision == "int8"
        got, wanted = (
            np.stack([answer.features for answer in predictor.predict(PICTURES, 1)]) for predictor in (one, two)
        )
    assert 0 < np.abs(got - wanted).mean() < 0.2 * np.abs(wanted).mean()
    with open(tmp_path / "int8" / "net.bin", "r+b") as sink:
        sink.write(b"????")
    with pytest.raises(ModelError, match=r"net\.bin' was changed: its sha256 is"):
        Predictor(real_model, dataclasses.replace(net, proof_url=str(tmp_path / "int8")), cache_dir=str(tmp_path / "c"))


def test_a_damaged_net_is_refused_with_got_and_wanted(real_model, cache, tmp_path, monkeypatch):
    from sparkcv.predict.engines import openvino, quantizing

    save = openvino.save_net

    def save_damaged(model, path):
        save(model, path)
        weights = pathlib.Path(path).with_suffix(".bin")
        data, random = bytearray(weights.read_bytes()), np.random.default_rng(1)
        for constant in re.findall(r'<data element_type="i8"[^>]*>', pathlib.Path(path).read_text()):
            at, size = (int(re.search(rf'\b{name}="(\d+)"', constant)[1]) for name in ("offset", "size"))
            data[at : at + size] = random.integers(-127, 127, size).astype(np.int8).tobytes()
        weights.write_bytes(data)

    monkeypatch.setattr(quantizing, "save_net", save_damaged)
    net, folder = NetSpec("openvino", "int8"), str(tmp_path / "proof")
    found = measure(real_model, folder, net, PICTURES, cache_dir=cache)
    assert found.share < 0.99
    with pytest.raises(
        ModelError, match=rf"on {found.num_agreeing} of 24 pictures, {100 * found.share:.2f} %, wanted 99 %"
    ):
        Predictor(real_model, dataclasses.replace(net, proof_url=folder), cache_dir=cache)


DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({}, None, ""),
        ({"num_agreeing": 199}, None, ""),
        ({"num_agreeing": 198}, ModelError, "on 198 of 200 pictures, 99.00 %, wanted 99.5 %; it is not used"),
        ({"model_digest": "cd" * 32}, ModelError, "was measured of"),
        ({"engine": "openvino"}, ModelError, "was measured of"),
        ({"features": "PreLogits"}, ModelError, "was measured of"),
        ({"num_pictures": 0, "num_agreeing": 0}, ModelError, "is no measurement"),
        ({"num_agreeing": "all"}, ModelError, "is no measurement"),
        ({"num_agreeing": 201}, ModelError, "was measured of"),
    ],
)
def test_what_was_measured_is_asked_before_a_net_scores(tmp_path, change, kind, said):
    from sparkcv.predict.engines.choice import EngineChoice

    made = dataclasses.replace(Agreement(DIGEST, "tf", "bf16", None, 200, 200), **change)
    made.write(str(tmp_path))
    asked = NetSpec("tf", "bf16", proof_url=str(tmp_path)), EngineChoice("tf", "", "bf16"), DIGEST
    if kind is None:
        assert agreement.read_for(*asked) == made
    else:
        with pytest.raises(kind, match=said):
            agreement.read_for(*asked)


def test_less_than_float32_without_a_measurement_is_wrong_usage(real_model, cache, tmp_path):
    with pytest.raises(UsageError, match="precision: bf16 scores only where"):
        Predictor(real_model, NetSpec("openvino", "bf16"), cache_dir=cache)
    with pytest.raises(MissingFileError, match="nothing was measured at"):
        Predictor(real_model, NetSpec("openvino", "bf16", proof_url=str(tmp_path)), cache_dir=cache)
    with pytest.raises(UsageError, match="int8 is computed by OpenVINO only, got engine tf"):
        Predictor(real_model, NetSpec("tf", "int8"), cache_dir=cache)
    with pytest.raises(UsageError, match="precision: got 'fp16', wanted one of auto, fp32, bf16, int8"):
        Predictor(real_model, NetSpec("tf", "fp16"), cache_dir=cache)
    with pytest.raises(UsageError, match="precision: got fp32, wanted one to be measured: bf16, int8"):
        measure(real_model, str(tmp_path), NetSpec("tf"), PICTURES)
    with pytest.raises(ModelError, match="none of 2 pictures to measure bf16 on can be used"):
        measure(real_model, str(tmp_path), NetSpec("openvino", "bf16"), [b"", b"no"], cache_dir=cache)


def test_of_a_pool_over_the_whole_area_the_maps_before_it_are_taken():
    import tensorflow.compat.v1 as tf

    from sparkcv import nets
    from sparkcv.predict.export.graphs import features_of

    for name, size, whole in (
        ("mobilenet_v1_025", 64, True),
        ("mobilenet_v1_025", 256, False),
        ("mobilenet_v2_035", 64, True),
    ):
        with tf.Graph().as_default() as graph:
            _, points = nets.get(name).build(tf.placeholder(tf.float32, [None, size, size, 3]), 4, is_training=False)
            found = features_of(points, {operation.name for operation in graph.get_operations()})
        pool = found["AvgPool_1a" if name == "mobilenet_v1_025" else "global_pool"]
        assert ("pool" in pool["operation"].lower()) != whole, (name, size, pool)
        assert features_of(points, {"input"}) == {}


def test_an_end_point_that_there_is_not_is_named_with_its_nearest(real_model, color_model, cache):
    with pytest.raises(UsageError, match="lenet has no end point 'fc33', did you mean 'fc3'"):
        Predictor(real_model, NetSpec("openvino", features="fc33"), cache_dir=cache)
    with pytest.raises(UsageError, match="names no end points: it was exported before they were"):
        Predictor(color_model, NetSpec("openvino", features="fc3"))


def test_processes_of_a_host_share_what_the_first_one_has_compiled(real_model, tmp_path):
    code = (
        "import sys\nfrom sparkcv.predict import NetSpec, Predictor\n"
        "one = Predictor(sys.argv[1], NetSpec('openvino', features='fc3'), cache_dir=sys.argv[2])\n"
        "maps = open('/proc/self/maps').read()\n"
        "print('tensorflow' in sys.modules, '.blob' in maps, one.predict([sys.argv[3]], 1)[0])\n"
    )
    (tmp_path / "a.jpg").write_bytes(PICTURES[0])
    command = [sys.executable, "-c", code, real_model, str(tmp_path / "cache"), str(tmp_path / "a.jpg")]
    said = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    digest = manifests.read_manifest(real_model).digest
    assert said[0].split()[0] == "False"
    assert said[1].split()[:2] == ["False", "True"]
    assert said[0].split()[2:] == said[1].split()[2:]
    kept = tmp_path / "cache" / f"{digest[:32]}.openvino"
    assert len(list(kept.glob("*.xml"))) == len(list(kept.glob("*.blob"))) == 1
