"""Shards of clips that networks draw or look at: the frames of one run, though windows reach over cuts."""

from pathlib import Path
from typing import Any

import parity
import pytest
from folders import catalog_entry, downloaded, use_own_folders
from shards import Hashes, check_equal, settings_for
from video_depth import keep_tiny_video_network

from any2bokeh.cli import main
from any2bokeh.render.diffusion.chunks import plan_chunks
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings, Point
from any2bokeh.settings.render_settings import ChunkSettings, DiffusionSettings, RenderSettings

ENCODER = catalog_entry(
    "svd-image-encoder", "image_encoder/config.json", "image_encoder/model.fp16.safetensors"
)
VIDEO = catalog_entry("depth-video", "video_depth_anything_vits.pth")


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny networks of the diffusion renderer and of video depth, where an import leaves them."""
    use_own_folders(tmp_path, ENCODER + VIDEO, monkeypatch)
    parity.save_image_encoder(downloaded(tmp_path, "any2bokeh-tests/svd-image-encoder") / "image_encoder")
    parity.save_networks(tmp_path / "published")
    assert main(["import-weights", str(tmp_path / "published"), "--mask-mode", "released", "-q"]) == 0
    keep_tiny_video_network("depth-video", tmp_path)


def drawn_by(renderer: Any, **diffusion: Any) -> RenderSettings:
    return RenderSettings(
        renderer=renderer,
        device="cpu",
        dtype="float32",
        diffusion=DiffusionSettings(work_size=128, **diffusion),
    )


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(
    ("chunks", "counts"),
    [({}, (5,)), ({"chunk": 5, "overlap": 1}, (2,))],
    ids=["chunks of 8", "chunks of 5"],
)
def test_the_papers_network(
    film: Path, track: Path, hashes: Hashes, chunks: dict[str, int], counts: tuple[int, ...]
) -> None:
    settings = settings_for(track, render=drawn_by("diffusion", **chunks))
    check_equal(film, settings, hashes, counts)


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
def test_the_papers_network_with_disparity_that_is_estimated_by_shots_and_a_followed_point(
    film: Path, hashes: Hashes
) -> None:
    focus = FocusSettings(follow=Point(20, 25), blur_strength=30)
    check_equal(film, settings_for(focus=focus, render=drawn_by("diffusion")), hashes, (2,))


@pytest.mark.slow
def test_the_small_network(film: Path, track: Path, hashes: Hashes) -> None:
    check_equal(film, settings_for(track, render=drawn_by("small")), hashes, (2, 6))


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
def test_depth_of_video_windows(film: Path, hashes: Hashes) -> None:
    depth = DepthSettings(model="video", size=70, use_cache=False)
    check_equal(film, settings_for(depth=depth), hashes, (2, 5))


def test_chunks_reach_over_the_cuts_of_these_shards() -> None:
    """Else the tests above would hold without any context."""
    chunks = plan_chunks(26, ChunkSettings())
    for cut in (9, 13, 17, 20):
        assert any(chunk.start < cut < chunk.stop for chunk in chunks)
