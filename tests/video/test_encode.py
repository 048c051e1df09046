import logging
import threading
from fractions import Fraction

import numpy as np
import pytest
import torch
from facts import names, naming, the_warning

from any2bokeh.errors import ShapeError, VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import EncodeSettings, TimeRange
from any2bokeh.video.captions import BesidePictures
from any2bokeh.video.decode import open_video, probe_video
from any2bokeh.video.encode import open_writer
from any2bokeh.video.mux import Muxer
from any2bokeh.video.span import ALL_FRAMES

MILLISECOND = Fraction(1, 1000)
IRREGULAR = (0, 512, 1100, 4700, 4720, 9000)
QUARTER = 65536
ROTATED = (0, QUARTER, 0, -QUARTER, 0, 0, 0, 0, 1 << 30)
MIRRORED = (-QUARTER, 0, 0, 0, QUARTER, 0, 0, 0, 1 << 30)
LOSSLESS_CLIP = {"codec": "ffv1", "time_base": MILLISECOND, "pts": (0, 40, 80)}


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("source", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv", "out.m4v"])
def test_times_of_a_variable_rate_are_kept(clips, source, target):
    path = clips.make(source, pts=IRREGULAR)
    before, after = clips.see(path).times, clips.see(clips.copy(path, target)).times
    if target == "out.mkv":
        before = [Fraction(round(time * 1000), 1000) for time in before]
    assert after == before


@pytest.mark.parametrize("start", [1, 700, 12801])
def test_a_start_between_milliseconds_is_kept_by_mp4(clips, start):
    path = clips.make("clip.mp4", pts=(start, start + 512, start + 1100), sound=("aac",))
    target = clips.copy(path, "out.mp4")
    assert clips.see(target).times == [Fraction(start + time, 12800) for time in (0, 512, 1100)]


def test_priming_of_the_sound_does_not_move_the_pictures_in_matroska(clips):
    first = clips.make("clip.mp4", sound=("aac",))
    primed = clips.copy(first, "primed.mp4", TimeRange())
    seen = clips.see(clips.copy(primed, "out.mkv"))
    assert seen.times == [Fraction(40 * index, 1000) for index in range(10)]


@pytest.mark.parametrize(
    ("name", "pixel_format"), [("clip.mp4", "yuv420p"), ("clip.mp4", "yuv422p"), ("clip.mp4", "yuv444p")]
)
def test_eight_bits_become_h264_of_the_same_sampling(clips, name, pixel_format):
    source = clips.make(name, size=(128, 96), pixel_format=pixel_format, options={"crf": "10"})
    before, after = clips.see(source), clips.see(clips.copy(source, "out.mp4"))
    assert (after.video["codec"], after.video["pixel_format"]) == ("h264", pixel_format)
    for frame, copy in zip(before.frames, after.frames, strict=True):
        for plane, again in zip(clips.codes(frame), clips.codes(copy), strict=True):
            assert np.abs(plane - again).mean() < 2


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_ten_bits_become_ten_bit_hevc(clips, name):
    source = clips.make(
        "clip.mkv", **LOSSLESS_CLIP, size=(128, 96), pixel_format="yuv420p10le", tags=(9, 1, 9, 18)
    )
    before, after = clips.see(source), clips.see(clips.copy(source, name))
    assert (after.video["codec"], after.video["pixel_format"], after.video["profile"]) == (
        "hevc",
        "yuv420p10le",
        "Main 10",
    )
    if name == "out.mp4":
        assert after.video["codec_tag"] == "hvc1"
    for plane, again in zip(clips.codes(before.frames[1]), clips.codes(after.frames[1]), strict=True):
        assert np.abs(plane - again).mean() < 4
        assert len(np.unique(again % 4)) == 4  # all ten bits are used


@pytest.mark.parametrize("size", [(64, 48), (65, 47), (130, 20)])
@pytest.mark.parametrize(
    "pixel_format",
    [
        "yuv420p",
        "yuv422p",
        "yuv444p",
        "yuv420p10le",
        "yuv422p10le",
        "yuv444p12le",
        "gray",
        "gray10le",
        "gray16le",
        "bgr0",
        "gbrp10le",
        "gbrp16le",
    ],
)
def test_lossless_gives_back_every_code_in_the_same_format(clips, pixel_format, size):
    source = clips.make("clip.mkv", **LOSSLESS_CLIP, pixel_format=pixel_format, size=size)
    before, after = clips.see(source), clips.see(clips.copy(source, "out.mkv", lossless=True))
    assert (after.video["codec"], after.video["pixel_format"]) == ("ffv1", pixel_format)
    for frame, copy in zip(before.frames, after.frames, strict=True):
        for plane, again in zip(clips.codes(frame), clips.codes(copy), strict=True):
            np.testing.assert_array_equal(plane, again)


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.webm"])
def test_lossless_needs_matroska(clips, name):
    with pytest.raises(VideoError, match=naming("Lossless", name.removeprefix("out"))) as refusal:
        clips.copy(clips.make("clip.mp4"), name, lossless=True)
    assert ".mkv" in refusal.value.hint


@pytest.mark.parametrize(
    "tags", [(1, 1, 1, 1), (9, 1, 9, 16), (9, 1, 9, 18), (5, 2, 5, 6), (6, 1, 6, 6), (2, 0, 2, 2)]
)
@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("h264", "out.mp4"),
        ("h264", "out.mkv"),
        ("hevc", "out.mp4"),
        ("ffv1", "out.mkv"),
        ("prores", "out.mov"),
        ("av1", "out.mp4"),
    ],
)
def test_color_tags_are_kept_by_stream_and_frames(clips, codec, name, tags):
    source = clips.make(
        "clip.mkv", **LOSSLESS_CLIP, tags=tags, pixel_format="yuv420p10le" if codec == "prores" else "yuv420p"
    )
    after = clips.see(clips.copy(source, name, codec=codec, crf=None if codec in ("ffv1", "prores") else 30))
    expected = tags
    if codec == "prores" or (codec in ("hevc", "av1") and tags[1] == 0):
        expected = tags[0], 1, *tags[2:]  # ProRes is always limited, the others say so if it is not stated
    assert after.video["tags"] == expected
    assert after.video["frame_tags"] == expected


