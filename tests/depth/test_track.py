import logging
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from facts import naming

from any2bokeh.depth.track import DisparityTrack, MatchedFrames, open_track
from any2bokeh.errors import DisparityError
from any2bokeh.scene import Frame
from any2bokeh.settings.depth_settings import DisparityKind
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.decode import frame_times, probe_video
from any2bokeh.video.gray import GrayReader, open_gray_writer
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.png import write_png

MakeVideo = Callable[..., Path]

TIMES_MS = [0, 40, 80, 120, 420, 460, 500, 540]


def write_track(path: Path, pts: list[int], size: tuple[int, int] = (64, 48)) -> Path:
    """A track in whose frame at time t every value is about t / 1000."""
    with open_gray_writer(path, *size, Fraction(1, 1000)) as writer:
        for time in pts:
            disparity = torch.full((1, size[1], size[0]), time / 1000)
            disparity[:, 0, 0] += 0.01  # not one value everywhere
            writer.write(disparity, time)
    return path


class CountedFrames(GrayReader):
    """A gray file of 1000 frames, each its number over 1000, that counts those which are decoded."""

    path, width, height, frame_count = Path("counted"), 8, 8, 1000
    decoded = 0

    def frames(self, first: int = 0) -> Iterator[tuple[int, torch.Tensor]]:
        for number in range(first, self.frame_count):
            self.decoded += 1
            yield number, torch.full((1, 8, 8), number / 1000)


def test_what_lies_far_between_two_frames_is_not_decoded() -> None:
    reader = CountedFrames()
    with MatchedFrames(reader, list(range(1000)), list(range(1000))) as frames:
        for number in (0, 1, 500, 520, 999):
            assert frames.values_at(number)[0, 0, 0].item() == pytest.approx(number / 1000)
    assert reader.decoded < 50


@dataclass
class SomeFrames:
    """Any frames of a video, as if they were the part that is worked on."""

    info: VideoInfo
    times: list[int]
    all_times: list[int]


def open_for(track: Path, video: Path, kind: DisparityKind = "disparity") -> DisparityTrack:
    return open_track(track, kind, VideoClip(video))


def values(
    track: Path,
    video: Path,
    numbers: list[int] | None = None,
    kind: DisparityKind = "disparity",
    size: tuple[int, int] = (64, 48),
) -> list[float]:
    """The disparity in the middle of the video's frames of the given numbers, or of all."""
    info, times = probe_video(video), frame_times(video)
    wanted = times if numbers is None else [times[number] for number in numbers]
    picture = torch.rand(3, size[1], size[0])
    with open_track(track, kind, SomeFrames(info, wanted, times)) as disparity:
        read = [disparity.at(Frame(picture=picture, pts=pts)) for pts in wanted]
    assert all(image.shape == (1, size[1], size[0]) for image in read)
    return [image[0, size[1] // 2, size[0] // 2].item() for image in read]


def in_seconds(times_ms: list[int]) -> list[float]:
    return pytest.approx([time / 1000 for time in times_ms], abs=1e-4)


def test_each_frame_gets_the_disparity_of_its_time(tmp_path: Path, make_video: MakeVideo) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS)
    assert values(track, make_video(TIMES_MS)) == in_seconds(TIMES_MS)


def test_a_part_of_the_video_gets_its_part_of_the_track(tmp_path: Path, make_video: MakeVideo) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS)
    assert values(track, make_video(TIMES_MS), [3, 4, 6]) == in_seconds([120, 420, 500])


def test_a_part_is_matched_by_number_where_the_times_of_the_whole_do_not_fit(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    other_times = [70 * number for number in range(8)]
    track = write_track(tmp_path / "track.mkv", other_times)
    assert values(track, make_video(TIMES_MS), [4, 5]) == in_seconds([280, 350])


def test_a_track_of_the_part_alone_is_taken(tmp_path: Path, make_video: MakeVideo) -> None:
    from_zero = write_track(tmp_path / "from_zero.mkv", [0, 40, 340, 380])
    assert values(from_zero, make_video(TIMES_MS), [2, 3, 4, 5]) == in_seconds([0, 40, 340, 380])
    own_times = write_track(tmp_path / "own_times.mkv", TIMES_MS[1:6])
    assert values(own_times, make_video(TIMES_MS), [2, 3, 4]) == in_seconds([80, 120, 420])


@pytest.mark.parametrize("numbers", [[0, 1, 2], [3, 4, 5], [0, 1, 2, 3, 4, 5, 6]])
def test_a_track_of_another_part_is_refused_however_many_frames_it_has(
    tmp_path: Path, make_video: MakeVideo, numbers: list[int]
) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS[5:])
    with pytest.raises(DisparityError, match=naming(track, "0.46 to 0.54 s", "video.mp4")):
        values(track, make_video(TIMES_MS), numbers)


