"""Which network estimates disparity: of those that are here, the one that suits the device."""

from pathlib import Path

import pytest
import torch
from films import write_clip
from folders import catalog_entry, downloaded, use_own_folders
from video_depth import keep_tiny_video_network

from any2bokeh.depth.networks import find_network, video_network_shapes
from any2bokeh.depth.source import plan_estimate
from any2bokeh.errors import SettingsError, WeightsError
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.video.clip import VideoClip
from any2bokeh.weights.catalog import load_catalog

CPU, GPU = torch.device("cpu"), torch.device("cuda")
CATALOG = "".join(
    catalog_entry(f"depth-{name}", file, repository=f"tests/{name}")
    for name, file in (
        ("small", "config.json"),
        ("base", "config.json"),
        ("video", "video.pth"),
        ("video-large", "large.pth"),
        ("video-metric", "metric.pth"),
    )
)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_folders(tmp_path, CATALOG, monkeypatch)


def bring(name: str, tmp_path: Path) -> None:
    """Put a network on the machine: the tiny video network, or a file that is enough to be found."""
    if name.startswith("video"):
        keep_tiny_video_network(f"depth-{name}", tmp_path)
    else:
        (downloaded(tmp_path, f"tests/{name}") / "config.json").touch()


@pytest.mark.parametrize(
    ("here", "on_cpu", "on_gpu"),
    [
        ((), "compact", "compact"),
        (("video",), "depth-video", "depth-video"),
        (("small", "video"), "depth-small", "depth-video"),
        (("base", "small"), "depth-small", "depth-small"),
        (("base", "video"), "depth-video", "depth-video"),
        (("base", "video-large"), "depth-base", "depth-video-large"),
        (("video-metric",), "depth-video-metric", "depth-video-metric"),
    ],
)
def test_auto_takes_what_suits_the_device(
    here: tuple[str, ...], on_cpu: str, on_gpu: str, tmp_path: Path
) -> None:
    for name in here:
        bring(name, tmp_path)
    assert find_network(DepthSettings(), CPU).name == on_cpu
    assert find_network(DepthSettings(), GPU).name == on_gpu


def test_auto_with_keyframes_takes_a_network_that_sees_single_frames(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bring("video", tmp_path)
    with VideoClip(write_clip(tmp_path / "clip.mp4")) as clip:  # nothing else is here
        assert plan_estimate(clip, DepthSettings(every=4), CPU, "auto").pace.every == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "depth-video" in caplog.text and "every=4" in caplog.text
    bring("base", tmp_path)
    assert find_network(DepthSettings(every=4), CPU).name == "depth-base"
    assert find_network(DepthSettings(every=1), CPU).name == "depth-video"


def test_a_video_network_has_no_keyframes() -> None:
    with pytest.raises(SettingsError, match="4"):
        DepthSettings(model="video", every=4)


def test_a_network_that_is_not_here_names_the_command(tmp_path: Path) -> None:
    bring("video", tmp_path)
    with pytest.raises(WeightsError) as caught:
        find_network(DepthSettings(model="video-large"), CPU)
    assert "bokeh download-weights depth-video-large" in caught.value.hint
    assert "import-weights large.pth" in caught.value.hint


def test_a_video_network_needs_no_steadying_and_sees_every_frame(tmp_path: Path) -> None:
    bring("video", tmp_path)
    with VideoClip(write_clip(tmp_path / "clip.mp4", width=160, height=90)) as clip:
        plan = plan_estimate(clip, DepthSettings(model="video"), CPU, "auto")
        assert (plan.pace.every, plan.pace.steady) == (1, False)
        assert plan.seen_size == (280, 504) and plan.size == (280, 498)
        wanted = DepthSettings(model="video", steady=True, size=60)
        steadied = plan_estimate(clip, wanted, CPU, "auto")
        assert steadied.pace.steady
        assert steadied.seen_size == (70, 112)
        assert steadied.key(clip.time_range) != plan.key(clip.time_range)


def test_progress_tells_of_each_frame_that_the_network_saw(tmp_path: Path) -> None:
    bring("video", tmp_path)
    clip, seen = write_clip(tmp_path / "clip.mp4", width=96, height=64), []
    settings = ClipSettings(depth=DepthSettings(model="video", size=56), device="cpu")
    with ClipSession(clip, settings, lambda told: seen.append(told.done)) as session:
        assert session.estimated.frame_count == 4
    assert seen == [1, 2, 3, 4]


def test_every_video_network_of_the_list_can_be_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANY2BOKEH_MODELS")
    pickles = [name for name, model in load_catalog().items() if model.is_pickle]
    assert pickles == ["depth-video", "depth-video-base", "depth-video-large", "depth-video-metric"]
    for name in pickles:
        assert len(video_network_shapes(name)) == (351 if "large" not in name else 519)
    with pytest.raises(WeightsError, match="depth-small"):
        video_network_shapes("depth-small")
