"""Sequences of pictures as clips, and results written as them."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from stills import HEIGHT, WIDTH, stripes, write_sequence, write_still

from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import EncodeSettings, InputSettings, TimeRange
from any2bokeh.video.clip import Clip
from any2bokeh.video.decode import open_video, probe_video
from any2bokeh.video.footage import open_footage, open_result
from any2bokeh.video.pictures.picture_files import read_picture_file
from any2bokeh.video.sequence_writer import ExistingFrames


def copy(
    clip: Clip, target: Path, existing: ExistingFrames | None = None, stop_before: int | None = None
) -> list[int]:
    """Write the clip's own frames as ``target``; return the numbers of those that were needed."""
    written = []
    how = existing or ExistingFrames()
    with open_result(target, clip, EncodeSettings(), existing=how) as writer, clip.frames() as frames:
        for frame in frames:
            if frame.pts == stop_before:
                raise KeyboardInterrupt
            if writer.needs(frame.pts):
                writer.write(frame)
                written.append(frame.pts)
    return written


def test_time_stamps_are_frame_numbers(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path / "s.%04d.png", [1001, 1002, 1003])
    with open_footage(pattern, InputSettings(frame_rate=Fraction(25))) as clip, clip.frames() as frames:
        assert (clip.info.width, clip.info.height, clip.info.frame_count) == (WIDTH, HEIGHT, 3)
        assert [frame.pts for frame in frames] == clip.all_times == [1001, 1002, 1003]
        assert clip.times_s.tolist() == [0, 0.04, 0.08]


def test_a_part_is_told_by_times_or_by_frames(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path / "s.%04d.png", list(range(1001, 1011)))
    part = TimeRange(start=TimePoint(frame=2), end=TimePoint(seconds=Fraction(6, 24)))
    with open_footage(pattern, time_range=part) as clip, clip.frames() as frames:
        assert [frame.pts for frame in frames] == clip.times == [1003, 1004, 1005, 1006]
    with open_footage(pattern, InputSettings(frames="1001-1010x4")) as clip:
        assert clip.times == [1001, 1005, 1009]
        assert clip.seconds(1005) == 4 / 24


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 16), (".png", 8), (".tif", 16), (".dpx", 10)])
def test_pixels_and_numbers_come_back(tmp_path: Path, suffix: str, bits: int) -> None:
    pattern = write_sequence(tmp_path / f"s.%04d{suffix}", [1001, 1002], bits)
    target = tmp_path / "out" / f"r.####{suffix}"
    with open_footage(pattern) as clip:
        copy(clip, target)
    for number in (1001, 1002):
        before = read_picture_file(Path(str(pattern) % number))
        after = read_picture_file(tmp_path / "out" / f"r.{number}{suffix}")
        assert after.bits == bits
        np.testing.assert_array_equal(after.codes, before.codes)
    assert sorted(os.listdir(tmp_path / "out")) == [f"r.{number}{suffix}" for number in (1001, 1002)]


def test_floats_keep_their_light_in_floats_and_end_at_white_elsewhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = (stripes() * 4).astype(np.float32)
    source = write_still(tmp_path / "a.tif", values, 0)
    with open_footage(source) as clip:
        copy(clip, tmp_path / "b.tif")
        assert "light beyond white" not in caplog.text
        copy(clip, tmp_path / "c.png")
    assert "light beyond white" in caplog.text
    np.testing.assert_array_equal(read_picture_file(tmp_path / "b.tif").codes, values)
    shown = read_picture_file(tmp_path / "c.png").picture()
    assert shown.max() == 1
    y, x = np.argwhere(values[..., 0] < 0.9)[0] if (values[..., 0] < 0.9).any() else (0, 0)
    expected = min(1.0, 1.055 * values[y, x, 0] ** (1 / 2.4) - 0.055)
    assert shown[0, y, x] == pytest.approx(expected, abs=1e-3)


def test_a_sequence_becomes_a_video_that_starts_at_0(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path / "s.%04d.png", [1001, 1002, 1003], 8)
    with open_footage(pattern, InputSettings(frame_rate=Fraction(24000, 1001))) as clip:
        copy(clip, tmp_path / "out.mp4")
    info = probe_video(tmp_path / "out.mp4")
    assert (info.frame_rate, info.start_pts, info.bit_depth) == (Fraction(24000, 1001), 0, 8)
    with open_video(tmp_path / "out.mp4") as frames:
        pictures = [frame.picture for frame in frames]
    assert len(pictures) == 3
    expected = torch.from_numpy(stripes(1001).transpose(2, 0, 1).copy()).float()
    assert (pictures[0] - expected).abs().mean() < 0.03


def test_a_video_becomes_pictures_from_1_or_from_the_number_asked_for(tmp_path: Path) -> None:
    with open_footage(write_sequence(tmp_path / "s.%04d.png", [7, 8], 8)) as clip:
        copy(clip, tmp_path / "clip.mkv")
    with open_footage(tmp_path / "clip.mkv") as video:
        copy(video, tmp_path / "a.%03d.png")
        copy(video, tmp_path / "b.[1001-1002].png")
        settings = EncodeSettings(start_number=5)
        with (
            open_result(tmp_path / "c.#.png", video, settings, existing=ExistingFrames()) as writer,
            video.frames() as frames,
        ):
            for frame in frames:
                writer.write(frame)
    names = sorted(path.name for path in tmp_path.glob("[abc].*"))
    assert names == ["a.001.png", "a.002.png", "b.1001.png", "b.1002.png", "c.5.png", "c.6.png"]


