"""Files as cameras, phones, recorders and broken copies leave them."""

import logging
from fractions import Fraction

import av
import odd_clips
import pytest

from any2bokeh.errors import VideoError
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.decode import open_video, probe_video

MILLISECONDS = Fraction(1, 1000)


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def see_duration(path):
    with av.open(str(path)) as file:
        return file.duration


def decoded_and_told(path, part=None):
    with VideoClip(path, part or TimeRange()) as clip, clip.frames() as frames:
        return [frame.pts for frame in frames], clip.times


@pytest.fixture
def recorded(clips):
    """Two seconds with a keyframe every 10 frames, and sound."""
    return clips.make(
        "clip.mp4",
        pts=tuple(range(0, 512 * 50, 512)),
        options={"g": "10", "bf": "2", "sc_threshold": "0"},
        sound=("aac",),
        sound_s=2.0,
    )


@pytest.mark.parametrize("name", ["late.ts", "late.mkv"])
def test_packets_before_the_first_keyframe_are_no_frames(clips, recorded, name):
    path = odd_clips.begun_late(recorded, clips.folder / name, 4)
    decoded, told = decoded_and_told(path)
    assert decoded == told
    assert 30 < len(told) < 46
    with VideoClip(path) as clip:
        assert clip.seconds(told[0]) == 0
    first = TimeRange(end=TimePoint(frame=3))
    assert decoded_and_told(path, first) == (told[:3], told[:3])
    early = TimeRange(end=TimePoint(seconds=Fraction("0.1")))
    assert decoded_and_told(path, early)[0] == told[:3]


def test_equal_times_keep_every_frame(clips, caplog):
    source = clips.make("clip.mkv", time_base=MILLISECONDS, pts=tuple(range(0, 800, 40)), options={"bf": "0"})
    path = odd_clips.doubled_times(source, clips.folder / "doubled.mkv", 5)
    decoded, told = decoded_and_told(path)
    assert len(decoded) == 20 and decoded == told == sorted(set(told))
    assert told[5] == told[4] + 1
    assert not warnings(caplog)
    assert len(clips.see(clips.copy(path, "out.mkv")).times) == 20


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
def test_the_last_picture_is_held_as_long_as_before(clips, target):
    source = odd_clips.held(clips.make("clip.mp4", options={"bf": "2"}), clips.folder / "held.mp4", 10, 38400)
    options = {"preset": "12"} if target.endswith("webm") else {}
    with av.open(str(clips.copy(source, target, **options))) as file:
        assert file.duration == pytest.approx(see_duration(source), abs=1000)
    assert see_duration(source) > 3_000_000


def test_a_part_ends_before_its_end_whatever_is_held(clips):
    source = odd_clips.held(clips.make("clip.mp4", options={"bf": "0"}), clips.folder / "held.mp4", 10, 38400)
    part = TimeRange(end=TimePoint(seconds=Fraction(1)))
    with av.open(str(clips.copy(source, "out.mp4", part))) as file:
        assert file.duration == 1_000_000


def test_avi_with_empty_chunks_is_in_step(clips):
    kept = (0, 1, 2, 3, 6, 7, 8, 9)
    path = clips.make("clip.avi", time_base=Fraction(1, 25), pts=kept, options={"bf": "0"})
    decoded, told = decoded_and_told(path)
    assert decoded == told == list(kept)


def test_raw_dv_has_its_frame_rate(tmp_path):
    path = tmp_path / "clip.dv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        frame = av.VideoFrame(720, 576, "yuv420p")
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert probe_video(path).frame_rate == 25


def test_an_mp4_that_was_cut_off_says_how_much_is_missing(clips, recorded, caplog):
    whole = clips.copy(recorded, "whole.mp4")  # with its index in front
    path = odd_clips.cut_off(whole, clips.folder / "cut.mp4", 0.6)
    caplog.clear()
    with open_video(path) as video:
        assert 10 < len(list(video)) < 45
    assert [f"{path} ends after" in line and "of 2.0 s" in line for line in warnings(caplog)] == [True]
    caplog.clear()
    with open_video(whole) as video:
        assert len(list(video)) == 50
    assert not warnings(caplog)


def test_a_part_without_a_frame_that_can_be_decoded_is_an_error(clips, recorded):
    damaged = recorded.read_bytes()
    with av.open(str(recorded)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    holes = bytearray(damaged)
    for packet in packets[20:40]:
        holes[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path = clips.folder / "holes.mp4"
    path.write_bytes(holes)
    part = TimeRange(start=TimePoint(frame=24), end=TimePoint(frame=28))
    with pytest.raises(VideoError, match=r"no frame .*decoded"):
        decoded_and_told(path, part)


def test_the_hidden_border_of_matroska_is_not_shown(clips):
    source = clips.make("clip.mkv", size=(64, 48), time_base=MILLISECONDS, pts=(0, 40, 80), codec="ffv1")
    path = odd_clips.with_crop(source, clips.folder / "crop.mkv", top=6, bottom=4, left=8, right=2)
    info = probe_video(path)
    assert (info.width, info.height) == (54, 38)
    with open_video(source) as whole, open_video(path) as shown:
        for full, part in zip(whole, shown, strict=True):
            assert (part.picture == full.picture[:, 6:44, 8:62]).all()
    assert clips.see(clips.copy(path, "out.mkv")).video["size"] == (54, 38)
