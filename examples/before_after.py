"""Lay a frame before and after refocusing side by side.

    python examples/before_after.py BEFORE.mp4 AFTER.mp4 STILL.png [--at 1.5] [--width 480] [--beside]

Writes a PNG with the frame at that time of both videos: the first above the second for wide ones, beside it
for tall ones, and where ``--beside`` says so.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

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
    parser.add_argument("--width", type=int, help="of each frame, in pixels (default: its own)")
    parser.add_argument("--beside", action="store_true", help="put wide frames beside each other too")
    options = parser.parse_args()
    first, second = (
        resized(frame_at(path, options.at), options.width) for path in (options.before, options.after)
    )
    upright = first.shape[1] > first.shape[2]
    write_png(options.still, joined(first, second, dim=2 if upright or options.beside else 1), overwrite=True)
    print(options.still)


def frame_at(video: Path, time: str) -> Tensor:
    """The first frame (R'G'B' ``3 H W``) at a time of a video, or after it."""
    with open_video(video, TimeRange(start=parse_time(time))) as frames:
        return next(iter(frames)).picture


def resized(frame: Tensor, width: int | None) -> Tensor:
    """A picture ``3 H W`` at a width, or as it is."""
    if width is None:
        return frame
    size = (round(width * frame.shape[1] / frame.shape[2]), width)
    return interpolate(frame[None], size, mode="bilinear", antialias=True)[0]


def joined(first: Tensor, second: Tensor, dim: int) -> Tensor:
    """Two pictures ``3 H W`` with a white gap between them, along rows (1) or columns (2)."""
    size = list(first.shape)
    size[dim] = GAP_PX
    return torch.cat([first, torch.ones(size), second], dim=dim)


if __name__ == "__main__":
    main()
