"""A file comes to every job as what a person sees of it: upright, on a background, its first frame, in eight bits."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image, ImageOps

from sparkcv.errors import ImageError
from sparkcv.preprocess import EncodedPicture, decode
from sparkcv.preprocess.picture_file import PictureRules, read
from tests.preprocess.conftest import drawn

RULES = PictureRules()
TAG = 0x0112


def saved(picture, file_format, orientation=None, **options):
    if orientation is not None:
        exif = Image.Exif()
        exif[TAG] = orientation
        options["exif"] = exif
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def pixels_of():
    """What training and scoring decode of a picture."""
    with tf.Graph().as_default(), tf.Session() as session:
        encoded, orientation = tf.placeholder(tf.string, []), tf.placeholder(tf.int64, [])
        whole = decode.decode(EncodedPicture(encoded, orientation))
        picture = EncodedPicture(encoded, orientation)
        cropped = decode.decode_crop(picture, lambda shape: tf.concat([[0, 0], shape[:2]], axis=0))

        def run(seen):
            got, same = session.run([whole, cropped], {encoded: seen.encoded, orientation: seen.orientation})
            np.testing.assert_array_equal(got, same)
            return got

        yield run


def as_people_see(data, background="white"):
    """Pillow's own way, with none of our code."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, background), picture)
    return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_oriented_picture_is_what_a_person_sees(pixels_of, file_format, orientation):
    data = saved(Image.fromarray(drawn(40, 24)), file_format, orientation)
    seen = read(data, RULES)
    np.testing.assert_array_equal(pixels_of(seen), as_people_see(data))
    if file_format in ("JPEG", "PNG", "WEBP"):
        assert (seen.encoded, seen.orientation) == (data, orientation)  # not coded anew
        assert (seen.height, seen.width) == (24, 40)
    ignored = read(data, PictureRules(use_orientation=False))
    assert ignored.orientation == 1
    assert pixels_of(ignored).shape == (24, 40, 3)
    if file_format in ("PNG", "TIFF"):  # they lose nothing; Pillow turns a TIFF while it loads it
        np.testing.assert_array_equal(pixels_of(ignored), drawn(40, 24))


def half_clear(mode):
    """A green picture whose left half is transparent over red."""
    colours = np.zeros((8, 10, 4), np.uint8)
    colours[:, :5] = (255, 0, 0, 0)
    colours[:, 5:] = (0, 255, 0, 255)
    picture = Image.fromarray(colours, "RGBA")
    if mode == "P":
        palette = Image.new("P", (10, 8), 0)
        palette.putpalette([255, 0, 0, 0, 255, 0])
        palette.paste(1, (5, 0, 10, 8))
        palette.info["transparency"] = 0
        return palette
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("mode", "file_format", "options"),
    [
        ("RGBA", "PNG", {}),
        ("LA", "PNG", {}),
        ("P", "PNG", {"transparency": 0}),
        ("RGBA", "WEBP", {"lossless": True, "exact": True}),
        ("P", "GIF", {"transparency": 0}),
        ("RGBA", "TIFF", {}),
        ("RGBA", "JPEG2000", {"irreversible": False}),
    ],
)
def test_what_is_see_through_shows_the_background(pixels_of, mode, file_format, options):
    data = saved(half_clear(mode), file_format, **options)
    for background, colour in (((255, 255, 255), "white"), ((10, 20, 30), (10, 20, 30))):
        seen = read(data, PictureRules(background=background))
        pixels = pixels_of(seen)
        assert (pixels[:, :5] == background).all()
        np.testing.assert_array_equal(pixels, as_people_see(data, colour))


def test_half_see_through_is_mixed_as_a_browser_mixes_it(pixels_of):
    picture = Image.new("RGBA", (4, 4), (200, 100, 0, 128))
    pixels = pixels_of(read(saved(picture, "PNG"), RULES))
    np.testing.assert_allclose(pixels[0, 0], [227, 177, 127], atol=1)


def test_a_grey_value_of_16_bits_that_stands_for_see_through_is_put_on_the_background(pixels_of):
    values = np.full((4, 6), 40000, np.uint16)
    values[:, :2] = 1234
    data = saved(Image.fromarray(values), "PNG", transparency=1234)
    pixels = pixels_of(read(data, RULES))
    assert (pixels[:, :2] == 255).all()
    assert (pixels[:, 2:] == 40000 >> 8).all()