def test_frames_that_a_track_lacks_are_named(tmp_path: Path, make_video: MakeVideo) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS[:3] + TIMES_MS[5:])
    with pytest.raises(DisparityError, match=naming(track, "2 of the 8 frames", "video.mp4", "0.12 s")):
        values(track, make_video(TIMES_MS))
    with pytest.raises(DisparityError, match=naming("1 of the 3 frames", "of the 8", "0.42 s")):
        values(track, make_video(TIMES_MS), [4, 5, 6])


def test_pictures_belong_to_frames_by_number(tmp_path: Path, make_video: MakeVideo) -> None:
    folder = tmp_path / "track"
    folder.mkdir()
    for number in range(8):
        ramp = torch.linspace(0, 0.01, 64).expand(1, 48, 64)
        write_png(folder / f"{number + 3}.png", number / 10 + ramp)
    expected = pytest.approx([number / 10 for number in (0, 5, 7)], abs=0.01)
    assert values(folder, make_video(TIMES_MS), [0, 5, 7]) == expected


@pytest.mark.parametrize("count", [1, 9, 16])
def test_other_counts_are_an_error_before_anything_is_read(
    tmp_path: Path, make_video: MakeVideo, count: int
) -> None:
    track = write_track(tmp_path / "track.mkv", [40 * number for number in range(count)])
    with pytest.raises(DisparityError, match=naming(track, f"{count} frames", "8 frames", "video.mp4")):
        open_for(track, make_video([40 * number for number in range(8)]))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(32, 24), (64, 48), (128, 96), (65, 48)])
def test_tracks_of_other_sizes_are_brought_to_the_frame(
    tmp_path: Path, make_video: MakeVideo, size: tuple[int, int]
) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS, size)
    assert values(track, make_video(TIMES_MS)) == in_seconds(TIMES_MS)


def test_a_track_of_another_shape_is_an_error(tmp_path: Path, make_video: MakeVideo) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS, (64, 36))
    with pytest.raises(DisparityError, match=naming("64x36", "video.mp4", "64x48")):
        open_for(track, make_video(TIMES_MS))


def test_a_turned_video_wants_a_track_as_it_is_displayed(tmp_path: Path, make_video: MakeVideo) -> None:
    video = make_video(TIMES_MS, rotation=90)
    upright = write_track(tmp_path / "upright.mkv", TIMES_MS, (48, 64))
    assert values(upright, video, size=(48, 64)) == in_seconds(TIMES_MS)
    lying = write_track(tmp_path / "lying.mkv", TIMES_MS, (64, 48))
    with pytest.raises(DisparityError, match="64x48") as caught:
        open_for(lying, video)
    assert "rotated" in caught.value.hint


@pytest.mark.parametrize("size", [(64, 48), (96, 48)])
def test_wide_pixels_allow_a_track_in_square_ones(
    tmp_path: Path, make_video: MakeVideo, size: tuple[int, int]
) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS, size)
    assert values(track, make_video(TIMES_MS, pixel_aspect=Fraction(3, 2))) == in_seconds(TIMES_MS)


def test_inverted_is_one_minus_disparity(tmp_path: Path, make_video: MakeVideo) -> None:
    track = write_track(tmp_path / "track.mkv", TIMES_MS)
    expected = [1000 - time for time in TIMES_MS]
    assert values(track, make_video(TIMES_MS), kind="inverted") == in_seconds(expected)


def test_depth_becomes_its_inverse_normalized_over_all_frames(tmp_path: Path, make_video: MakeVideo) -> None:
    # Disparity a/z + b over the whole track: depth 0.1 to 0.8, each of 8 frames one depth but for its edge
    depths = np.broadcast_to(np.arange(1, 9).reshape(8, 1, 1) / 10, (8, 48, 64)).astype(np.float32)
    np.save(tmp_path / "depth.npy", depths)
    inverse = 1 / (np.arange(1, 9) / 10)
    expected = (inverse - inverse.min()) / (inverse.max() - inverse.min())
    video = make_video(TIMES_MS)
    assert values(tmp_path / "depth.npy", video, kind="depth") == pytest.approx(expected, abs=1e-3)
    part = values(tmp_path / "depth.npy", video, [2, 3], "depth")
    assert part == pytest.approx(expected[2:4], abs=1e-3)


def test_inverse_depth_is_the_same_in_any_unit(tmp_path: Path, make_video: MakeVideo) -> None:
    """As renderers write it that want near to be bright, 0 where nothing was hit."""
    depths = np.broadcast_to(np.linspace(0.5, 8, 64), (8, 48, 64)).astype(np.float32).copy()
    depths[:, :, 60:] = np.inf
    inverse = 1 / depths
    inverse[:, :, 63] = np.nan
    np.save(tmp_path / "depth.npy", depths)
    np.save(tmp_path / "inverse.npy", inverse)
    np.save(tmp_path / "codes.npy", (np.nan_to_num(inverse) * 30000).round().astype(np.uint16))
    video = make_video(TIMES_MS)
    picture = Frame(picture=torch.rand(3, 48, 64), pts=frame_times(video)[0])
    found = []
    for name, kind in (("depth", "depth"), ("inverse", "inverse-depth"), ("codes", "inverse-depth")):
        with open_for(tmp_path / f"{name}.npy", video, kind) as track:  # type: ignore[arg-type]
            found.append(track.at(picture))
            assert track.is_metric == (name != "codes")
            if name == "inverse":
                range_m = track.depth_range_at(picture.pts)
                assert (range_m.near_m, range_m.far_m) == (pytest.approx(0.5, rel=0.01), 1e6)
    torch.testing.assert_close(found[1], found[0], atol=2e-3, rtol=0)
    assert found[2].min() == 0
    with pytest.raises(DisparityError) as error, open_for(tmp_path / "inverse.npy", video) as track:
        track.at(picture)
    assert "kind=inverse-depth" in error.value.hint