@pytest.mark.slow
@pytest.mark.parametrize("matrix", [ROTATED, MIRRORED])
@pytest.mark.parametrize("source", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
def test_the_stored_orientation_and_its_turn_are_kept(clips, source, target, matrix):
    path = clips.make(source, size=(128, 96), display_matrix=matrix, sound=("aac",))
    before, after = clips.see(path), clips.see(clips.copy(path, target))
    assert after.video["size"] == (128, 96)
    assert after.video["side_data"]["DISPLAYMATRIX"] == before.video["side_data"]["DISPLAYMATRIX"]
    difference = clips.codes(before.frames[5])[0] - clips.codes(after.frames[5])[0]
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize("display_matrix", [None, ROTATED])
@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_the_shape_of_pixels_is_kept(clips, name, display_matrix):
    source = clips.make("clip.mp4", pixel_aspect=Fraction(16, 11), display_matrix=display_matrix)
    assert clips.see(clips.copy(source, name)).video["pixel_aspect"] == Fraction(16, 11)


def test_a_shape_of_pixels_that_is_lost_is_named(clips, caplog):
    source = clips.make("clip.mp4", pixel_aspect=Fraction(16, 11))
    target = clips.copy(source, "out.mkv", lossless=True)
    assert names(the_warning(caplog), target, "pixel aspect ratio")


@pytest.mark.parametrize("size", [(65, 47), (64, 47), (65, 48), (33, 17)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_odd_sizes_work_by_default(clips, size, pixel_format):
    source = clips.make("clip.mkv", **LOSSLESS_CLIP, size=size, pixel_format=pixel_format)
    after = clips.see(clips.copy(source, "out.mp4"))
    assert after.video["size"] == size
    assert len(after.frames) == 3


def test_a_pixel_format_that_cannot_hold_an_odd_size_is_refused(clips):
    source = clips.make("clip.mkv", **LOSSLESS_CLIP, size=(65, 47))
    with pytest.raises(VideoError, match=naming("libx264", "yuv420p", "65x47")) as refusal:
        clips.copy(source, "out.mp4", pixel_format="yuv420p")
    assert "yuv444p" in refusal.value.hint


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        ({"codec": "nothing"}, "encoder 'nothing'"),
        ({"codec": "aac"}, "encoder 'aac'"),
        ({"pixel_format": "rgb24"}, "libx264 pixel format rgb24"),
        ({"pixel_format": "yuv9000"}, "libx264 pixel format yuv9000"),
        ({"codec": "prores", "crf": 20.0}, "prores_ks quality"),
        ({"crf": 52.0}, "`crf` libx264 0 51 52"),
        ({"codec": "hevc", "crf": 51.5}, "`crf` libx265 0 51 51.5"),
        ({"codec": "ffv1", "preset": "slow"}, "ffv1 presets"),
        ({"preset": "lightning"}, "libx264 preset lightning"),
        ({"codec": "av1", "preset": "slow"}, "libsvtav1 preset slow"),
        ({"preset": "10"}, "libx264 64x48 yuv420p crf 16 preset 10"),
        ({"codec": "prores"}, ".mp4 prores_ks"),
    ],
)
def test_settings_that_an_encoder_cannot_take_are_refused_before_the_first_frame(clips, settings, facts):
    source = clips.make("clip.mp4")
    with (
        pytest.raises(VideoError, match=naming(*facts.split())),
        open_writer(clips.folder / "out.mp4", probe_video(source), EncodeSettings(**settings)),
    ):
        pytest.fail("the block must not start")
    assert [path.name for path in clips.folder.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    ("codec", "name", "found"),
    [
        ("h264", "out.mp4", "h264"),
        ("libx265", "out.mkv", "hevc"),
        ("HEVC", "out.mp4", "hevc"),
        ("av1", "out.mp4", "av1"),
        ("prores", "out.mov", "prores"),
        ("ffv1", "out.mkv", "ffv1"),
        ("vp9", "out.webm", "vp9"),
        (None, "out.webm", "av1"),
    ],
)
def test_encoders_go_by_the_names_that_people_use(clips, codec, name, found):
    assert clips.see(clips.copy(clips.make("clip.mp4"), name, codec=codec)).video["codec"] == found


def test_quality_and_preset_reach_the_encoder(clips):
    source = clips.make("clip.mp4", size=(128, 96))
    fine, coarse = (clips.copy(source, f"{crf}.mp4", crf=crf, preset="ultrafast") for crf in (5.0, 40.0))
    assert fine.stat().st_size > 2 * coarse.stat().st_size
    slow = clips.copy(source, "slow.mp4", crf=5.0, preset="slow")
    assert slow.read_bytes() != fine.read_bytes()


def test_hdr10_metadata_goes_through_hevc_and_av1(clips, caplog):
    params = (
        "log-level=error:hdr10=1:repeat-headers=1:max-cll=1000,400:"
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    )
    source = clips.make(
        "clip.mp4",
        codec="libx265",
        pixel_format="yuv420p10le",
        tags=(9, 1, 9, 16),
        options={"x265-params": params},
    )
    before = clips.see(source).video["side_data"]
    assert {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= before.keys()
    after = clips.see(clips.copy(source, "out.mp4")).video["side_data"]
    for kind in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"):
        assert after[kind] == before[kind]
    third = clips.copy(source, "av1.mp4", codec="av1")
    colors, again = probe_video(source).hdr10, probe_video(third).hdr10
    assert again.light == colors.light == (1000, 400)
    for name in ("red", "green", "blue", "white"):
        assert getattr(again.mastering, name) == pytest.approx(getattr(colors.mastering, name), abs=1e-4)
    assert float(again.mastering.brightest) == 1000
    assert not warnings(caplog)
    target = clips.copy(source, "out.mkv", lossless=True)
    assert names(the_warning(caplog), target, "HDR10 metadata")


def test_what_is_not_kept_is_named_in_one_warning(clips, caplog):
    source = clips.make(
        "clip.mkv", **LOSSLESS_CLIP, pixel_format="yuva420p", subtitles="subrip", font=b"glyphs"
    )
    target = clips.copy(source, "out.mp4")
    kept_out = ("transparency", "subtitles (subrip)", "font.ttf")
    assert names(the_warning(caplog), target, *kept_out)


def test_a_part_starts_at_zero(clips):
    source = clips.make("clip.mp4", pts=tuple(range(0, 512 * 30, 512)))
    part = TimeRange(start=TimePoint(seconds=Fraction("0.41")), end=TimePoint(frame=20))
    before, after = clips.see(source), clips.see(clips.copy(source, "out.mp4", part, codec="h264", crf=1.0))
    assert after.times == [Fraction(index, 25) for index in range(10)]
    difference = clips.codes(after.frames[0])[0] - clips.codes(before.frames[10])[0]
    assert np.abs(difference).mean() < 1


def test_broadcast_times_start_at_zero(clips):
    source = clips.make("clip.ts", pts=tuple(range(70000, 75120, 512)), sound=("aac",))
    assert clips.see(source).times[0] > 5
    assert clips.see(clips.copy(source, "out.mp4")).times == [Fraction(index, 25) for index in range(10)]


def test_one_frame(clips):
    assert len(clips.see(clips.copy(clips.make("clip.mp4", pts=(0,)), "out.mp4")).frames) == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hevc_of_few_frames_is_decoded_when_it_is_shown(clips, tmp_path, count):
    info = probe_video(clips.make("clip.mp4", pts=tuple(range(0, 512 * count, 512))))
    with open_video(info.path) as video:
        frames = list(video)
    for attempt in range(8):  # what x265 tells of so few depends on what its memory held before
        target = tmp_path / f"{attempt}.mkv"
        output = Muxer(target, target, info, EncodeSettings(codec="libx265"), ALL_FRAMES, BesidePictures())
        packets = [packet for frame in [*frames, None] for packet in output.encoded(frame)]
        output.close()
        assert len(packets) == count
        assert all(packet.pts - 512 * 3 < packet.dts <= packet.pts for packet in packets)


def test_every_frame_of_a_long_clip_arrives_in_order(clips):
    source = clips.make(
        "clip.mp4", size=(32, 32), pts=tuple(range(0, 512 * 300, 512)), options={"preset": "ultrafast"}
    )
    assert clips.see(clips.copy(source, "out.mp4")).times == [Fraction(index, 25) for index in range(300)]


def test_rgb_sources_are_tagged_as_the_yuv_that_they_become(clips):
    source = clips.make(
        "clip.mkv", **LOSSLESS_CLIP, pixel_format="gbrp10le", tags=(0, 2, 1, 13), size=(128, 96)
    )
    before, after = (
        clips.see(source),
        clips.see(clips.copy(source, "out.mp4", codec="h264", crf=1.0, pixel_format="yuv444p10le")),
    )
    assert after.video["tags"] == (6, 1, 1, 13)
    shown = after.frames[0].to_ndarray(format="gbrpf32le", src_colorspace=5, src_color_range=1)
    assert np.abs(shown - before.frames[0].to_ndarray(format="gbrpf32le")).mean() < 0.01


def test_full_range_becomes_limited_in_prores_which_knows_no_other(clips):
    source = clips.make(
        "clip.mkv", **LOSSLESS_CLIP, pixel_format="yuv444p10le", tags=(1, 2, 1, 1), size=(128, 96)
    )
    before, after = clips.see(source), clips.see(clips.copy(source, "out.mov", codec="prores"))
    luma, again = clips.codes(before.frames[0])[0], clips.codes(after.frames[0])[0]
    again = again / 2 ** (after.frames[0].format.components[0].bits - 8)  # ProRes 4444 is read with 12 bits
    assert np.abs(luma / 1023 - (again - 16) / 219).mean() < 0.005


def test_frames_of_another_size_are_refused(clips):
    info = probe_video(clips.make("clip.mp4"))
    with pytest.raises(ShapeError), open_writer(clips.folder / "out.mp4", info, EncodeSettings()) as writer:
        writer.write(Frame(picture=torch.zeros(3, 10, 10), pts=0))
    assert not (clips.folder / "out.mp4").exists()


def test_writing_leaves_no_thread(clips):
    clips.copy(clips.make("clip.mp4"), "out.mp4")
    assert not [thread for thread in threading.enumerate() if thread.name in ("encode", "prefetch")]


def test_a_copy_can_be_read_again(clips):
    target = clips.copy(clips.make("clip.mp4", pts=IRREGULAR), "out.mp4")
    with open_video(target) as video:
        assert [frame.pts * video.info.time_base for frame in video] == [
            Fraction(pts, 12800) for pts in IRREGULAR
        ]
