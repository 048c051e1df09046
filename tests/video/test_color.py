import av
import numpy as np
import pytest

from any2bokeh.video.color import (
    ColorTags,
    FrameMaker,
    PictureReader,
    pixel_layout,
    plane_codes,
    written_tags,
)
from any2bokeh.video.metadata import Orientation

UPRIGHT = Orientation()
PLANAR = [
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuv420p10le",
    "yuv422p10le",
    "yuv444p10le",
    "yuv420p12le",
    "yuv422p16le",
]
OTHERS = [
    "nv12",
    "p010le",
    "yuyv422",
    "yuva420p",
    "gray",
    "gray10le",
    "gray16le",
    "gbrp",
    "rgb24",
    "bgr0",
    "rgba",
    "gbrp10le",
]


def picture_of(clips, width, height):
    return np.ascontiguousarray(clips.picture(0, width, height).transpose(2, 0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 48), (66, 50), (130, 6)])
@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("pixel_format", PLANAR + OTHERS)
def test_codes_come_back_exactly_through_float(clips, pixel_format, color_range, size):
    tags = ColorTags(1, color_range, 1, 1)
    first = FrameMaker(pixel_format, tags, UPRIGHT).make(picture_of(clips, *size))
    second = FrameMaker(pixel_format, tags, UPRIGHT).make(PictureReader(tags, UPRIGHT).read(first))
    depth = pixel_layout(pixel_format).depth
    for plane, again in zip(first.planes, second.planes, strict=True):
        np.testing.assert_array_equal(plane_codes(plane, depth), plane_codes(again, depth))


@pytest.mark.parametrize("pixel_format", PLANAR)
def test_codes_come_back_exactly_at_odd_sizes(clips, pixel_format):
    tags = ColorTags(9, 1, 9, 16)
    first = FrameMaker(pixel_format, tags, UPRIGHT).make(picture_of(clips, 65, 47))
    second = FrameMaker(pixel_format, tags, UPRIGHT).make(PictureReader(tags, UPRIGHT).read(first))
    for codes, again in zip(clips.codes(first), clips.codes(second), strict=True):
        np.testing.assert_array_equal(codes, again)


@pytest.mark.parametrize(
    ("size", "matrix"), [((1280, 720), 1), ((720, 1280), 1), ((1280, 534), 1), ((720, 576), 6)]
)
def test_untagged_video_is_bt709_from_hd_on_and_bt601_below(size, matrix):
    picture = np.broadcast_to(np.float32([0.8, 0.3, 0.1])[:, None, None], (3, size[1], size[0]))
    tagged = FrameMaker("yuv420p10le", ColorTags(matrix, 1), UPRIGHT).make(picture)
    untagged = PictureReader(ColorTags(), UPRIGHT).read(tagged)
    assert np.abs(untagged - picture).max() < 0.01  # of the other matrix: 0.05


def test_untagged_gray_and_rgb_are_full_range_and_untagged_yuv_is_not():
    for name, full in (
        ("gray", True),
        ("gray16le", True),
        ("gbrp", True),
        ("yuvj420p", True),
        ("yuv420p", False),
    ):
        assert pixel_layout(name).is_full_range(ColorTags()) is full
    assert not pixel_layout("gray").is_full_range(ColorTags(range=1))


def test_colors_outside_rgb_are_clamped():
    frame = av.VideoFrame(16, 16, "yuv444p")
    for plane, code in zip(frame.planes, (250, 240, 16), strict=True):  # whiter than white, and far off
        plane.update(bytes([code]) * plane.buffer_size)
    picture = PictureReader(ColorTags(1, 1), UPRIGHT).read(frame)
    assert picture.max() == 1
    assert picture.min() >= 0


def test_a_palette_is_read_as_its_colors():
    frame = av.VideoFrame(8, 4, "pal8")
    palette = np.zeros((256, 4), np.uint8)
    palette[7] = (255, 0, 51, 255)  # blue, green, red, opaque
    frame.planes[0].update(bytes([7]) * frame.planes[0].buffer_size)
    frame.planes[1].update(palette.tobytes())
    picture = PictureReader(ColorTags(), UPRIGHT).read(frame)
    np.testing.assert_allclose(picture[:, 2, 3], [0.2, 0, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("transfer", "light"), [(1, "srgb"), (2, "srgb"), (13, "srgb"), (16, "pq"), (18, "hlg")]
)
def test_the_transfer_says_which_light(transfer, light):
    assert ColorTags(transfer=transfer).light == light


def test_tags_follow_the_pixels_into_another_kind():
    rgb, yuv, jpeg = pixel_layout("gbrp"), pixel_layout("yuv420p"), pixel_layout("yuvj420p")
    assert written_tags(ColorTags(0, 2, 1, 13), rgb, yuv, is_hd=True) == ColorTags(1, 1, 1, 13)
    assert written_tags(ColorTags(), rgb, yuv, is_hd=False) == ColorTags(6, 1)
    assert written_tags(ColorTags(9, 1, 9, 16), yuv, rgb, is_hd=True) == ColorTags(0, 2, 9, 16)
    assert written_tags(ColorTags(5, 0), jpeg, yuv, is_hd=True) == ColorTags(5, 2)
    assert written_tags(ColorTags(), yuv, yuv, is_hd=True) == ColorTags()


def test_a_picture_is_the_callers_own(clips):
    reader = PictureReader(ColorTags(1, 1), UPRIGHT)
    frame = FrameMaker("yuv420p", ColorTags(1, 1), UPRIGHT).make(picture_of(clips, 64, 48))
    first = reader.read(frame)
    kept = first.copy()
    reader.read(frame)[:] = 0
    np.testing.assert_array_equal(first, kept)
