"""Tags of 360-degree and stereoscopic pictures: kept where the file can hold them, named where it cannot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import odd_clips
import pytest
from facts import names, the_warning

from any2bokeh.video.decode import probe_video
from any2bokeh.video.immersive import (
    CUBEMAP,
    EQUIRECTANGULAR,
    HALF,
    PLAIN,
    QUARTER,
    TILE,
    ImmersiveTags,
    Projection,
    _projection,
)

TAGGED = odd_clips.stereo_box(1) + odd_clips.sphere_box(10)
TAGS = ImmersiveTags(stereo_mode=3, projection=Projection(EQUIRECTANGULAR, (10 << 16, 0, 0)))
FAST = {"preset": "ultrafast"}


@pytest.fixture
def plain(clips):
    """A clip that states all that a writer could lose: colors, the shape of pixels, sound."""
    return clips.make("plain.mp4", tags=(1, 1, 1, 1), pixel_aspect=2, sound=("aac",))


def tagged(plain: Path, boxes: bytes) -> Path:
    return odd_clips.with_boxes(plain, plain.with_name("clip.mp4"), boxes)


@pytest.mark.parametrize(
    ("target", "settings"),
    [
        ("out.mp4", FAST),
        ("out.mp4", {"codec": "hevc", **FAST}),
        ("out.mp4", {"codec": "av1", "preset": "12"}),
        ("out.mkv", FAST),
        ("out.mkv", {"lossless": True}),
        ("out.webm", {"codec": "vp9", "preset": "8", "audio": False}),
    ],
)
def test_tags_are_kept_and_nothing_else_is_lost(clips, plain, target, settings, caplog):
    source = tagged(plain, TAGGED)
    assert probe_video(source).immersive == TAGS
    result = clips.copy(source, target, **settings)
    assert not any(
        "degree" in record.getMessage() or "stereo" in record.getMessage() for record in caplog.records
    )
    alike = clips.copy(plain, f"like-{target}", **settings)
    told, wanted = probe_video(result), probe_video(alike)
    assert told.immersive == TAGS
    assert wanted.immersive == PLAIN
    assert replace(told, path=alike, immersive=PLAIN, pixel_aspect=wanted.pixel_aspect) == wanted
    seen, expected = clips.see(result), clips.see(alike)
    assert seen.times == expected.times
    assert seen.packets.get("audio") == expected.packets.get("audio")
    for frame, other in zip(seen.frames, expected.frames, strict=True):
        assert all(map(np.array_equal, clips.codes(frame), clips.codes(other)))


@pytest.mark.parametrize(
    ("boxes", "tags"),
    [
        (odd_clips.stereo_box(2), ImmersiveTags(stereo_mode=1)),
        (odd_clips.sphere_box(is_cube=True), ImmersiveTags(projection=Projection(CUBEMAP))),
        (
            odd_clips.sphere_box(-90, left=0.25),
            ImmersiveTags(projection=Projection(TILE, (-90 << 16, 0, 0), (QUARTER, 0, 0, 0))),
        ),
        (odd_clips.stereo_box(0), PLAIN),
    ],
)
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_every_kind_comes_back(clips, plain, boxes, tags, target):
    source = tagged(plain, boxes)
    assert probe_video(source).immersive == tags
    assert probe_video(clips.copy(source, target, **FAST)).immersive == tags


def test_half_a_sphere_is_the_middle_of_a_whole_one():
    assert _projection(HALF, [0] * 7) == Projection(TILE, bounds=(QUARTER, 0, QUARTER, 0))


def test_mov_cannot_hold_them_and_says_so(clips, plain, caplog):
    result = clips.copy(tagged(plain, TAGGED), "out.mov", **FAST)
    assert names(the_warning(caplog), "stereoscopic tags", "360-degree tags")
    assert probe_video(result).immersive == PLAIN