def test_depth_0_is_nearest_and_does_not_stretch_the_rest(tmp_path: Path, make_video: MakeVideo) -> None:
    depths = np.broadcast_to(np.linspace(0.2, 0.8, 64), (8, 48, 64)).astype(np.float32).copy()
    depths[:, :10] = 0
    np.save(tmp_path / "depth.npy", depths)
    video = make_video(TIMES_MS)
    times = frame_times(video)
    with open_for(tmp_path / "depth.npy", video, "depth") as track:
        disparity = track.at(Frame(picture=torch.rand(3, 48, 64), pts=times[0]))[0]
    assert (disparity[:10] == 1).all()
    assert disparity[20, 0] == 1 and disparity[20, -1] == 0
    assert disparity[20, 32].item() == pytest.approx((1 / depths[0, 20, 32] - 1.25) / (5 - 1.25), abs=0.01)


def test_nan_is_named_by_its_frame(tmp_path: Path, make_video: MakeVideo) -> None:
    disparity = np.random.default_rng(0).random((8, 48, 64), np.float32)
    disparity[5, 1, 1] = np.nan
    np.save(tmp_path / "track.npy", disparity)
    with pytest.raises(DisparityError, match=r"Frame 5 of .*track\.npy"):
        values(tmp_path / "track.npy", make_video(TIMES_MS))


def test_a_frame_that_cannot_be_decoded_is_an_error(tmp_path: Path, make_video: MakeVideo) -> None:
    times = [40 * number for number in range(40)]
    track = tmp_path / "track.mov"
    with av.open(str(track), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), number, np.uint8), format="gray")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(track)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size][7]
    track.write_bytes(track.read_bytes().replace(stored, bytes(len(stored))))
    video = make_video(times)
    assert len(values(track, video, list(range(7)))) == 7
    with pytest.raises(DisparityError, match=naming("Frame 7", track)):
        values(track, video)


def test_a_track_that_ends_before_its_index_says_is_an_error(tmp_path: Path, make_video: MakeVideo) -> None:
    track = tmp_path / "track.npy"
    np.save(track, np.random.default_rng(0).random((8, 48, 64), np.float32))
    track.write_bytes(track.read_bytes()[:-100])
    with pytest.raises(DisparityError, match=naming(track, "7 of 8")):
        values(track, make_video(TIMES_MS))


def test_one_value_everywhere_is_warned_of_once(
    tmp_path: Path, make_video: MakeVideo, caplog: pytest.LogCaptureFixture
) -> None:
    np.save(tmp_path / "flat.npy", np.full((8, 24, 32), 0.5))
    video = make_video(TIMES_MS)
    with caplog.at_level(logging.WARNING):
        assert values(tmp_path / "flat.npy", video) == pytest.approx(8 * [0.5])
        assert [record.getMessage() for record in caplog.records if "flat.npy" in record.getMessage()]
        assert len(caplog.records) == 1
        caplog.clear()
        varied = np.full((8, 24, 32), 0.5)
        varied[7] = 0.25
        np.save(tmp_path / "varied.npy", varied)
        values(tmp_path / "varied.npy", video)
        assert not caplog.records


def test_frames_that_are_not_asked_for_are_passed_over(tmp_path: Path, make_video: MakeVideo) -> None:
    times = [40 * number for number in range(200)]
    disparity = np.zeros((200, 24, 32), np.float32)
    disparity[0], disparity[150:] = 0.25, 0.5
    np.save(tmp_path / "track.npy", disparity)
    video = make_video(times, size=(32, 24))
    read = values(tmp_path / "track.npy", video, [0, 149, 150, 199], size=(32, 24))
    assert read == [0.25, 0, 0.5, 0.5]


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.slow
def test_a_long_track_does_not_fill_the_memory(tmp_path: Path, make_video: MakeVideo, suffix: str) -> None:
    path = tmp_path / f"track{suffix}"
    disparity = np.zeros((300, 240, 320), np.float32)  # 92 MB
    disparity[:, 0] = 1
    (np.save if suffix == ".npy" else np.savez_compressed)(path, disparity)
    del disparity
    video = make_video([40 * number for number in range(300)], size=(32, 24))
    tracemalloc.start()
    values(path, video, [0, 100, 299], size=(32, 24))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6
