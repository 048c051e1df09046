"""What Video Depth Anything Small costs beside Depth Anything V2 Small, both with made-up weights.

    python benchmarks/video_depth.py [--sizes 280 518] [--threads 1] [--dtype float32]

Prints, for pictures of 16:9 whose shorter side has so many pixels: operations counted (a multiplication and
an addition are two), CPU-seconds, and how much memory grows at its peak. A window of the video network has 32
frames of which 22 are new. "Kept maps" is how we run it; "as published" encodes all frames of every window.
Memory is Linux' figure of the process, and is left out elsewhere.
"""

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from depth_steady import random_network
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from any2bokeh.depth.depth_anything import in_precision
from any2bokeh.depth.video_depth.depth_windows import STEP
from any2bokeh.depth.video_depth.video_estimator import video_frame_size
from any2bokeh.depth.video_depth.video_network import WINDOW, Maps, VideoDepthNetwork

ENTRIES = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True)
class Cost:
    """What something took: operations, CPU-seconds, and by how many bytes memory grew, if that is known."""

    operations: float
    seconds: float
    bytes: float | None


def video_network() -> VideoDepthNetwork:
    """Small, untrained; layers that start at zero get other values."""
    torch.manual_seed(0)
    network = VideoDepthNetwork().eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.02)
    return network


def operations(work: Callable[[], object]) -> float:
    """How many operations ``work`` takes on the meta device, where every kind of attention is counted."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def measure(work: Callable[[], object], counted: float, *, repeats: int) -> Cost:
    """The cost of ``work``, whose operations were ``counted``: the least time of several."""
    with torch.no_grad():
        work()
        before = _peak_bytes(reset=True)
        seconds = []
        for _ in range(repeats):
            started_s = time.process_time()
            work()
            seconds.append(time.process_time() - started_s)
        after = _peak_bytes()
    grown = None if before is None or after is None else after - before
    return Cost(counted, min(seconds), grown)


def _peak_bytes(*, reset: bool = False) -> float | None:
    """The most memory the process had at once, since the last reset."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        found = ENTRIES.search(Path("/proc/self/status").read_text())
    except OSError:
        return None
    return float(found[1]) * 1024 if found else None


def repeated(maps: Maps, frames: int) -> Maps:
    """The maps of a window whose frames are all the same."""
    first, second, third, fourth = (level.repeat(frames, 1, 1, 1) for level in maps)
    return first, second, third, fourth


def row(name: str, cost: Cost) -> str:
    """A line of the table."""
    memory = "" if cost.bytes is None else f"{cost.bytes / 1e6:.0f}"
    return f"| {name} | {cost.operations / 1e9:.1f} | {cost.seconds:.2f} | {memory} |"


def print_costs(shorter_side: int, dtype: torch.dtype) -> None:
    """One table."""
    height, width = video_frame_size(1080, 1920, shorter_side)
    pixels: Tensor = torch.randn(1, 3, height, width)
    with torch.device("meta"):
        shadows = random_network().requires_grad_(False), VideoDepthNetwork().requires_grad_(False)
        shadow = torch.empty(1, 3, height, width)
        encoded = repeated(shadows[1].encode(shadow), WINDOW)
    image = in_precision(random_network(), dtype)
    first = next(image.parameters()).dtype
    alone = measure(
        lambda: image(pixel_values=pixels.to(first)),
        operations(lambda: shadows[0](pixel_values=shadow)),
        repeats=3,
    )
    video = video_network().to_precision(dtype)
    encoder = measure(lambda: video.encode(pixels), operations(lambda: shadows[1].encode(shadow)), repeats=3)
    with torch.no_grad():
        maps = repeated(video.encode(pixels), WINDOW)
    window = measure(lambda: video.decode(maps), operations(lambda: shadows[1].decode(encoded)), repeats=1)

    def per_frame(times: float) -> Cost:
        most = None if window.bytes is None or encoder.bytes is None else max(window.bytes, encoder.bytes)
        return Cost(
            times * encoder.operations + window.operations / STEP,
            times * encoder.seconds + window.seconds / STEP,
            most,
        )

    kept, published = per_frame(1), per_frame(WINDOW / STEP)
    kept_bytes = sum(level.numel() * level.element_size() for level in maps)
    print(f"\n{width}x{height}, {str(dtype).removeprefix('torch.')}, {torch.get_num_threads()} thread(s)\n")
    print("| per frame | GFLOP | CPU-s | memory, MB |\n|---|---|---|---|")
    print(row("Depth Anything V2 Small", alone))
    print(row("Video Depth Anything Small, kept maps", kept))
    print(row("Video Depth Anything Small, as published", published))
    print(row("its encoder alone", encoder))
    print(row(f"its decoder, a window of {WINDOW} frames", window))
    share = kept.operations / alone.operations, kept.seconds / alone.seconds
    print(
        f"\nkept maps cost {share[0]:.2f} times Depth Anything V2 in operations, {share[1]:.2f} in seconds;"
        f" the maps of a window are {kept_bytes / 1e6:.0f} MB"
    )


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[280, 518])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for shorter_side in options.sizes:
        print_costs(shorter_side, getattr(torch, options.dtype))


if __name__ == "__main__":
    main()
