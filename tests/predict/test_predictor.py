import numpy as np
import pytest

from sparkcv.errors import ImageError, ModelError, UsageError
from sparkcv.predict import manifest as manifests
from sparkcv.predict.engines.choice import choose_engine
from sparkcv.predict.predictor import Prediction, Predictor, Reject
from sparkcv.preprocess.picture_file import PictureRules
from sparkcv.records.statistics import FittedOn, Statistics
from tests.predict.models import COLORS, color_graph, write_folder


@pytest.fixture(scope="module")
def predictor(color_model, tmp_path_factory):
    with Predictor.load(color_model, str(tmp_path_factory.mktemp("cache")), num_threads=2) as loaded:
        yield loaded


@pytest.mark.tensorflow
def test_pictures_get_their_labels_in_their_order(predictor, picture):
    answers = predictor.predict([picture(color, kind) for color in COLORS for kind in ("JPEG", "PNG")], top_k=3)
    assert [answer.label for answer in answers] == ["red", "red", "green", "green", "blue", "blue"]
    for answer in answers:
        assert answer.score > 0.9
        assert answer.top_k[0] == (answer.label, answer.score)
        scores = [score for _, score in answer.top_k]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1)
        assert {label for label, _ in answer.top_k} == set(COLORS)


@pytest.mark.tensorflow
def test_no_pictures_no_answers(predictor):
    assert predictor.predict([], top_k=1) == []


@pytest.mark.tensorflow
def test_odd_pictures_are_scored(predictor, odd_pictures):
    for name, answer in zip(odd_pictures, predictor.predict(list(odd_pictures.values()), top_k=1), strict=True):
        assert isinstance(answer, Prediction), (name, answer)
        if not any(word in name for word in ("grey", "bit")):
            assert answer.label == "red", name


@pytest.mark.tensorflow
def test_a_bad_picture_costs_itself_only(predictor, picture, bad_pictures):
    pictures = [data for bad, _ in bad_pictures.values() for data in (bad, picture("blue"))]
    answers = predictor.predict(pictures, top_k=1)
    assert all(answer == answers[1] and answer.label == "blue" for answer in answers[1::2])
    for (name, (_, reason)), answer in zip(bad_pictures.items(), answers[::2], strict=True):
        assert isinstance(answer, Reject), name
        assert answer.reason.split(":")[0] == reason, (name, answer)
        assert "\n" not in answer.reason


@pytest.mark.tensorflow
def test_a_picture_that_only_the_decoder_finds_bad_is_rejected_alone(predictor, picture):
    whole = bytearray(picture("red", size=(64, 64)))
    tables = whole.index(b"\xff\xc4")  # the Huffman tables: the structure stays right, the picture cannot be decoded
    whole[tables + 4 : tables + 24] = b"\xfe" * 20
    bad, good = predictor.predict([bytes(whole), picture("red")], top_k=1)
    assert good.label == "red"
    assert isinstance(bad, Reject)
    assert bad.reason.startswith("not decodable: ")
    assert len(bad.reason) < 160


@pytest.mark.tensorflow
def test_the_limit_of_pixels_holds_before_decoding(color_model, tmp_path, picture):
    with Predictor.load(color_model, str(tmp_path), rules=PictureRules(100)) as predictor:
        small, large = predictor.predict([picture("red", size=(10, 10)), picture("red", size=(11, 10))], top_k=1)
    assert small.label == "red"
    assert large.reason.startswith("too large: 11x10 pixels")


@pytest.mark.tensorflow
@pytest.mark.parametrize("top_k", [0, 4])
def test_more_classes_than_there_are_is_wrong_usage(predictor, picture, top_k):
    with pytest.raises(UsageError, match=f"--top_k: got {top_k}, wanted 1 to 3"):
        predictor.predict([picture("red")], top_k=top_k)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", [manifests.FROZEN_GRAPH, manifests.LABELS, manifests.FILE_NAME])
def test_a_changed_byte_in_the_folder_is_refused_by_file(model_copy, tmp_path, name):
    whole = (model_copy / name).read_bytes()
    middle = len(whole) // 2
    (model_copy / name).write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    with pytest.raises(ModelError, match=name):
        Predictor.load(str(model_copy), str(tmp_path / "cache"))


@pytest.mark.tensorflow
def test_labels_that_do_not_fit_the_model_are_refused(tmp_path):
    write_folder(tmp_path / "m", color_graph(16), num_classes=4)
    with pytest.raises(ModelError, match="has 3 labels, the model has 4 classes"):
        Predictor.load(str(tmp_path / "m"), str(tmp_path / "cache"))


class FakeEngine:
    """Answers what it was made with."""

    def __init__(self, scores):
        self.scores = np.asarray(scores, np.float32)

    def probabilities(self, images):
        return self.scores[: len(images)]

    def close(self):
        pass


