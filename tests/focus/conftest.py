"""Clips of a few things at known places and disparities."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from any2bokeh.depth.track import DepthClip, open_track
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.create import create_video
from any2bokeh.video.gray import open_gray_writer

WIDTH, HEIGHT, RATE = 192, 108, Fraction(24)

Thing = tuple[float, float, float, float]  # x and y of its middle, radius [px], disparity
Things = Callable[[int], list[Thing]]  # those of a frame, the farthest first


def draw(things: list[Thing]) -> tuple[Tensor, Tensor, Tensor]:
    """Picture, disparity and the mask of the last thing: textured discs before a textured wall at 0.1.

    The floor comes nearer towards the lower border: it runs through every disparity there is.
    """
    rows, columns = torch.meshgrid(torch.arange(HEIGHT).float(), torch.arange(WIDTH).float(), indexing="ij")
    picture = 0.3 + 0.1 * torch.stack([(columns / 5).sin(), (rows / 7).cos(), (columns / 9).cos()])
    floor = ((rows - 0.7 * HEIGHT) / (0.3 * HEIGHT)).clamp(min=0)
    disparity = 0.1 + 0.9 * floor
    mask = torch.zeros(HEIGHT, WIDTH)
    for number, (x, y, radius, near) in enumerate(things):
        inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
        stripes = 0.5 + 0.3 * (((columns - x) + 2 * (rows - y)) / 3).sin()
        color = torch.tensor([0.9, 0.3, 0.2]) if number == len(things) - 1 else torch.tensor([0.2, 0.5, 0.9])
        picture = torch.where(inside, stripes * color[:, None, None], picture)
        disparity = torch.where(inside, torch.tensor(near), disparity)
        mask = inside.float()
    return picture, disparity[None], mask[None]


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., DepthClip]:
    """Write a clip of things, its disparity and the mask of the last thing, and return it to be looked at."""

    def make(things: Things, frames: int, time_range: TimeRange | None = None) -> DepthClip:
        video, track, mask = (tmp_path / name for name in ("clip.mkv", "track.mkv", "mask.mkv"))
        size = (WIDTH, HEIGHT)
        with (
            create_video(video, *size, RATE) as pictures,
            open_gray_writer(track, *size, 1 / RATE, RATE) as disparities,
            open_gray_writer(mask, *size, 1 / RATE, RATE) as masks,
        ):
            for number in range(frames):
                picture, disparity, inside = draw(things(number))
                pictures.write(picture)
                disparities.write(disparity, number)
                masks.write(inside, number)
        clip = VideoClip(video, time_range or TimeRange())
        return DepthClip(clip, open_track(track, "disparity", clip))

    return make


def counted() -> tuple[list[int], Callable[[int], None]]:
    """A list, and what appends to it."""
    seen: list[int] = []
    return seen, seen.append


def disparities(things: Things, frames: int, which: int = -1) -> np.ndarray:
    return np.array([things(number)[which][3] for number in range(frames)])
