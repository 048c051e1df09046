"""Distances that disparity stands for: what a track states of them, and what a metric network gives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from films import write_clip
from folders import catalog_entry, use_own_folders
from video_depth import keep_tiny_video_network, write_metric_track

from any2bokeh.depth.distances import DepthRange, MetricScale
from any2bokeh.depth.networks import VideoNetwork
from any2bokeh.depth.track import open_track
from any2bokeh.errors import DisparityError
from any2bokeh.run import estimate_depth
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings, TrackSettings
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.gray import open_gray

CATALOG = catalog_entry("depth-video-metric", "metric.pth")
CUT = 2  # frame of the clip of four with which a shot begins


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_folders(tmp_path, CATALOG, monkeypatch)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4")


def test_disparity_is_linear_in_inverse_distance() -> None:
    here = DepthRange(2.0, 10.0)
    assert (here.distance_m(1), here.distance_m(0)) == pytest.approx((2, 10))
    assert here.distance_m(0.5) == pytest.approx(1 / (0.5 / 2 + 0.5 / 10))
    for distance_m in (2.0, 3.3, 10.0):
        assert here.distance_m(here.disparity(distance_m)) == pytest.approx(distance_m)
    assert (here.disparity(1), here.disparity(50)) == (1, 0)  # nearer, and farther, than all


def test_a_shot_in_which_all_is_equally_far_has_one_disparity() -> None:
    flat = DepthRange.of_inverse(0.25, 0.25)
    assert (flat.near_m, flat.far_m, flat.disparity(3)) == (4, 4, 0)
    assert DepthRange.of_inverse(0, 0.5).far_m == 1e6


def test_a_scale_is_stated_and_read_again() -> None:
    scale = MetricScale.of_frames([DepthRange(1, 5)] * 3 + [DepthRange(2, 9)])
    assert scale.starts == [0, 3]
    read = MetricScale.from_text(scale.to_text(), "track.mkv")
    assert [read.at(number) for number in range(5)] == [DepthRange(1, 5)] * 3 + [DepthRange(2, 9)] * 2


@pytest.mark.parametrize("text", ["no", "[]", "[[0, 5, 1]]", "[[0, 0, 1]]", "[[3, 1, 2], [0, 1, 2]]", "7"])
def test_a_scale_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DisparityError, match=r"track\.mkv"):
        MetricScale.from_text(text, "track.mkv")


def test_a_track_keeps_its_distances_and_so_does_what_is_made_of_it(clip: Path, tmp_path: Path) -> None:
    track = write_metric_track(tmp_path / "track.mkv", clip, {0: DepthRange(1, 5), CUT: DepthRange(2, 20)})
    again = tmp_path / "again.mkv"
    estimate_depth(clip, again, TrackSettings(depth=DepthSettings(track=track), device="cpu"))
    for path in (track, again):
        with VideoClip(clip) as video, open_track(path, "disparity", video) as opened:
            assert opened.is_metric
            ranges = [opened.depth_range_at(pts) for pts in video.times]
            assert ranges == [DepthRange(1, 5)] * CUT + [DepthRange(2, 20)] * 2
            assert opened.again().depth_range_at(video.times[0]) == DepthRange(1, 5)
            assert not open_track(path, "inverted", video).is_metric


@pytest.fixture
def known_distances(monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """A metric network that sees a ramp from 2 m at the left to 10 m at the right."""
    depth = torch.linspace(2, 10, 98).expand(56, 98)

    def load(*_: object) -> object:
        def estimates(frames: Iterator[object]) -> Iterator[object]:
            for _ in frames:
                yield (1 / depth).numpy()

        return estimates

    monkeypatch.setattr(VideoNetwork, "load", load)
    monkeypatch.setattr(VideoNetwork, "seen_size", lambda *_: (56, 98))
    return depth


def test_a_metric_estimate_knows_the_distances_of_its_disparity(
    clip: Path, tmp_path: Path, known_distances: torch.Tensor
) -> None:
    keep_tiny_video_network("depth-video-metric", tmp_path)
    settings = ClipSettings(depth=DepthSettings(model="video-metric", size=56), device="cpu")
    for _ in range(2):  # estimated, and out of the cache
        with ClipSession(clip, settings) as session:
            here = session.disparity.depth_range_at(session.times[0])
            _, disparity = next(session.frames())
        assert here.near_m == pytest.approx(2, rel=0.02) and here.far_m == pytest.approx(10, rel=0.02)
        for column in (8, 32, 56):
            distance_m = here.distance_m(float(disparity[0, 24, column]))
            assert distance_m == pytest.approx(2 + 8 * (column + 0.5) / 64, rel=0.04)
    track = tmp_path / "track.mkv"
    estimate_depth(clip, track, TrackSettings(depth=settings.depth, device="cpu"))
    assert MetricScale.from_text(open_gray(track).note, track).at(0) == here
