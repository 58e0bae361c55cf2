"""What the judge sees of a picture file: what a person sees, as the conversion of pictures for a training has it."""

import io

import numpy as np
import pytest
from PIL import Image

from sparkcv import synthetic
from sparkcv.errors import ImageError
from tests.predict.checkpoints import write_run

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:.* is deprecated and will:UserWarning"),  # the layers that TF-Slim uses
]


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    """Return probabilities and features of files by their bytes."""
    folder = tmp_path_factory.mktemp("judge")
    run = write_run(folder)

    def call(*files):
        from sparkcv.text2image import judge

        names = []
        for number, data in enumerate(files):
            names.append(str(folder / f"{number}"))
            (folder / f"{number}").write_bytes(data)
        return judge.look(f"{run}/model.ckpt-5", "cifarnet", 4, names, family="inception", size=32)

    return call


def encoded(picture, kind, **options):
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def test_pictures_are_seen_upright_on_white_and_of_any_format(look):
    picture = synthetic.draw(5, seed=3, size=48).crop((0, 0, 48, 36))
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    clear = picture.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), clear)
    probabilities, features = look(
        *(encoded(each, "PNG") for each in (picture, on_white)),
        *(encoded(picture, "TIFF"), encoded(clear, "PNG")),
        *(encoded(lying, "JPEG", quality=100, subsampling=0, exif=each) for each in (exif, b"")),
    )
    upright, white, tiff, transparent, turned, stored = features
    assert probabilities.shape == (6, 4)
    np.testing.assert_array_equal(tiff, upright)
    np.testing.assert_array_equal(transparent, white)
    assert np.abs(turned - upright).mean() < 0.2 * np.abs(stored - upright).mean()


def test_a_file_that_is_no_picture_is_told(look):
    with pytest.raises(ImageError, match="cannot be decoded: "):
        look(b"no picture")
