"""Lay a frame before and after refocusing side by side.

    python examples/before_after.py BEFORE.mp4 AFTER.mp4 STILL.png [--at 1.5]

Writes a PNG with the frame at that time of both videos: the first above the second for wide ones, beside it
for tall ones.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from any2bokeh.settings.values import parse_time
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import open_video
from any2bokeh.video.png import write_png

GAP_PX = 8


def main() -> None:
    """Write the still."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("still", type=Path)
    parser.add_argument("--at", default="1.5", help="time of the frame: 1.5, 1.5s, 00:00:01.5 or f36")
    options = parser.parse_args()
    pictures = [frame_at(path, options.at) for path in (options.before, options.after)]
    write_png(options.still, beside(*pictures), overwrite=True)
    print(options.still)


def frame_at(video: Path, time: str) -> Tensor:
    """The first frame (R'G'B' ``3 H W``) at a time of a video, or after it."""
    with open_video(video, TimeRange(start=parse_time(time))) as frames:
        return next(iter(frames)).picture


def beside(first: Tensor, second: Tensor) -> Tensor:
    """Two pictures ``3 H W`` with a white gap between them."""
    upright = first.shape[1] > first.shape[2]
    gap = torch.ones(3, first.shape[1], GAP_PX) if upright else torch.ones(3, GAP_PX, first.shape[2])
    return torch.cat([first, gap, second], dim=2 if upright else 1)


if __name__ == "__main__":
    main()
