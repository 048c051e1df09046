"""How near estimated disparity comes to a given track, and what that does to the refocused picture.

    python benchmarks/depth.py CLIP --disparity TRACK [--depth compact --focus 0.7 --k 16 --frames 12]

Estimates the clip as the command does, steadied and normalized, and compares frames spread over it with
the track: Spearman's rank correlation, the mean absolute error after the scale and shift that fit each
frame best, and the PSNR of the refocused frame against the one refocused with the track. Two guesses that
look at nothing stand beside it: one value for all, and a ramp from top to bottom, each fitted alike.
Prints a table, and the CPU-seconds of one thread for a frame of 1024x576. ``--picture`` shows frames,
their track and their estimate.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.depth.colormap import colorize
from any2bokeh.depth.networks import find_network
from any2bokeh.depth.track import open_track
from any2bokeh.depth.video_depth.depth_windows import STEP
from any2bokeh.depth.video_depth.video_network import PATCH, WINDOW
from any2bokeh.lab.compact.scale_free import fit_scale_shift, fitted_error, rank_correlation
from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.shots import ReducedFrame
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.scene import Frame, Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthModel, DepthSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.video.decode import probe_video
from any2bokeh.video.png import write_png

CPU = torch.device("cpu")
STRIDE = 3  # every third pixel of both directions is compared


@dataclass
class Score:
    """What one guess came to on each frame."""

    ranks: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    psnrs: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A line of the table: means over the frames, and the worst rank correlation."""
        rank, error, psnr = (sum(values) / len(values) for values in (self.ranks, self.errors, self.psnrs))
        return f"| {name} | {rank:.3f} | {min(self.ranks):.3f} | {error:.3f} | {psnr:.2f} |"


def pairs(
    clip: Path, track: Path, settings: DepthSettings, count: int
) -> Iterator[tuple[Frame, Tensor, Tensor]]:
    """Yield ``count`` frames spread over the clip with their given and their estimated disparity."""
    with (
        ClipSession(clip, ClipSettings(depth=settings, device="cpu")) as session,
        open_track(track, "disparity", session.video) as given,
        closing(session.frames()) as frames,
    ):
        last = len(session.times) - 1
        chosen = {session.times[round(i * last / max(count - 1, 1))] for i in range(count)}
        for frame, guess in frames:
            right = given.at(frame)
            if frame.pts in chosen:
                yield frame, right, guess


def compare(
    frame: Frame, right: Tensor, guesses: dict[str, Tensor], lens: Renderer, focus: tuple[float, float]
) -> dict[str, tuple[float, float, float]]:
    """Return rank correlation, fitted error and PSNR of each guess on one frame."""
    wanted = refocused(lens, frame, right, focus)
    found = {}
    for name, guess in guesses.items():
        small, right_small = guess[:, ::STRIDE, ::STRIDE], right[:, ::STRIDE, ::STRIDE]
        scale, shift = fit_scale_shift(small, right_small)
        picture = refocused(lens, frame, (guess * scale + shift).clamp(0, 1), focus)
        psnr = float(-10 * (picture - wanted).square().mean().log10())
        found[name] = rank_correlation(small, right_small), fitted_error(small, right_small), psnr
    return found


def refocused(lens: Renderer, frame: Frame, disparity: Tensor, focus: tuple[float, float]) -> Tensor:
    """The frame as the lens shows it with this disparity; ``focus`` is the focal plane and K."""
    scene = Scene(
        sharp=frame.picture,
        disparity=disparity.contiguous(),
        focus_disparity=focus[0],
        blur_strength=focus[1],
        pts=frame.pts,
    )
    return next(iter(lens.render(iter([scene])))).picture


def cpu_seconds(model: DepthModel, repeats: int = 7) -> float:
    """The least CPU-seconds that one thread takes from a 1024x576 picture to its disparity.

    A video network gets a window of frames, of which 22 count: so many are new in each.
    """
    network = find_network(DepthSettings(model=model), CPU)
    side = network.shorter_side(CPU)
    size = (side, PATCH * round(side * 16 / 9 / PATCH))
    picture = torch.rand(3, 576, 1024)
    estimates = network.load(size, CPU, torch.float32)
    counted, given = (STEP, WINDOW) if network.is_steady else (1, 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        seen = interpolate(picture[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
        frame = ReducedFrame(pts=0, picture=seen, prepared=prepare_picture(seen))
        for _ in estimates([frame] * given):
            pass
        best = min(best, time.process_time() - started)
    torch.set_num_threads(threads)
    return best / counted


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--disparity", type=Path, required=True)
    parser.add_argument("--depth", choices=get_args(DepthModel), default="compact")
    parser.add_argument("--focus", type=float, default=0.7)
    parser.add_argument("--k", type=float, default=16)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--no-steady", action="store_true")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()

    info = probe_video(options.clip)
    lens = make_renderer(RenderSettings(renderer="lens"), CPU, info.pictures)
    settings = DepthSettings(model=options.depth, steady=not options.no_steady, use_cache=False)
    scores: dict[str, Score] = {}
    rows = []
    for frame, right, guess in pairs(options.clip, options.disparity, settings, options.frames):
        ramp = torch.linspace(0, 1, right.shape[1])[None, :, None].expand_as(right)
        guesses = {options.depth: guess, "vertical ramp": ramp, "constant": torch.full_like(right, 0.5)}
        found = compare(frame, right, guesses, lens, (options.focus, options.k))
        for name, (rank, error, psnr) in found.items():
            score = scores.setdefault(name, Score())
            score.ranks.append(rank)
            score.errors.append(error)
            score.psnrs.append(psnr)
        rows.append(torch.cat([frame.picture, colorize(right), colorize(guess)], dim=2))
    if options.picture:
        shown = torch.cat(rows[:: max(1, len(rows) // 4)], dim=1)
        write_png(options.picture, torch.nn.functional.avg_pool2d(shown, 2), overwrite=True)
    print(f"{len(rows)} frames, focus {options.focus:g}, K {options.k:g}\n")
    print("| disparity | rank correlation | of the worst frame | mean error | PSNR of the result |")
    print("|---|---|---|---|---|")
    for name, score in scores.items():
        print(score.row(name))
    print(f"\n{cpu_seconds(options.depth):.3f} CPU-seconds for a frame of 1024x576")


if __name__ == "__main__":
    main()
