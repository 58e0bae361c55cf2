"""Preprocessing without TensorFlow is TensorFlow's own, to a rounding, for every format, family and shape."""

import io

import numpy as np
import pytest
from PIL import Image

from sparkcv import preprocess, synthetic
from sparkcv.config.normalization import NEEDS_STATISTICS, NORMALIZATIONS, WHITENINGS
from sparkcv.errors import ImageError, UsageError
from sparkcv.predict.engines.pillow import PillowDecoder
from sparkcv.preprocess import numpy_eval
from sparkcv.preprocess.normalization import Normalization
from sparkcv.records.statistics import FittedOn, Moments

TOLERANCES = {
    "charnet": 5e-5,
    "inception": 1e-6,
    "inception_square": 5e-5,
    "vgg": 1e-4,
    "lenet": 1e-6,
    "cifarnet": 5e-5,
}
SIZE = 40


def files():
    """JPEG of several samplings, modes and shapes, and the other formats that reach a decoder as they are."""
    made = {}

    def add(name, image, kind, **options):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        made[name] = buffer.getvalue()

    for width, height in ((97, 64), (40, 131), (33, 33), (3, 5), (1, 1), (2, 75), (131, 4)):
        picture = synthetic.draw(1, seed=5, size=160).resize((width, height))
        for subsampling in (0, 1, 2):
            add(f"{width}x{height}-{subsampling}.jpg", picture, "JPEG", subsampling=subsampling)
    picture = synthetic.draw(2, seed=6, size=90)
    add("progressive.jpg", picture, "JPEG", progressive=True)
    for mode in ("L", "CMYK"):
        add(f"{mode}.jpg", picture.convert(mode), "JPEG")
    for mode in ("RGB", "L", "P", "1", "LA"):
        add(f"{mode}.png", picture.convert(mode), "PNG")
    clear = picture.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    add("clear.png", clear, "PNG")
    add("16.png", Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 251), "PNG")
    for kind in ("WEBP", "BMP", "GIF"):
        add(f"a.{kind}", picture, kind)
    return made


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("family", "use_grayscale"),
    [*((name, False) for name in TOLERANCES), ("inception", True), ("cifarnet", True), ("charnet", True)],
)
def test_every_family_makes_of_every_file_what_tensorflow_makes(family, use_grayscale):
    from sparkcv.predict.engines.decoding import TFDecoder

    made = files()
    data = {name: (encoded, 1) for name, encoded in made.items()}
    data |= {f"orientation {number}": (made["97x64-2.jpg"], number) for number in range(9)}
    theirs, ours = (kind(family, SIZE, use_grayscale=use_grayscale) for kind in (TFDecoder, PillowDecoder))
    for name, item in data.items():
        (wanted,), (got,) = theirs.decode([item]), ours.decode([item])
        assert got.dtype == wanted.dtype == np.float32
        assert got.shape == wanted.shape, name
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCES[family], err_msg=name)
    theirs.close()
    ours.close()


def fitted(kind, family, use_grayscale):
    shape = (SIZE // 2, SIZE // 2, 1 if use_grayscale else 3)
    moments = Moments(shape, has_covariance=kind in WHITENINGS)
    moments.add(np.random.default_rng(1).uniform(size=(30, *shape)).astype(np.float32))
    of = FittedOn("shapes", "train", "ab" * 32, 30, family, SIZE // 2, use_grayscale, "accurate")
    return moments.fit(of, kind if kind in WHITENINGS else "", 0.01)


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", NORMALIZATIONS[1:])
@pytest.mark.parametrize(("family", "use_grayscale"), [("charnet", True), ("inception_square", False), ("vgg", False)])
def test_every_normalization_is_tensorflows(kind, family, use_grayscale):
    from sparkcv.predict.engines.decoding import TFDecoder

    statistics = fitted(kind, family, use_grayscale) if kind in NEEDS_STATISTICS else None
    normalization = Normalization(kind, statistics)
    theirs, ours = (
        kind(family, SIZE // 2, use_grayscale=use_grayscale, normalization=normalization)
        for kind in (TFDecoder, PillowDecoder)
    )
    made = files()
    items = [(made[name], 1) for name in ("97x64-2.jpg", "40x131-0.jpg", "clear.png", "16.png", "a.BMP")]
    for wanted, got in zip(theirs.decode(items), ours.decode(items), strict=True):
        assert got.dtype == wanted.dtype == np.float32
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 if kind in WHITENINGS else 1e-5)
    theirs.close()
    ours.close()


def test_no_family_lacks_here():
    assert set(TOLERANCES) == {preprocess.get(name).name for name in preprocess.names()}


def test_what_cannot_be_decoded_costs_itself_only(picture):
    whole = bytearray(picture("red", size=(64, 64)))
    tables = whole.index(b"\xff\xc4")
    whole[tables + 4 : tables + 24] = b"\xfe" * 20
    decoder = PillowDecoder("inception", 16)
    cut = picture("red", "PNG", size=(64, 64))[:-40]
    *bad, good = decoder.decode([(bytes(whole), 1), (cut, 1), (b"", 1), (b"no picture", 1), (picture("red"), 1)])
    assert all(isinstance(answer, ImageError) and str(answer).startswith("not decodable: ") for answer in bad)
    np.testing.assert_allclose(good[8, 8], [1, -1, -1], atol=0.03)
    decoder.close()


def test_names_and_sizes_that_cannot_work_are_wrong_usage():
    pixels = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(UsageError, match="unknown preprocessing 'inceptoin'"):
        numpy_eval.for_eval("inceptoin", pixels, 8)
    with pytest.raises(UsageError, match="image size 300 does not fit"):
        numpy_eval.for_eval("vgg", pixels, 300)