class FakeDecoder:
    """Takes every picture but ``b"bad"``-ended ones."""

    def decode(self, pictures):
        return [ImageError("not decodable: x") if p[0].endswith(b"bad") else np.zeros((16, 16, 3)) for p in pictures]

    def close(self):
        pass


def make(scores, tmp_path):
    manifest = write_folder(tmp_path / "m", b"g")
    return Predictor.of_parts(manifest, tuple(COLORS), FakeEngine(scores), FakeDecoder(), rules=PictureRules(10**6))


def test_scores_that_are_no_numbers_are_a_reject(tmp_path, picture):
    predictor = make([[0.1, 0.2, 0.7], [np.nan, 0, 1]], tmp_path)
    first, second = predictor.predict([picture("red")] * 2, top_k=2)
    assert (first.label, [label for label, _ in first.top_k]) == ("blue", ["blue", "green"])
    assert second == Reject("not scored: the model's output is not a number")


def test_equal_scores_keep_the_order_of_the_classes(tmp_path, picture):
    (answer,) = make([[0.2, 0.4, 0.4]], tmp_path).predict([picture("red")], top_k=3)
    assert [label for label, _ in answer.top_k] == ["green", "blue", "red"]


def test_a_batch_of_nothing_but_rejects_never_reaches_the_engine(tmp_path, picture):
    predictor = make([], tmp_path)
    answers = predictor.predict([b"", picture("red") + b"bad"], top_k=1)
    assert [answer.reason for answer in answers] == ["empty: 0 bytes", "not decodable: x"]


@pytest.mark.tensorflow
@pytest.mark.parametrize("engine", ["tf", "openvino"])
@pytest.mark.parametrize("arithmetic", ["accurate", "fast"])
def test_both_engines_say_the_same_of_every_picture(tmp_path, picture, odd_pictures, engine, arithmetic):
    write_folder(tmp_path / "m", color_graph(16, weight=2.0), inputs={"pictures": {"jpeg_arithmetic": arithmetic}})
    pictures = [*odd_pictures.values(), b"", picture("blue")]
    with Predictor(str(tmp_path / "m"), engine) as one, Predictor.load(str(tmp_path / "m"), str(tmp_path / "c")) as two:
        assert one.engine.name == engine
        for got, wanted in zip(one.predict(pictures, 3), two.predict(pictures, 3), strict=True):
            assert type(got) is type(wanted)
            if isinstance(got, Prediction):
                assert dict(got.top_k) == pytest.approx(dict(wanted.top_k), abs=1e-4)


@pytest.mark.tensorflow
@pytest.mark.parametrize("engine", ["tf", "openvino"])
def test_both_engines_normalize_by_the_models_own_statistics(tmp_path, picture, engine):
    of = FittedOn("colors", "train", "ab" * 32, 2, "inception", 16, False, "accurate")
    mean = np.array([0.9, 0.0, 0.0], np.float32)  # red is taken off: what is left of a violet is blue
    folder = tmp_path / "m"
    folder.mkdir()
    Statistics(of, mean, np.ones(3, np.float32)).write(str(folder / manifests.STATISTICS))
    said = {manifests.PICTURES: {"jpeg_arithmetic": "accurate", "normalization": "mean"}}
    write_folder(folder, color_graph(16), inputs=said)
    with Predictor(str(folder), engine) as predictor:
        (image,) = predictor.decode([picture("#ff00cc", "PNG")])
        (answer,) = predictor.predict([picture("#ff00cc", "PNG")], top_k=1)
    np.testing.assert_allclose(image[8, 8], [0.1, 0, 0.8], atol=1e-6)
    assert answer.label == "blue"


def test_an_engine_that_there_is_not_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="engine: got 'onnx', wanted one of auto, tf, openvino"):
        Predictor(str(tmp_path), "onnx")


def test_an_engine_that_is_not_installed_names_its_extra(tmp_path, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'sparkcv\[openvino\]'"):
        Predictor(str(tmp_path), "openvino")
    assert choose_engine("auto").name == "tf"


def test_openvino_refuses_what_is_no_graph_in_one_sentence(tmp_path):
    write_folder(tmp_path / "m", b"\xff\xff\xff")
    with pytest.raises(ModelError, match="is no graph") as caught:
        Predictor(str(tmp_path / "m"), "openvino")
    assert "\n" not in str(caught.value)


def test_paths_and_pixels_are_pictures_too(color_model, tmp_path, picture):
    (tmp_path / "red.jpg").write_bytes(picture("red"))
    pixels = np.zeros((9, 7, 3), np.uint8)
    pixels[..., 2] = 255
    asked = [tmp_path / "red.jpg", str(tmp_path / "red.jpg"), pixels, tmp_path / "none", pixels.astype(float)]
    with Predictor(color_model, "openvino") as predictor:
        answers = predictor.predict(asked, top_k=1)
    assert [answer.label for answer in answers[:3]] == ["red", "red", "blue"]
    assert answers[3] == Reject("missing: the file is not there")
    assert answers[4].reason.startswith("unusable pixels: float64 [9, 7, 3], wanted uint8")
