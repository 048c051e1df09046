import subprocess
import sys
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from facts import names, naming, the_warning

from any2bokeh.errors import VideoError
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import frame_times, open_video, probe_video
from any2bokeh.video.metadata import side_data

IRREGULAR = (0, 512, 1100, 4700, 4720, 9000)
QUARTER = 65536
TURNS = {  # FFmpeg's display matrix -> numpy's way from the stored to the displayed picture (H W C)
    (0, QUARTER, 0, -QUARTER, 0, 0, 0, 0, 1 << 30): lambda coded: np.rot90(coded, -1),
    (-QUARTER, 0, 0, 0, -QUARTER, 0, 0, 0, 1 << 30): lambda coded: np.rot90(coded, 2),
    (0, -QUARTER, 0, QUARTER, 0, 0, 0, 0, 1 << 30): lambda coded: np.rot90(coded, 1),
    (-QUARTER, 0, 0, 0, QUARTER, 0, 0, 0, 1 << 30): lambda coded: coded[:, ::-1],
    (QUARTER, 0, 0, 0, -QUARTER, 0, 0, 0, 1 << 30): lambda coded: coded[::-1],
    (0, QUARTER, 0, QUARTER, 0, 0, 0, 0, 1 << 30): lambda coded: coded.transpose(1, 0, 2),
}


def read(path, part=None):
    with open_video(path, part or TimeRange()) as video:
        return list(video)


def seconds(start=None, end=None):
    return TimeRange(
        start=None if start is None else TimePoint(seconds=Fraction(start)),
        end=None if end is None else TimePoint(seconds=Fraction(end)),
    )


def numbers(start=None, end=None):
    return TimeRange(
        start=None if start is None else TimePoint(frame=start),
        end=None if end is None else TimePoint(frame=end),
    )


def test_frames_are_pictures_of_the_clip_in_order(clips):
    path = clips.make(
        "clip.mkv",
        codec="ffv1",
        pixel_format="gbrp16le",
        time_base=Fraction(1, 1000),
        pts=tuple(range(0, 400, 40)),
    )
    frames = read(path)
    assert [frame.pts for frame in frames] == list(range(0, 400, 40))
    for index, frame in enumerate(frames):
        expected = torch.from_numpy(clips.picture(index, 64, 48)).permute(2, 0, 1)
        assert frame.picture.dtype == torch.float32 and frame.picture.is_contiguous()
        torch.testing.assert_close(frame.picture, expected, atol=5e-4, rtol=0)  # of the clip maker


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv", "clip.ts"])
def test_irregular_times_are_those_that_plain_pyav_reads(clips, name):
    path = clips.make(name, pts=IRREGULAR)
    info, seen = probe_video(path), clips.see(path)
    times = [frame.pts * info.time_base for frame in read(path)]
    assert times == seen.times
    assert frame_times(path) == [frame.pts for frame in read(path)]
    assert info.start_pts == frame_times(path)[0]


def test_what_is_known_of_a_clip(clips):
    path = clips.make("clip.mp4", size=(80, 60), pixel_aspect=Fraction(4, 3), tags=(1, 1, 1, 1))
    info = probe_video(path)
    assert (info.width, info.height, info.pixel_aspect, info.rotation) == (80, 60, Fraction(4, 3), 0)
    assert (info.codec, info.pixel_format, info.bit_depth) == ("h264", "yuv420p", 8)
    assert (info.frame_rate, info.frame_count, info.duration_s) == (25, 10, pytest.approx(0.4))
    assert info.color.light == "srgb"
    assert info.not_kept == ()
    assert info.hdr10 is None


@pytest.mark.parametrize("matrix", TURNS)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_frames_are_handed_out_as_displayed(clips, name, matrix):
    codec, pixel_format = ("libx264", "yuv444p") if name == "clip.mp4" else ("ffv1", "yuv444p")
    path = clips.make(
        name,
        size=(80, 48),
        codec=codec,
        pixel_format=pixel_format,
        display_matrix=matrix,
        options={"crf": "4"} if codec == "libx264" else {},
        pixel_aspect=Fraction(4, 3) if codec == "libx264" else None,
    )
    info = probe_video(path)
    upright = TURNS[matrix](clips.picture(0, 80, 48))
    assert (info.height, info.width) == upright.shape[:2]
    if codec == "libx264":
        assert info.pixel_aspect == (Fraction(3, 4) if info.width == 48 else Fraction(4, 3))
    picture = read(path)[0].picture.permute(1, 2, 0).numpy()
    assert picture.shape == upright.shape
    assert np.abs(picture - upright).mean() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (seconds("0.4"), range(10, 60)),
        (seconds("0.39"), range(9, 60)),
        (seconds("0.401"), range(10, 60)),
        (seconds("2.39"), range(59, 60)),
        (seconds(None, "0.39"), range(9)),
        (seconds(None, "2.39"), range(59)),
        (seconds(None, "2.4"), range(60)),
        (seconds(None, "0.4"), range(10)),
        (seconds("0.4", "0.44"), range(10, 11)),
        (numbers(17, 43), range(17, 43)),
        (numbers(59), range(59, 60)),
        (numbers(0, 1), range(1)),
        (numbers(50, 900), range(50, 60)),
        (TimeRange(start=TimePoint(frame=20), end=TimePoint(seconds=Fraction(1))), range(20, 25)),
    ],
)
def test_a_part_has_the_frames_from_start_to_before_end(clips, name, part, expected):
    # A keyframe every 12 frames and pictures stored out of order.
    path = clips.make(name, pts=tuple(range(0, 512 * 60, 512)), options={"g": "12", "bf": "3"})
    times = frame_times(path)
    assert frame_times(path, part) == [times[index] for index in expected]
    frames, whole = read(path, part), read(path)
    assert [frame.pts for frame in frames] == [times[index] for index in expected]
    for frame, index in zip(frames, expected, strict=True):
        torch.testing.assert_close(frame.picture, whole[index].picture, atol=0, rtol=0)


