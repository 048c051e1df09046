"""A short film of three shots, and its frames as they are compared."""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import write_sine
from folders import use_own_folders

from any2bokeh.farm import part_maker
from any2bokeh.farm.parts import plan_parts

CATALOG = """
[[model]]
name = "none"
repository = "any2bokeh-tests/nowhere"
license = "Apache-2.0"
purpose = "is not on this machine"
files = ["config.json"]
"""
WIDTH, HEIGHT, FRAMES = 64, 48, 26
STARTS = (0, 9, 20)

Hashes = Callable[[Path], list[tuple[int, str]]]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches of whoever runs the tests out of them; parts are short."""
    use_own_folders(tmp_path, CATALOG, monkeypatch)

    def short_parts(frames: int, starts: list[int], shards: int) -> object:
        return plan_parts(frames, starts, shards, most_frames=5)

    monkeypatch.setattr(part_maker, "plan_parts", short_parts)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A square before textures that move, with sound."""
    random = np.random.default_rng(0)
    ranges = ((20, 110), (140, 240), (60, 180))  # so different that none leads to the next
    textures = [np.kron(random.integers(*each, (16, 30, 3)), np.ones((4, 4, 1))) for each in ranges]
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(24), options={"crf": "14", "g": "7"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(FRAMES):
            shot = sum(start <= number for start in STARTS) - 1
            picture = textures[shot][:HEIGHT, number : number + WIDTH].astype(np.uint8)
            picture[14:36, 10 + number : 30 + number] = (200 - 60 * shot, 60, 60 + 70 * shot)
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        container.mux(video.encode())
        write_sine(container, sound)
    return path


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """Disparity of it that flickers: floats."""
    random = np.random.default_rng(1)
    ramp = np.linspace(0.1, 0.9, WIDTH)[None, None] * np.ones((FRAMES, HEIGHT, 1))
    path = tmp_path / "track.npy"
    np.save(path, (ramp + random.normal(0, 0.02, (FRAMES, 1, 1))).clip(0, 1).astype(np.float32))
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """The mask of the square."""
    found = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for number in range(FRAMES):
        found[number, 14:36, 10 + number : 30 + number] = 255
    path = tmp_path / "mask.npy"
    np.save(path, found)
    return path


@pytest.fixture
def hashes() -> Hashes:
    """The time and a hash of each frame of a video."""

    def of(path: Path) -> list[tuple[int, str]]:
        with av.open(str(path)) as container:
            return [
                (frame.pts or 0, hashlib.sha256(frame.to_ndarray()).hexdigest())
                for frame in container.decode(video=0)
            ]

    return of
