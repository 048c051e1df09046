"""``--depth video``: weights that are brought, and a clip of two shots through the whole command."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from films import write_sine
from folders import use_own_folders
from video_depth import keep_tiny_video_network, tiny_video_network

from any2bokeh.depth.video_depth.video_network import VideoDepthNetwork
from any2bokeh.video.gray import open_gray

Bokeh = Callable[..., Any]

FRAMES, CUT, WIDTH, HEIGHT = 70, 38, 112, 64
CATALOG = """
[[model]]
name = "depth-video"
repository = "any2bokeh-tests/video"
license = "Apache-2.0"
purpose = "tests"
files = ["video_depth_anything_vits.pth"]
"""


@pytest.fixture(autouse=True)
def own_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_folders(tmp_path, CATALOG, monkeypatch)


@pytest.fixture
def two_shots(tmp_path: Path) -> Path:
    """A clip with sound: one texture passes to the right, from frame 38 on another one down."""
    path = tmp_path / "shots.mkv"
    random = np.random.default_rng(0)
    walls = [
        np.kron(random.integers(low, high, (8, 14, 3)), np.ones((8, 8, 1)))
        for low, high in ((20, 90), (120, 230))
    ]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"crf": "12", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(FRAMES):
            picture = np.roll(walls[number >= CUT], number % 40, axis=1 if number < CUT else 0)
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
        write_sine(container, sound)
    return path


def times_of(path: Path, kind: str) -> list[tuple[int | None, int]]:
    """Time stamp and size of each packet with content."""
    with av.open(str(path)) as container:
        [stream] = getattr(container.streams, kind)
        return [
            (packet.pts, packet.size if kind == "audio" else 0)
            for packet in container.demux(stream)
            if packet.size
        ]


@pytest.mark.slow
def test_clip_of_two_shots_goes_through_the_whole_command(
    bokeh: Bokeh, two_shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_tiny_video_network("depth-video", tmp_path)
    encoded: list[int] = []
    encode = VideoDepthNetwork.encode
    windows: list[int] = []
    decode = VideoDepthNetwork.decode

    def counted_encode(network: VideoDepthNetwork, pixels: torch.Tensor) -> Any:
        encoded.append(len(pixels))
        return encode(network, pixels)

    def counted_decode(network: VideoDepthNetwork, maps: Any) -> Any:
        windows.append(len(maps[0]))
        return decode(network, maps)

    monkeypatch.setattr(VideoDepthNetwork, "encode", counted_encode)
    monkeypatch.setattr(VideoDepthNetwork, "decode", counted_decode)
    target, track = tmp_path / "out.mkv", tmp_path / "track.mkv"
    lens = ["--focus", "0.5", "--k", "16", "--depth", "video", "--depth-size", "56", "--device", "cpu"]
    run = bokeh("refocus", two_shots, *lens, "-o", target, "-v")
    assert (run.code, run.errors, run.out) == (0, [], f"{target}\n")
    assert "shots: 2" in run.err
    assert sum(encoded) == FRAMES  # each frame once
    assert windows == [32, 32, 32, 32]  # two windows for each shot, of 38 and of 32 frames
    assert sorted(times_of(target, "video")) == sorted(times_of(two_shots, "video"))
    assert times_of(target, "audio") == times_of(two_shots, "audio")

    # The second run has the track in its cache, and `depth` writes it.
    assert bokeh("depth", two_shots, *lens[4:], "-o", track).code == 0
    assert sum(encoded) == FRAMES
    values = torch.cat([values for _, values in open_gray(track).frames()])
    assert values.shape == (FRAMES, 56, 98)
    for shot in (values[:CUT], values[CUT:]):  # normalized each by itself
        assert shot.quantile(0.01) < 0.1 and shot.max() == 1
    assert (
        bokeh("refocus", two_shots, "--disparity", track, *lens[:4], "-o", tmp_path / "again.mkv").code == 0
    )


def test_shorter_than_a_window(bokeh: Bokeh, clip: Path, tmp_path: Path) -> None:
    keep_tiny_video_network("depth-video", tmp_path)
    run = bokeh("depth", clip, "--depth-size", "56", "--device", "cpu")  # auto: nothing else is here
    assert (run.code, run.errors) == (0, [])
    assert "Warning" not in run.err
    values = torch.cat([values for _, values in open_gray(clip.with_name("clip.disparity.mkv")).frames()])
    assert len(values) == 4 and values.std() > 0.05


def test_it_is_stabilized_on_request(bokeh: Bokeh, clip: Path, tmp_path: Path) -> None:
    keep_tiny_video_network("depth-video", tmp_path)
    tracks = []
    for option in ("--no-steady", "--steady"):
        tracks.append(tmp_path / f"{option}.mkv")
        options = ["--depth-size", "56", "--device", "cpu", option, "-o", tracks[-1]]
        assert bokeh("depth", clip, *options).code == 0
    plain, steadied = (torch.cat([v for _, v in open_gray(track).frames()]) for track in tracks)
    assert plain.shape == steadied.shape
    assert (plain - steadied).abs().mean() > 1e-3
    assert steadied.diff(dim=0).abs().mean() < plain.diff(dim=0).abs().mean()


def test_keyframes_and_a_video_network_exclude_each_other(bokeh: Bokeh, clip: Path) -> None:
    run = bokeh("depth", clip, "--depth", "video", "--depth-every", "4")
    assert run.code == 2
    assert "--depth video" in run.errors[0] and "--depth-every" in run.errors[0]


def test_without_weights_both_ways_to_get_them_are_named(bokeh: Bokeh, clip: Path) -> None:
    run = bokeh("depth", clip, "--depth", "video")
    assert run.code == 1
    assert "bokeh download-weights depth-video" in run.err
    assert "bokeh import-weights video_depth_anything_vits.pth" in run.err


def small_state() -> Iterator[tuple[str, torch.Tensor]]:
    """Weights of Small, all the same value: a file that is quickly made."""
    with torch.device("meta"):
        network = VideoDepthNetwork()
    for key, value in network.state_dict().items():
        yield key, torch.full(value.shape, 0.01)


@pytest.mark.slow
def test_dry_run_says_how_long_estimating_takes(bokeh: Bokeh, clip: Path, tmp_path: Path) -> None:
    keep_tiny_video_network("depth-video", tmp_path)
    lens = ["--focus", "0.5", "--k", "8", "--depth-size", "56", "--device", "cpu", "--dry-run"]
    run = bokeh("refocus", clip, *lens)
    assert (run.code, run.errors) == (0, [])
    assert re.search(r"estimate:  about \d+ s", run.out)
    [planned] = json.loads(bokeh("refocus", clip, *lens, "--json").out)["results"]
    assert 0 < planned["depth_seconds"] < 20
    assert bokeh("depth", clip, *lens[4:-1]).code == 0
    assert "estimate:" not in bokeh("refocus", clip, *lens).out  # the cache has it


@pytest.mark.slow
def test_weights_brought_from_elsewhere_are_imported_and_listed(bokeh: Bokeh, tmp_path: Path) -> None:
    file = tmp_path / "video_depth_anything_vits.pth"
    torch.save(dict(small_state()), file)
    folder = tmp_path / "home" / "networks" / "depth-video"
    run = bokeh("import-weights", file)
    assert (run.code, run.out) == (0, f"{folder}\n")
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "model.safetensors",
        "source.json",
    ]
    [listed] = json.loads(bokeh("download-weights", "--list", "--json").out)["models"]
    assert listed["folder"] == str(folder)
    assert bokeh("import-weights", file).code == 1  # it is here
    assert bokeh("import-weights", file, "--overwrite").code == 0
    assert str(folder) in bokeh("doctor", "--verify").out
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-4, 2)
        weights.write(b"\0\0\0\0")
    assert "depth-video" in (damaged := bokeh("doctor", "--verify").out)
    assert "model.safetensors was changed since the import" in damaged


def test_weights_of_another_size_are_refused(bokeh: Bokeh, tmp_path: Path) -> None:
    file = tmp_path / "video_depth_anything_vits.pth"
    torch.save(tiny_video_network().state_dict(), file)
    run = bokeh("import-weights", file)
    assert (run.code, run.out) == (1, "")
    assert "pretrained.blocks.4.norm1.weight" in run.errors[0]
    assert not (tmp_path / "home" / "networks" / "depth-video").exists()


def test_a_file_of_another_name_asks_for_the_networks_name(bokeh: Bokeh, tmp_path: Path) -> None:
    file = tmp_path / "renamed.pth"
    torch.save({"a": torch.zeros(1)}, file)
    run = bokeh("import-weights", file)
    assert run.code == 1
    assert "renamed.pth" in run.errors[0] and "depth-video" in run.errors[0]
    run = bokeh("import-weights", file, "--name", "depth-video")
    assert run.code == 1
    assert "pretrained.cls_token" in run.errors[0]  # it was read, as that network's