def grey_png(bits, row, clear):
    """A PNG of one row of four grey pixels, ``clear`` standing for transparent."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", clear)),
        (b"IDAT", zlib.compress(b"\0" + bytes(row))),
        (b"IEND", b""),
    ]
    parts = [
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("bits", "row", "clear", "wanted"),
    [
        (1, [0b01010000], 1, [0, 7, 0, 7]),
        (2, [0b01100111], 1, [7, 170, 7, 255]),
        (4, [0x5A, 0x5F], 5, [7, 170, 7, 255]),
        (8, [5, 10, 5, 15], 5, [7, 10, 7, 15]),
    ],
)
def test_a_grey_value_of_few_bits_that_stands_for_see_through_is_found_among_the_scaled_ones(bits, row, clear, wanted):
    seen = read(grey_png(bits, row, clear), PictureRules(background=(7, 7, 7)))
    assert np.asarray(Image.open(io.BytesIO(seen.encoded)).convert("RGB"))[0, :, 1].tolist() == wanted


def blue_gif(clear=None):
    """A GIF of 3 x 1 whose one frame covers the middle pixel only, in blue; red is its first colour."""
    control = b"" if clear is None else b"\x21\xf9\4\1\0\0" + bytes([clear]) + b"\0"
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    head = b"GIF89a" + struct.pack("<HHBBB", 3, 1, 0x81, 0, 0) + palette + control
    pixels = (5 << 6 | 2 << 3 | 4).to_bytes(2, "little")  # three codes of three bits: clear, colour 2, end
    return head + b"\x2c" + struct.pack("<HHHHB", 1, 0, 1, 1, 0) + b"\2\2" + pixels + b"\0;"


@pytest.mark.parametrize(("clear", "middle"), [(None, [0, 0, 255]), (3, [0, 0, 255]), (2, [7, 7, 7])])
def test_what_the_first_frame_of_a_gif_leaves_free_shows_the_background(clear, middle):
    seen = read(blue_gif(clear), PictureRules(background=(7, 7, 7)))
    found = np.asarray(Image.open(io.BytesIO(seen.encoded)))[0].tolist()
    assert found == [[7, 7, 7], middle, [7, 7, 7]]


DAMAGED_EXIF = b"Exif\0\0garbage, not TIFF"


@pytest.mark.parametrize("rules", [RULES, PictureRules(short_side=16)])
def test_damaged_exif_never_costs_a_picture(rules):
    jpeg = saved(Image.fromarray(drawn(40, 24)), "JPEG")
    exif = b"\xff\xe1" + (len(DAMAGED_EXIF) + 2).to_bytes(2, "big") + DAMAGED_EXIF
    webp = saved(half_clear("RGBA"), "WEBP", exif=DAMAGED_EXIF)
    for data in (jpeg[:2] + exif + jpeg[2:], webp):
        assert read(data, rules).orientation == 1


def test_pillows_own_limit_does_not_hold_below_ours(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read(saved(Image.fromarray(drawn(40, 24)), "GIF"), RULES).width == 40


def test_an_alpha_channel_that_hides_nothing_leaves_the_file_as_it_is():
    data = saved(Image.fromarray(drawn(40, 24)).convert("RGBA"), "PNG")
    assert read(data, RULES).encoded == data


def test_a_palette_bmp_gives_colours_not_indices(pixels_of):
    picture = Image.fromarray(drawn(40, 24)).convert("P", palette=Image.Palette.ADAPTIVE)
    data = saved(picture, "BMP")
    np.testing.assert_array_equal(pixels_of(read(data, RULES)), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["P", "L", "1", "RGBA"])
def test_tensorflow_is_never_given_a_bmp_that_it_misreads(mode):
    data = saved(Image.fromarray(drawn(40, 24)).convert(mode), "BMP")
    with tf.Graph().as_default(), tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError):
        session.run(decode.decode(tf.constant(data)))


def animated(file_format, count=3):
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue", "green")]
    frames = [frames[index % 3] for index in range(count)]
    return saved(frames[0], file_format, save_all=True, append_images=frames[1:], **_EXACT.get(file_format, {}))


_EXACT = {"WEBP": {"lossless": True}}


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animated_picture_the_first_frame_counts(pixels_of, file_format):
    assert (pixels_of(read(animated(file_format), RULES)) == (255, 0, 0)).all()


def test_later_frames_of_an_apng_that_are_damaged_cost_nothing(pixels_of):
    frames = [Image.new("RGBA", (6, 4), colour) for colour in ((255, 0, 0, 128), "blue")]
    whole = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    at = whole.rindex(b"fcTL") - 4
    cut = whole[:at] + whole[at + 38 :]  # no control chunk before the second frame's data
    np.testing.assert_array_equal(pixels_of(read(cut, RULES)), pixels_of(read(whole, RULES)))


def test_a_text_of_a_png_that_expands_to_gigabytes_is_never_expanded(pixels_of):
    text = zlib.compress(bytes(1 << 26))
    body = b"zTXt" + b"Comment\0\0" + text
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    whole = saved(half_clear("RGBA"), "PNG")
    bomb = whole[:33] + chunk + whole[33:]
    np.testing.assert_array_equal(pixels_of(read(bomb, RULES)), pixels_of(read(whole, RULES)))


def test_a_gif_of_many_frames_is_read_by_its_first(pixels_of):
    data = animated("GIF", 300)
    rules = PictureRules(max_pixels=6 * 4 * 10)
    assert (pixels_of(read(data, rules)) == (255, 0, 0)).all()


def test_grey_of_16_bits_is_read_by_its_upper_byte_in_every_format(pixels_of):
    values = (np.arange(24 * 40, dtype=np.uint16) * 64).reshape(24, 40)
    for file_format in ("PNG", "TIFF"):
        pixels = pixels_of(read(saved(Image.fromarray(values), file_format), RULES))
        np.testing.assert_array_equal(pixels[..., 0], values >> 8)


def grey_tiff(bits, photometric, data, width, **more):
    """A TIFF of one row of grey, little-endian, not compressed: TIFF 6.0, section 4."""
    tags = [(256, width), (257, 1), (258, bits), (259, 1), (262, photometric), (277, 1), (278, 1), (279, len(data))]
    tags += [(int(tag[1:]), value) for tag, value in more.items()]
    tags = sorted([*tags, (273, 8 + 2 + 12 * (len(tags) + 1) + 4)])
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + data


@pytest.mark.parametrize(
    ("bits", "photometric", "data", "wanted"),
    [
        (16, 1, struct.pack("<3H", 0, 0x1234, 0xFFFF), [0, 0x12, 255]),
        (16, 0, struct.pack("<3H", 0, 0x1234, 0xFFFF), [255, 0xED, 0]),  # white is zero
        (8, 0, bytes([0, 0x12, 255]), [255, 0xED, 0]),
        (12, 1, bytes([0x80, 0x01, 0x23, 0xFF, 0xF0]), [0x80, 0x12, 255]),  # 0x800, 0x123, 0xfff
    ],
)
def test_grey_of_a_tiff_is_as_light_as_it_says(bits, photometric, data, wanted):
    seen = read(grey_tiff(bits, photometric, data, 3), RULES)
    assert np.asarray(Image.open(io.BytesIO(seen.encoded)))[0, :, 0].tolist() == wanted


def test_the_thumbnail_with_which_a_cameras_raw_file_begins_is_not_taken_for_its_picture():
    thumbnail = {"t254": 1, "t330": 8}  # a picture of less resolution than another, which a directory below it has
    with pytest.raises(ImageError, match=r"^unusable TIFF: its first picture is a thumbnail of another in it"):
        read(grey_tiff(8, 1, bytes(3), 3, **thumbnail), RULES)
    for alone in ({"t254": 1}, {"t254": 0, "t330": 8}, {"t254": 2}):
        assert read(grey_tiff(8, 1, bytes(3), 3, **alone), RULES).width == 3


def test_a_cmyk_tiff_has_its_colours(pixels_of):
    picture = Image.fromarray(drawn(40, 24)).convert("CMYK")
    data = saved(picture, "TIFF")
    np.testing.assert_array_equal(pixels_of(read(data, RULES)), np.asarray(picture.convert("RGB")))


def test_wider_numbers_are_refused_for_nobody_knows_their_range():
    data = saved(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
    with pytest.raises(ImageError, match=r"^unusable tiff: 32 bits a channel, wanted 8, or 16 without a sign$"):
        read(data, RULES)


FORMATS = {
    "JPEG": {},
    "PNG": {},
    "GIF": {},
    "BMP": {},
    "WEBP": {},
    "TIFF": {},
    "AVIF": {},
    "JPEG2000": {},
}


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_limits_hold_before_decoding_for_every_format(file_format):
    data = saved(Image.fromarray(drawn(40, 24)), file_format)
    assert read(data, PictureRules(max_pixels=40 * 24)).width == 40
    with pytest.raises(ImageError, match=r"^too large: 40x24 pixels, at most 959 in all$"):
        read(data, PictureRules(max_pixels=40 * 24 - 1))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_format_that_is_not_asked_for_is_refused_by_its_name(file_format):
    data = saved(Image.fromarray(drawn(40, 24)), file_format)
    name = {"JPEG2000": "JPEG 2000", "WEBP": "WebP"}.get(file_format, file_format)
    others = tuple(known for known in RULES.formats if known.upper() != file_format)
    with pytest.raises(ImageError, match=rf"^not .*: {name}$"):
        read(data, PictureRules(formats=others))


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_cut_or_changed_file_is_read_or_refused_with_a_reason(file_format):
    data = saved(Image.fromarray(drawn(40, 24)), file_format)
    rng = np.random.default_rng(0)
    for length in rng.integers(0, len(data), 20):
        with pytest.raises(ImageError):
            read(data[:length] if length < len(data) - 40 else data[:20], RULES)
    for offset in rng.integers(0, len(data), 60):
        changed = bytearray(data)
        changed[offset] ^= 1 << int(rng.integers(8))
        reason = ""
        try:
            seen = read(bytes(changed), RULES)
            assert seen.height * seen.width <= RULES.max_pixels
        except ImageError as err:
            reason = str(err)
        assert "\n" not in reason
        assert "0x7" not in reason  # no address: equal reasons are counted together


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GIF89a" + b"\xff\xff\xff\xff\0\0\0", "^too large: 65535x65535 pixels"),
        (b"BM" + bytes(12) + (40).to_bytes(4, "little") + b"\xff\xff\xff\x7f" * 2 + bytes(40), "^too large"),
        (b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", "^too large: 16777216x16777216"),
        (b"\xff\x4f\xff\x51" + bytes(4) + b"\x7f\xff\xff\xff" * 2 + bytes(60), "^too large"),
        (b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\0\x14ispe\0\0\0\0\0\1\0\0\0\1\0\0", "^too large: 65536x65536"),
        (b"II*\0\x08\0\0\0\2\0\0\1\4\0\1\0\0\0\0\0\1\0\1\1\4\0\1\0\0\0\0\0\1\0\0\0\0\0", "^too large: 65536x65536"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", ": EPS$"),
        (b"SIMPLE  =                    T", ": FITS$"),
        (b"<svg onload='x()'>", ": SVG$"),
        (b"gd2\0\0\2", ": GD2$"),
    ],
)
def test_bombs_and_foreign_formats_are_refused_by_their_header(data, reason):
    with pytest.raises(ImageError, match=reason):
        read(data, RULES)


@pytest.mark.parametrize(("arithmetic", "largest"), [("accurate", 0), ("fast", 20)])
def test_the_decoders_arithmetic_is_every_other_readers_or_slims(jpeg, arithmetic, largest):
    with tf.Graph().as_default(), tf.Session() as session:
        ours, slims = session.run(
            [
                decode.decode(EncodedPicture(tf.constant(jpeg), 1, arithmetic)),
                tf.image.decode_jpeg(jpeg, channels=3),  # as slim's scripts call it
            ]
        )
    difference = np.abs(ours.astype(int) - np.asarray(Image.open(io.BytesIO(jpeg))))
    assert difference.max() <= largest
    assert (ours == slims).all() == (arithmetic == "fast")


SMALL = PictureRules(short_side=16, jpeg_quality=92)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "AVIF"])
def test_a_larger_picture_becomes_an_upright_jpeg_of_that_short_side(pixels_of, file_format, orientation):
    data = saved(Image.fromarray(drawn(120, 72)), file_format, orientation)
    seen = read(data, SMALL)
    upright = Image.fromarray(as_people_see(data))
    size = (27, 16) if upright.width > upright.height else (16, 27)
    assert (seen.format, seen.orientation, (seen.width, seen.height)) == ("jpeg", 1, size)
    wanted = np.asarray(upright.resize(size, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(pixels_of(seen) - wanted).mean() < 6  # what JPEG costs; lying on its side it is 50 and more
    assert Image.open(io.BytesIO(seen.encoded)).getexif().get(TAG) is None


def test_no_picture_is_made_larger_nor_one_of_that_size_written_anew():
    for height, width in ((16, 16), (16, 400), (9, 12)):
        for file_format in ("JPEG", "PNG"):
            data = saved(Image.fromarray(drawn(width, height)), file_format)
            seen = read(data, SMALL)
            assert (seen.encoded, seen.height, seen.width) == (data, height, width)


@pytest.mark.parametrize("mode", ["L", "CMYK", "LA", "P", "I;16"])
def test_a_smaller_picture_has_the_colours_of_the_large_one(pixels_of, mode):
    picture = Image.new("L", (64, 48), 90)
    file_format = "JPEG" if mode in ("L", "CMYK") else "PNG"
    picture = Image.fromarray(np.full((48, 64), 90 << 8, np.uint16)) if mode == "I;16" else picture.convert(mode)
    data = saved(picture, file_format)
    large, small = pixels_of(read(data, RULES)), pixels_of(read(data, SMALL))
    assert small.shape == (16, 21, 3)
    assert np.abs(small.astype(int) - large[:16, :21]).max() <= 2


def test_what_was_made_smaller_is_said():
    assert SMALL.describe()["resized"] == "short side 16, JPEG quality 92"
    assert "resized" not in RULES.describe()