@pytest.mark.parametrize("part", [seconds(99), numbers(10), seconds(None, 0)])
def test_a_part_without_frames_is_an_error(clips, part):
    path = clips.make("clip.mp4")
    with pytest.raises(VideoError, match=naming("clip.mp4", "no frame")):
        open_video(path, part)


def test_seconds_count_from_the_first_frame(clips):
    path = clips.make("late.mkv", pts=tuple(range(128000, 128000 + 5120, 512)))
    assert frame_times(path, seconds("0.2")) == frame_times(path)[5:]


def test_avi_without_presentation_times_keeps_order_and_count(clips):
    path = clips.make("clip.avi", time_base=Fraction(1, 25), pts=tuple(range(12)), options={"bf": "2"})
    times = [frame.pts for frame in read(path)]
    assert times == sorted(set(times)) == frame_times(path)
    assert len(times) == 12


def test_a_raw_stream_without_times_gets_regular_ones(clips):
    path = clips.make("clip.h264", time_base=Fraction(1, 25), pts=tuple(range(12)), options={"bf": "2"})
    info, times = probe_video(path), [frame.pts for frame in read(path)]
    assert [time * info.time_base for time in times] == [Fraction(index, 25) for index in range(12)]
    assert times == frame_times(path)


def test_one_frame(clips):
    path = clips.make("one.mp4", pts=(0,))
    assert [frame.pts for frame in read(path)] == frame_times(path) == [0]


def test_the_cover_is_not_the_video(clips):
    path = clips.make("clip.mp4", cover=True)
    assert [kind for kind, *_ in clips.see(path).streams].count("video") == 2
    assert (probe_video(path).width, len(read(path))) == (64, 10)


def test_ten_bits_are_known_and_kept(clips):
    path = clips.make(
        "clip.mkv",
        codec="ffv1",
        pixel_format="yuv420p10le",
        tags=(9, 1, 9, 18),
        time_base=Fraction(1, 1000),
        pts=(0, 40),
    )
    info = probe_video(path)
    assert (info.bit_depth, info.color.light) == (10, "hlg")
    assert len(np.unique(read(path)[0].picture.numpy())) > 1024


