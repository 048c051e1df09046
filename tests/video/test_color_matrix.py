"""Codes against the formulas of ITU-T H.273 in double precision, and what dither may and may not do."""

import av
import numpy as np
import pytest

from any2bokeh.video.color import ColorTags, FrameMaker, PictureReader, pixel_layout, plane_codes
from any2bokeh.video.metadata import Orientation

UPRIGHT = Orientation()
# H.273's numbers -> weights of red and blue in luma
WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
SUFFIX = {8: "", 10: "10le", 12: "12le", 16: "16le"}


def scales(depth, color_range):
    """Black, luma's and chroma's reach, and the middle of chroma."""
    if color_range == 2:
        return 0, 2**depth - 1, 2**depth - 1, 2 ** (depth - 1)
    step = 2 ** (depth - 8)
    return 16 * step, 219 * step, 224 * step, 128 * step


def exact_rgb(codes, matrix, color_range, depth):
    of_red, of_blue = WEIGHTS[matrix]
    black, luma_reach, chroma_reach, middle = scales(depth, color_range)
    luma = (codes[0].astype(np.float64) - black) / luma_reach
    blue = luma + 2 * (1 - of_blue) * (codes[1].astype(np.float64) - middle) / chroma_reach
    red = luma + 2 * (1 - of_red) * (codes[2].astype(np.float64) - middle) / chroma_reach
    return np.stack([red, (luma - of_red * red - of_blue * blue) / (1 - of_red - of_blue), blue])


def exact_codes(picture, matrix, color_range, depth):
    of_red, of_blue = WEIGHTS[matrix]
    black, luma_reach, chroma_reach, middle = scales(depth, color_range)
    red, green, blue = picture.astype(np.float64)
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    differences = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    return [black + luma_reach * luma, *(middle + chroma_reach * part for part in differences)]


def planes_of(frame):
    depth = pixel_layout(frame.format.name).depth
    return [plane_codes(plane, depth) for plane in frame.planes]


def random_frame(pixel_format, size, low=0.0, high=1.0):
    frame = av.VideoFrame(*size, pixel_format)
    top = 2 ** pixel_layout(pixel_format).depth - 1
    noise = np.random.default_rng(0)
    for plane in planes_of(frame):
        plane[:] = noise.integers(round(low * top), round(high * top) + 1, plane.shape)
    return frame


def flat(color, size=(64, 64)):
    return np.broadcast_to(np.float32(color)[:, None, None], (3, size[1], size[0]))


@pytest.mark.parametrize(
    ("matrix", "color_range", "color", "codes"),
    [
        (1, 1, (1, 0, 0), (63, 102, 240)),
        (1, 1, (0, 1, 0), (173, 42, 26)),
        (1, 1, (0, 0, 1), (32, 240, 118)),
        (1, 1, (1, 1, 1), (235, 128, 128)),
        (1, 1, (0, 0, 0), (16, 128, 128)),
        (6, 1, (1, 0, 0), (81, 90, 240)),
        (6, 2, (1, 0, 0), (76, 85, 255)),
        (9, 1, (0, 0, 1), (29, 240, 119)),
        (9, 2, (1, 1, 1), (255, 128, 128)),
    ],
)
def test_known_colors_have_their_known_codes(matrix, color_range, color, codes):
    frame = FrameMaker("yuv444p", ColorTags(matrix, color_range), UPRIGHT).make(flat(color))
    for plane, code in zip(planes_of(frame), codes, strict=True):
        assert abs(plane.mean() - code) <= 0.5
        assert abs(plane.astype(int) - code).max() <= 1


@pytest.mark.parametrize("depth", SUFFIX)
@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.slow
def test_any_codes_are_read_by_the_formula_and_come_back(matrix, color_range, depth):
    tags = ColorTags(matrix, color_range)
    frame = random_frame(f"yuv444p{SUFFIX[depth]}", (150, 131))
    exact = exact_rgb(planes_of(frame), matrix, color_range, depth)
    picture = PictureReader(tags, UPRIGHT).read(frame)
    np.testing.assert_allclose(picture, exact.clip(0, 1), atol=1e-6)
    again = FrameMaker(frame.format.name, tags, UPRIGHT).make(picture)
    shown = ((exact >= 0) & (exact <= 1)).all(axis=0)
    assert shown.mean() > 0.1
    for codes, back in zip(planes_of(frame), planes_of(again), strict=True):
        np.testing.assert_array_equal(codes[shown], back[shown])