def test_a_run_that_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    pattern, target = write_sequence(tmp_path / "s.%04d.png", [1, 2, 3, 4]), tmp_path / "r.%04d.png"
    with open_footage(pattern) as clip:
        with pytest.raises(KeyboardInterrupt):
            copy(clip, target, ExistingFrames(run_key="one"), stop_before=3)
        done = {path.name for path in tmp_path.glob("r.*.png")}
        assert done <= {"r.0001.png", "r.0002.png"}
        (tmp_path / "r.0001.png").touch()  # or the encoder had not come that far
        with pytest.raises(VideoError, match="exist already"):
            copy(clip, target, ExistingFrames(run_key="another"))
        assert set(copy(clip, target, ExistingFrames(run_key="one"))) == {2, 3, 4} - {
            int(name[2:6]) for name in done if name != "r.0001.png"
        }
        with pytest.raises(VideoError, match="exist already"):  # it is complete now
            copy(clip, target, ExistingFrames(run_key="one"))
        assert not list(tmp_path.glob(".*"))


def test_pictures_that_are_there_are_kept_or_replaced(tmp_path: Path) -> None:
    pattern, target = write_sequence(tmp_path / "s.%04d.png", [1, 2, 3]), tmp_path / "r.%04d.png"
    (tmp_path / "r.0002.png").write_bytes(b"old")
    with open_footage(pattern) as clip:
        with pytest.raises(VideoError, match=r"1 of the 3.*r\.0002\.png"):
            copy(clip, target)
        assert copy(clip, target, ExistingFrames(keep=True)) == [1, 3]
        assert (tmp_path / "r.0002.png").read_bytes() == b"old"
        assert copy(clip, target, ExistingFrames(overwrite=True)) == [1, 2, 3]
    assert read_picture_file(tmp_path / "r.0002.png").bits == 16


def test_a_result_never_replaces_its_source(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path / "s.%04d.png", [1, 2])
    with open_footage(pattern) as clip, pytest.raises(VideoError, match="source itself"):
        copy(clip, tmp_path / "s.####.png", ExistingFrames(overwrite=True))


def test_several_frames_do_not_become_one_picture(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path / "s.%04d.png", [1, 2])
    with open_footage(pattern) as clip, pytest.raises(VideoError, match="one picture") as error:
        copy(clip, tmp_path / "r.png")
    assert "r.%04d.png" in error.value.hint


def test_pictures_of_two_sizes_are_refused(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path / "DSC_%04d.png", [1, 2])
    write_still(tmp_path / "DSC_0003.png", stripes(0, 32, 24), 16)
    with (
        open_footage(pattern) as clip,
        clip.frames() as frames,
        pytest.raises(VideoError, match="32x24") as error,
    ):
        list(frames)
    assert "one by one" in error.value.hint


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_pixel_that_is_no_number_is_named(tmp_path: Path, bad: float) -> None:
    values = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    values[5, 9, 1] = bad
    write_still(tmp_path / "s.1001.tif", values, 0)
    with (
        open_footage(tmp_path / "s.%04d.tif") as clip,
        clip.frames() as frames,
        pytest.raises(VideoError, match=r"s\.1001\.tif.*9,5"),
    ):
        list(frames)


def test_a_picture_of_another_size_than_the_clip_s_is_refused(tmp_path: Path) -> None:
    source = write_still(tmp_path / "a.png", stripes(), 8)
    with open_footage(source) as clip, open_footage(source) as other, other.frames() as frames:
        frame = next(iter(frames))
        settings, existing = EncodeSettings(), ExistingFrames()
        with pytest.raises(Exception, match="like its source"):  # noqa: SIM117
            with open_result(tmp_path / "b.png", clip, settings, existing=existing) as writer:
                writer.write(Frame(picture=frame.picture[:, 1:].contiguous(), pts=0))
    assert not (tmp_path / "b.png").exists()


def test_transparency_that_varies_and_profiles_come_from_the_source(tmp_path: Path) -> None:
    """The colors of a source are not kept in memory until its result is written."""
    for number, opaque in ((1, 1.0), (2, 0.5)):
        alpha = np.full((HEIGHT, WIDTH, 1), opaque)
        alpha[0, 0] = 1
        write_still(tmp_path / f"s.000{number}.png", np.concatenate([stripes(number), alpha], axis=2), 16)
    with open_footage(tmp_path / "s.%04d.png") as clip:
        with clip.frames() as frames:
            for frame in frames:
                stored = clip.stored(frame.pts)  # type: ignore[attr-defined]
                assert stored.codes.strides[:2] == (0, 0) if frame.pts == 1 else stored.codes.strides[0] > 0
        copy(clip, tmp_path / "r.%04d.png")
    for number in (1, 2):
        before, after = (read_picture_file(tmp_path / f"{name}.000{number}.png") for name in "sr")
        np.testing.assert_array_equal(after.codes, before.codes)