def test_stopping_early_ends_the_thread(clips):
    path = clips.make("clip.mp4", pts=tuple(range(0, 512 * 100, 512)))
    with open_video(path) as video:
        next(iter(video))
    assert not [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_transparency_is_named(clips):
    path = clips.make(
        "clip.mkv", codec="ffv1", pixel_format="yuva420p", time_base=Fraction(1, 1000), pts=(0, 40)
    )
    assert probe_video(path).not_kept == ("transparency",)


def test_interlacing_is_named(clips):
    path = clips.make("clip.mp4", size=(64, 64), options={"flags": "+ilme+ildct"})
    assert probe_video(path).not_kept == ("interlacing",)


def test_a_size_that_changes_on_the_way_is_an_error(clips):
    first = clips.make("first.ts", size=(64, 48))
    second = clips.make("second.ts", size=(96, 48), pts=tuple(range(12800, 17920, 512)))
    joined = clips.folder / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(VideoError, match=naming(joined, "64x48", "96x48")):
        read(joined)


class TestDamage:
    def make(self, clips, name="clip.mkv"):
        return clips.make(
            name,
            size=(320, 240),
            pts=tuple(range(0, 512 * 60, 512)),
            codec="mjpeg",
            pixel_format="yuvj420p",
            tags=(5, 2, 1, 1),
        )

    def spoil(self, clips, path, indices):
        """Overwrite the pictures of some frames, found in the file by their bytes."""
        data = bytearray(path.read_bytes())
        packets = clips.see(path).packets["video"][0]
        for index in indices:
            body = packets[index][1]
            at = data.find(body)
            data[at : at + len(body)] = bytes(len(body))
        path.write_bytes(data)

    def test_packets_that_cannot_be_decoded_are_left_out_and_reported_once(self, clips, caplog):
        path = self.make(clips)
        times = frame_times(path)
        self.spoil(clips, path, [7, 20, 21])
        with open_video(path) as video:
            found = [frame.pts for frame in video]
            assert video.corrupt_packets == 3
        assert found == [time for index, time in enumerate(times) if index not in (7, 20, 21)]
        assert names(the_warning(caplog), path, "3 packets")

    def test_a_file_that_was_cut_off_is_said_to_be(self, clips, caplog):
        path = self.make(clips)
        times = frame_times(path)
        read(path)
        assert not caplog.records
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        found = [frame.pts for frame in read(path)]
        assert found == times[: len(found)] and 20 < len(found) < 40
        warning = the_warning(caplog)
        assert names(warning, path, "2.4 s") and " 1." in warning

    @pytest.mark.slow
    def test_too_large_a_share_is_an_error(self, clips):
        path = self.make(clips)
        self.spoil(clips, path, range(10, 50, 4))
        with pytest.raises(VideoError, match=naming(path, "10 of 60 packets")):
            read(path)

    def test_too_many_in_a_row_are_an_error(self, clips):
        path = self.make(clips)
        self.spoil(clips, path, range(5, 58))
        with pytest.raises(VideoError, match=naming(path, "damaged", "50 of 55 packets")):
            read(path)

    def test_nothing_that_can_be_decoded_is_an_error(self, clips):
        path = self.make(clips)
        self.spoil(clips, path, range(60))
        with pytest.raises(VideoError, match=naming(path, "damaged")):
            open_video(path)

    @pytest.mark.slow
    def test_flipped_bits_never_stop_the_reading(self, clips):
        path = clips.make("clip.mp4", size=(320, 240), pts=tuple(range(0, 512 * 60, 512)))
        data = bytearray(path.read_bytes())
        noise = np.random.default_rng(3)
        middle = data.find(b"mdat") + 200
        for at in noise.integers(middle, middle + 20000, 12):
            data[at] ^= 1 << int(noise.integers(8))
        path.write_bytes(data)
        times = [frame.pts for frame in read(path)]
        assert times == sorted(set(times))
        assert len(times) >= 50

    def test_a_file_cut_short_ends_early(self, clips):
        path = self.make(clips)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        assert 10 < len(read(path)) < 60


class TestNotAVideo:
    def test_missing(self, tmp_path):
        with pytest.raises(VideoError, match=naming("nothing.mp4", "exist")):
            open_video(tmp_path / "nothing.mp4")

    def test_folder(self, tmp_path):
        with pytest.raises(VideoError, match=naming(tmp_path, "folder")):
            open_video(tmp_path)

    @pytest.mark.parametrize("name", ["words.mp4", "words.txt", "words"])
    def test_text(self, tmp_path, name):
        path = tmp_path / name
        path.write_text("This is no film.\n" * 100)
        with pytest.raises(VideoError, match=naming(path)):
            open_video(path)

    def test_empty_file(self, tmp_path):
        path = tmp_path / "empty.mp4"
        path.touch()
        with pytest.raises(VideoError, match=naming("empty.mp4", "is empty")):
            open_video(path)

    def test_recording_without_its_index(self, clips):
        path = clips.make("clip.mp4", size=(320, 240))
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(VideoError, match=naming(path)) as refusal:
            open_video(path)
        assert "index" in refusal.value.hint

    def test_sound_only(self, clips, tmp_path):
        import av

        path = tmp_path / "song.mp4"
        with av.open(str(path), "w") as file:
            stream = file.add_stream("aac", rate=48000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.rate = 48000
            file.mux(stream.encode(frame))
            file.mux(stream.encode())
        with pytest.raises(VideoError, match=naming("song.mp4", "no video")):
            open_video(path)

    def test_names_with_a_colon_are_files(self, clips):
        assert len(read(clips.make("take:1.mkv"))) == 10


@pytest.mark.slow
def test_a_decoder_that_tells_python_what_it_does_can_be_given_up_at_any_time(clips):
    """Libraries turn PyAV's log on; the decoder's threads then wait for Python's lock."""
    path = clips.make("clip.mp4", size=(320, 240), pts=tuple(range(0, 512 * 12, 512)))
    program = """
import sys
from pathlib import Path
import av.logging
from any2bokeh.video.decode import open_video, probe_video
from any2bokeh.video.gray import open_gray
av.logging.set_level(av.logging.DEBUG)
path = Path(sys.argv[1])
for _ in range(10):
    probe_video(path)
    with open_video(path) as video:
        next(iter(video))
    open_gray(path)
print("all were closed")
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60
    )
    assert result.stdout == "all were closed\n", result.stderr[-2000:]


def with_exif(path):
    """A JPEG with an Exif segment behind its first marker."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), "rgb24").reformat(
        format="yuvj420p"
    )
    data = bytes(encoder.encode(frame)[0])
    upright = b"\x12\x01\x03\0\1\0\0\0\1\0\0\0"  # the one entry: orientation 1
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0" + upright + bytes(4)
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    return path


def test_side_data_of_a_kind_that_pyav_does_not_know_is_no_obstacle(tmp_path):
    path = with_exif(tmp_path / "photo.jpg")
    with av.open(str(path)) as file:
        kinds = side_data(next(file.decode(video=0)))
    assert "EXIF" in kinds
    assert (probe_video(path).width, len(read(path))) == (64, 1)
