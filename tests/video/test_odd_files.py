"""Files as cameras, phones, recorders and broken copies leave them."""

import io
import logging
import os
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import odd_clips
import pytest
from facts import names, naming, the_warning

from any2bokeh.errors import DisparityError, SettingsError, VideoError
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.decode import open_video, probe_video
from any2bokeh.video.gray import open_gray
from any2bokeh.video.metadata import side_data
from any2bokeh.video.png import read_png_frame

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
    early = TimeRange(end=TimePoint(seconds=Fraction("0.12")))
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


def test_parts_join_within_a_picture_that_is_held(clips):
    """At 1 s the last picture is on the screen: one part ends before it, and the other begins with it."""
    source = odd_clips.held(clips.make("clip.mp4", options={"bf": "0"}), clips.folder / "held.mp4", 10, 38400)
    at = TimePoint(seconds=Fraction(1))
    before, after = (TimeRange(end=at), TimeRange(start=at))
    with av.open(str(clips.copy(source, "before.mp4", before))) as file:
        assert file.duration == 360_000
    with av.open(str(clips.copy(source, "after.mp4", after))) as file:
        assert file.streams.video[0].frames == 1
        assert file.duration == see_duration(source) - 360_000


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
    with pytest.raises(VideoError, match=naming(path)):
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


def test_what_is_no_file_is_told_apart(tmp_path):
    pipe, loop = tmp_path / "pipe.mp4", tmp_path / "loop.mp4"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, fact in (
        (pipe, "pipe"),
        (loop, "links"),
        (tmp_path / ("n" * 300 + ".mp4"), "too long"),
        (Path("/dev/null"), "device"),
        (tmp_path / "nul\0.mp4", "null"),
    ):
        with pytest.raises(VideoError, match=fact):
            probe_video(path)
        with pytest.raises(DisparityError, match=fact):
            open_gray(path)
    for pattern in (tmp_path / "shot.%04d.png", tmp_path / "shot.####.png"):
        with pytest.raises(VideoError, match="pattern"):
            probe_video(pattern)
        with pytest.raises(DisparityError, match=naming(pattern)):
            open_gray(pattern)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"Notes on a film.\n" * 400, "a text file"),
        ("Gr\u00fc\u00dfe\n".encode() * 999, "a text file"),  # a letter is cut where looking ends
        ("Notes\n".encode("utf-16"), "a text file"),
        (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
        (b'<?xml version="1.0"?><Error/>', "an XML file"),
        (b'{"error": "not found"}', "a JSON file"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "Git LFS"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
        (b"PK\x03\x04" + bytes(99), "a ZIP archive"),
        (b"\x1f\x8b\x08\x00" + bytes(99), "a gzip archive"),
    ],
)
def test_what_is_no_video_at_all_is_named(tmp_path, content, kind):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=kind) as refused:
        probe_video(path)
    assert not refused.value.hint  # it is no recording that could be repaired
    with pytest.raises(DisparityError, match=kind):
        open_gray(path)


@pytest.mark.parametrize("content", [bytes(5000), b"text\0" * 999, b"\xff\xfe\xd8" + bytes(99)])
def test_what_nobody_can_name_may_be_damaged(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match="damaged") as refused:
        probe_video(path)
    assert refused.value.hint


def huge_png(path):
    """A PNG that declares 60000x60000 pixels and holds none."""

    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    head = (60000).to_bytes(4) * 2 + bytes([8, 6, 0, 0, 0])
    body = zlib.compress(bytes(100))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))
    return path


def huge_arrays(folder):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (3, 100_000, 100_000)}
    )
    (folder / "huge.npy").write_bytes(head.getvalue() + bytes(800))
    with zipfile.ZipFile(folder / "huge.npz", "w") as archive:
        archive.writestr("arr_0.npy", head.getvalue() + bytes(800))
    return folder / "huge.npy", folder / "huge.npz"


def test_declared_sizes_are_refused_before_memory_is_taken(clips, monkeypatch):
    with pytest.raises(VideoError, match="60000"):
        read_png_frame(huge_png(clips.folder / "huge.png"))
    for path in (clips.folder / "huge.png", *huge_arrays(clips.folder)):
        with pytest.raises(DisparityError):
            open_gray(path)
    with pytest.raises(VideoError):
        probe_video(clips.folder / "huge.png")
    clip = clips.make("clip.mp4")
    monkeypatch.setenv("ANY2BOKEH_MAX_PIXELS", str(64 * 48 - 1))
    with pytest.raises(VideoError, match="64x48") as refusal:
        probe_video(clip)
    assert refusal.value.hint == "`max_pixels=3072` reads it all the same."
    monkeypatch.setenv("ANY2BOKEH_MAX_PIXELS", str(64 * 48))
    assert probe_video(clip).width == 64
    for wrong in ("many", "0", "-3", "9" * 30):
        monkeypatch.setenv("ANY2BOKEH_MAX_PIXELS", wrong)
        with pytest.raises(SettingsError, match="ANY2BOKEH_MAX_PIXELS"):
            probe_video(clip)