@pytest.mark.parametrize("depth", [10, 12, 16])
@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_pictures_are_written_as_the_nearest_codes(matrix, color_range, depth):
    picture = np.random.default_rng(0).random((3, 53, 70), np.float32)
    frame = FrameMaker(f"yuv444p{SUFFIX[depth]}", ColorTags(matrix, color_range), UPRIGHT).make(picture)
    expected = exact_codes(picture, matrix, color_range, depth)
    for codes, exact in zip(planes_of(frame), expected, strict=True):
        assert np.abs(codes - exact.clip(0, 2**depth - 1)).max() < 0.52  # the rest: float32 at 16 bits


@pytest.mark.parametrize("size", [(64, 48), (65, 47), (1, 1), (3, 2), (131, 33)])
@pytest.mark.parametrize("depth", SUFFIX)
@pytest.mark.parametrize("sampling", ["420", "422"])
def test_any_halved_chroma_comes_back(sampling, depth, size):
    frame = random_frame(f"yuv{sampling}p{SUFFIX[depth]}", size, 0.42, 0.58)  # R'G'B' holds all of these
    picture = PictureReader(ColorTags(1, 1), UPRIGHT).read(frame)
    again = FrameMaker(frame.format.name, ColorTags(1, 1), UPRIGHT).make(picture)
    for codes, back in zip(planes_of(frame), planes_of(again), strict=True):
        np.testing.assert_array_equal(codes, back)


@pytest.mark.parametrize(
    "pixel_format",
    ["gbrp", "gbrap", "gbrp10le", "gbrap10le", "gbrap12le", "gbrap16le", "gray", "gray10le", "gray16le"],
)
def test_any_rgb_and_gray_is_code_by_largest_code_and_comes_back(pixel_format):
    frame = random_frame(pixel_format, (70, 53))
    picture = PictureReader(ColorTags(), UPRIGHT).read(frame)
    again = FrameMaker(pixel_format, ColorTags(), UPRIGHT).make(picture)
    top = 2 ** pixel_layout(pixel_format).depth - 1
    colors = [2, 0, 1] if pixel_format.startswith("gbr") else [0, 0, 0]
    for channel, index in zip(picture, colors, strict=True):
        np.testing.assert_allclose(channel, planes_of(frame)[index] / top, atol=1e-7)
        np.testing.assert_array_equal(planes_of(again)[index], planes_of(frame)[index])
    if pixel_layout(pixel_format).has_alpha:
        assert (planes_of(again)[3] == top).all()


def test_limited_gray_is_read_and_written_as_tagged():
    tags = ColorTags(1, 1)
    frame = FrameMaker("gray10le", tags, UPRIGHT).make(flat((1, 1, 1)))
    assert (planes_of(frame)[0] == 940).all()
    assert (PictureReader(tags, UPRIGHT).read(frame) == 1).all()


@pytest.mark.parametrize("pixel_format", ["gbrpf32le", "gbrapf32le", "grayf32le"])
def test_floats_stay_what_they_are(pixel_format):
    value = np.random.default_rng(0).random((20, 30), np.float32)
    picture = np.stack([value, value, value])
    frame = FrameMaker(pixel_format, ColorTags(1, 1), UPRIGHT).make(picture)
    np.testing.assert_allclose(PictureReader(ColorTags(1, 1), UPRIGHT).read(frame), picture, atol=1e-6)


def test_a_turned_picture_is_stored_as_its_turned_self():
    turn = Orientation(transposed=True, mirrored_down=True)
    picture = np.random.default_rng(0).random((3, 200, 90), np.float32)
    tags = ColorTags(1, 1)
    turned = FrameMaker("yuv420p10le", tags, turn).make(picture)
    upright = FrameMaker("yuv420p10le", tags, UPRIGHT).make(np.ascontiguousarray(turn.coded(picture)))
    for codes, same in zip(planes_of(turned), planes_of(upright), strict=True):
        np.testing.assert_array_equal(codes, same)
    shown = PictureReader(tags, turn).read(turned)
    np.testing.assert_array_equal(shown, turn.displayed(PictureReader(tags, UPRIGHT).read(upright)))


# Bytes of a 2x2 picture of Y 10 20 / 30 40, Cb 50, Cr 60, or of R'G'B' 1 2 3, 4 5 6 / 7 8 9, 10 11 12
PACKED = {
    "nv12": ([[10, 20, 30, 40], [50, 60]], "yuv420p"),
    "nv21": ([[10, 20, 30, 40], [60, 50]], "yuv420p"),
    "yuyv422": ([[10, 50, 20, 60, 30, 50, 40, 60]], "yuv422p"),
    "uyvy422": ([[50, 10, 60, 20, 50, 30, 60, 40]], "yuv422p"),
    "rgb24": ([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]], "gbrp"),
    "bgr0": ([[3, 2, 1, 0, 6, 5, 4, 0, 9, 8, 7, 0, 12, 11, 10, 0]], "gbrp"),
    "p010le": ([[10 << 6, 20 << 6, 30 << 6, 40 << 6], [50 << 6, 60 << 6]], "yuv420p10le"),
    "y210le": ([[code << 6 for code in (10, 50, 20, 60, 30, 50, 40, 60)]], "yuv422p10le"),
    "rgb48le": ([[257 * code for code in range(1, 13)]], "gbrp16le"),
}


