"""Lay frames of a video side by side.

    python examples/stills.py VIDEO STILL.png 0.5 1.4 2.5 [--width 420]

Writes a PNG with the frames at those times, each ``--width`` pixels wide.
"""

import argparse
from pathlib import Path

import torch
from before_after import frame_at, resized
from torch.nn.functional import pad

from any2bokeh.video.png import write_png

GAP_PX = 6


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("still", type=Path)
    parser.add_argument("times", nargs="+", help="times of the frames: 1.5, 1.5s, 00:00:01.5 or f36")
    parser.add_argument("--width", type=int, default=420, help="of each frame, in pixels (default 420)")
    options = parser.parse_args()
    frames = [resized(frame_at(options.video, time), options.width) for time in options.times]
    spaced = [pad(frame, (0, GAP_PX), value=1.0) for frame in frames[:-1]]
    write_png(options.still, torch.cat([*spaced, frames[-1]], dim=2), overwrite=True)
    print(options.still)


if __name__ == "__main__":
    main()