@pytest.mark.parametrize("aspect", [Fraction(1, 20), Fraction(17)])
def test_pixels_of_an_extreme_shape_are_refused(clips, aspect):
    with pytest.raises(VideoError, match="16 times"):
        probe_video(clips.make("clip.mp4", pixel_aspect=aspect))


def captioned(clips):
    """H.264 whose first picture has closed captions: user data as ATSC A/53 puts them."""
    path = clips.make("clip.h264", time_base=Fraction(1, 25), pts=tuple(range(12)), options={"bf": "0"})
    data = path.read_bytes()
    captions = b"\xb5\0\x31GA94\x03\x42\xff" + b"\xfc\x94\x2c\xfc\x94\x20" + b"\xff"
    at = data.index(b"\0\0\1\x65")  # the first keyframe
    unit = b"\0\0\1\x06\x04" + bytes([len(captions)]) + captions + b"\x80"
    path.write_bytes(data[:at] + unit + data[at:])
    return path


def captions_of(path):
    with av.open(str(path)) as file:
        kinds = [side_data(frame) for frame in file.decode(video=0)]
        return [kind["A53_CC"] for kind in kinds if "A53_CC" in kind]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_closed_captions_are_kept(clips, codec, caplog):
    source = captioned(clips)
    assert len(captions_of(source)) == 1
    copy = clips.copy(source, "out.mp4", codec=codec, preset="ultrafast")
    assert captions_of(copy) == captions_of(source)
    assert not warnings(caplog)


def test_closed_captions_that_are_lost_are_named(clips, caplog):
    target = clips.copy(captioned(clips), "out.mkv", lossless=True)
    assert names(the_warning(caplog), target, "captions")


@pytest.mark.parametrize(
    ("pixel_format", "settings", "written", "fact"),
    [
        ("bgr0", {"preset": "ultrafast"}, "yuv420p", "pixel_format=yuv444p"),
        ("bgr0", {"preset": "ultrafast", "pixel_format": "yuv444p"}, "yuv444p", ""),
        ("bgr0", {"codec": "prores"}, "yuv444p12le", ""),
        ("yuv444p", {"codec": "av1", "preset": "12"}, "yuv420p", "resolution"),
        ("bgr0", {"codec": "av1", "preset": "12"}, "yuv420p", "resolution"),
        ("yuv422p12le", {"preset": "ultrafast"}, "yuv422p10le", "12"),
        ("gray", {"preset": "ultrafast"}, "yuv420p", ""),
    ],
)
def test_color_is_kept_or_its_loss_is_named(clips, pixel_format, settings, written, fact, caplog):
    source = clips.make(
        "clip.mkv", codec="ffv1", pixel_format=pixel_format, time_base=MILLISECONDS, pts=(0, 40, 80)
    )
    target = clips.copy(source, "out.mkv", **settings)
    assert probe_video(target).pixel_format.startswith(written) or pixel_format == "gray"
    assert names(the_warning(caplog), target, fact) if fact else not warnings(caplog)


@pytest.mark.parametrize("name", ["clip.mov", "clip.mp4"])
@pytest.mark.parametrize("target", ["out.mov", "out.mp4", "out.mkv"])
def test_the_place_of_a_recording_is_kept(clips, name, target):
    place = "+48.2082+016.3738/"
    source = clips.make(name, metadata={"location": place})
    stored = {key.lower(): value for key, value in clips.see(clips.copy(source, target)).metadata.items()}
    assert stored["location"] == place


@pytest.mark.parametrize("part", [None, TimeRange(start=TimePoint(frame=30), end=TimePoint(frame=45))])
def test_joined_recordings_keep_all_their_parts_in_step(clips, part, caplog):
    source = clips.make("clip.ts", pts=tuple(range(0, 512 * 25, 512)), sound=("aac",), sound_s=1.0)
    path = clips.folder / "joined.ts"
    path.write_bytes(source.read_bytes() * 2)
    decoded, told = decoded_and_told(path, part)
    assert decoded == told and len(told) == (15 if part else 50)
    assert np.diff(told).tolist() == [3600] * (len(told) - 1)
    whole = clips.see(clips.copy(path, "out.mp4", part))
    assert len(whole.frames) == len(told)
    sound = [float(time) for time, _ in whole.packets["audio"][0]]
    assert len(sound) > (10 if part else 90) and (np.diff(sound) > 0).all()
    if part is None:  # the second part's sound begins as far from its pictures as the first's
        one = [float(time) for time, _ in clips.see(clips.copy(source, "one.mp4")).packets["audio"][0]]
        assert sound[len(one)] - 1 == pytest.approx(one[0], abs=0.001)
    assert not warnings(caplog)