@pytest.mark.parametrize("pixel_format", PACKED)
def test_packed_codes_mean_the_same_as_planar_ones(pixel_format):
    samples, planar = PACKED[pixel_format]
    kind = np.uint8 if pixel_layout(pixel_format).depth == 8 else np.dtype("<u2")
    packed = av.VideoFrame(2, 2, pixel_format)
    for plane, codes in zip(packed.planes, samples, strict=True):
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
        rows[:, : len(codes) // plane.height] = np.array(codes, kind).reshape(plane.height, -1)
    frame = av.VideoFrame(2, 2, planar)
    yuv = [[10, 20, 30, 40], [50], [60]]
    unit = 257 if planar == "gbrp16le" else 1
    rgb = [[unit * code for code in range(first, 13, 3)] for first in (2, 3, 1)]
    for codes, values in zip(planes_of(frame), yuv if planar.startswith("yuv") else rgb, strict=True):
        codes[:] = np.resize(values, codes.shape)
    tags = ColorTags(1, 2)
    expected = PictureReader(tags, UPRIGHT).read(frame)
    np.testing.assert_array_equal(PictureReader(tags, UPRIGHT).read(packed), expected)


@pytest.mark.parametrize("pixel_format", ["yuv410p", "yuv411p", "yuv440p", "yuv440p10le"])
def test_rare_chroma_is_read_and_written(pixel_format):
    tags, color = ColorTags(1, 1), (0.6, 0.4, 0.3)
    picture = PictureReader(tags, UPRIGHT).read(FrameMaker(pixel_format, tags, UPRIGHT).make(flat(color)))
    np.testing.assert_allclose(picture.mean(axis=(1, 2)), color, atol=0.004)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "gbrp", "gray"])
def test_dither_keeps_the_mean_between_two_codes(pixel_format):
    tags, is_rgb = ColorTags(1, 1), pixel_format == "gbrp"
    for step in np.linspace(0, 1, 23):
        picture = flat(np.float32([0.4, 0.5, 0.3]) + np.float32(step / 255))
        frame = FrameMaker(pixel_format, tags, UPRIGHT).make(picture)
        expected = [255 * picture[i] for i in (1, 2, 0)] if is_rgb else exact_codes(picture, 1, 1, 8)
        for codes, exact in zip(planes_of(frame), expected, strict=False):
            assert np.abs(codes - exact.mean()).max() < 1
            assert abs(codes.mean() - exact.mean()) < 0.03


def test_values_close_to_a_code_are_not_dithered():
    for offset in (-0.01, 0.01):
        frame = FrameMaker("gbrp", ColorTags(), UPRIGHT).make(flat([(99 + offset) / 255] * 3))
        assert all((codes == 99).all() for codes in planes_of(frame))


def test_ten_bits_are_rounded_without_dither():
    frame = FrameMaker("gbrp10le", ColorTags(), UPRIGHT).make(flat([99.4 / 1023] * 3))
    assert all((codes == 99).all() for codes in planes_of(frame))


def test_codes_below_black_and_above_white_are_written():
    tags = ColorTags(1, 1)
    frame = FrameMaker("yuv444p10le", tags, UPRIGHT).make(flat((1.2, 1.2, 1.2)))
    assert (planes_of(frame)[0] == 1023).all()  # clipped to the largest code
    frame = FrameMaker("yuv444p10le", tags, UPRIGHT).make(flat((-0.05, -0.05, -0.05)))
    assert (planes_of(frame)[0] == round(64 - 0.05 * 876)).all()


@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_codes_are_those_of_the_matrix_and_range(clips, matrix, color_range):
    tags = ColorTags(matrix, color_range)
    picture = np.ascontiguousarray(clips.picture(0, 32, 16).transpose(2, 0, 1))
    frame = FrameMaker("yuv444p16le", tags, UPRIGHT).make(picture)
    red, green, blue = picture.astype(np.float64)
    of_red, of_blue = WEIGHTS[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = (blue - luma) / (2 * (1 - of_blue)), (red - luma) / (2 * (1 - of_red))
    scale = (219 * 256, 16 * 256, 224 * 256) if color_range == 1 else (65535, 0, 65535)
    expected = [luma * scale[0] + scale[1], *(plane * scale[2] + 32768 for plane in chroma)]
    for codes, exact in zip(clips.codes(frame), expected, strict=True):
        assert np.abs(codes - exact).max() < 1
    np.testing.assert_allclose(PictureReader(tags, UPRIGHT).read(frame), picture, atol=1e-4)
