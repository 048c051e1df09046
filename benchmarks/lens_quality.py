"""How near the lens comes to a real one, measured on synthetic scenes whose ground truth is known.

    python benchmarks/lens_quality.py --cache FOLDER [--crops FOLDER] [--frames 5 --samples 128]
    python benchmarks/lens_quality.py --clips FOLDER [--only methods|disparity]

Each scene is ray traced twice, all in focus and through a thin lens, which takes some minutes and is kept
in the cache folder; an empty folder measures the scenes as they are now. ``--clips`` measures clips of others
instead, laid out as ``lens_scenes.py`` says. Prints, as tables in Markdown:

  PSNR   in dB, of code values, the mean over frames
  edges  the same, of pixels within 12 px of a step of disparity above 0.1 only
  RM     mean |(out[t+1] - out[t]) - (truth[t+1] - truth[t])|: what flickers or swims; lower is better

of no blur, of naive gathers (each pixel averages a disc of its own radius, whatever is seen there), of the
classical rules of other methods (``lab/evaluation/baselines``), of the lens, and of the lens given disparity
that is not quite right. ``--crops`` writes pictures of hard places.
"""

import argparse
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does: waiting threads take cores

import torch
from lens_disturbances import DISTURBANCES, Disturb
from lens_scenes import CASES, Take, load_take, read_takes
from torch import Tensor
from torch.nn.functional import pad

from any2bokeh.lab.evaluation.baselines.baseline import BASELINES
from any2bokeh.lab.frame_metrics import motion_error, near_steps, psnr
from any2bokeh.optics.coc import CocScale
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.render.base import make_renderer
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings, RendererName, RenderSettings
from any2bokeh.video.png import write_png

GAP_PX = 4


@dataclass(frozen=True)
class Score:
    """How near frames are to the truth: PSNR [dB], the same near steps (nan: there are none), and RM."""

    psnr: float
    near_steps: float
    motion: float


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A hard place: a part of the middle frame of a case."""

    name: str
    case: str
    left: int
    top: int
    width: int = 112
    height: int = 88


Render = Callable[[Take], Tensor]


CROPS = (
    Crop(name="thin", case="sharp sign, blurred wall", left=310, top=14),
    Crop(name="foreground", case="blurred railing, sharp board", left=176, top=90),
    Crop(name="floor", case="floor through all depths", left=200, top=110),
    Crop(name="hair", case="fence, wires, leaves", left=20, top=40),
    Crop(name="lamps", case="lamps at night", left=300, top=30),
    Crop(name="leaf", case="terrace at dusk", left=368, top=4),
)


# What is measured -----------------------------------------------------------------------------------


def no_blur(take: Take) -> Tensor:
    """The frames as they are."""
    return take.sharp


def baseline(take: Take, name: str, *, in_linear_light: bool = True) -> Tensor:
    """A classical blur."""
    frames = []
    for sharp, disparity in zip(take.sharp, take.disparity, strict=True):
        scale = CocScale.of(take.case.focus_disparity, take.case.blur_strength, max(sharp.shape[1:]))
        light = to_linear(sharp, "srgb") if in_linear_light else sharp
        blurred = BASELINES[name].blur(light, disparity, scale)
        frames.append(from_linear(blurred, "srgb") if in_linear_light else blurred)
    return torch.stack(frames).clamp(0, 1)


def lens(take: Take, settings: LensSettings, renderer: RendererName = "lens") -> Tensor:
    """What ``bokeh refocus`` draws, before it is encoded."""
    _, _, height, width = take.sharp.shape
    pictures = PictureFormat(height=height, width=width)
    asked = RenderSettings(renderer=renderer, lens=settings)
    drawing = make_renderer(asked, torch.device("cpu"), pictures, take.case.blur_strength)
    scenes = (
        Scene(
            sharp=sharp,
            disparity=disparity,
            focus_disparity=take.case.focus_disparity,
            blur_strength=take.case.blur_strength,
            pts=pts,
        )
        for pts, (sharp, disparity) in enumerate(zip(take.sharp, take.disparity, strict=True))
    )
    return torch.stack([frame.picture for frame in drawing.render(scenes)])


METHODS: dict[str, Render] = {
    "no blur": no_blur,
    "gather, code values": partial(baseline, name="gather", in_linear_light=False),
    "gather, linear light": partial(baseline, name="gather"),
    "`scatter`": partial(baseline, name="scatter"),
    "`planes`": partial(baseline, name="planes"),
    "`occlusion-gather`": partial(baseline, name="occlusion-gather"),
    "lens, `--highlights 0`": partial(lens, settings=LensSettings(highlights=0)),
    "lens, `--highlights 0 --quality best`": partial(
        lens, settings=LensSettings(highlights=0, quality="best")
    ),
    "lens": partial(lens, settings=LensSettings()),
    "lens, `--quality best`": partial(lens, settings=LensSettings(quality="best")),
    "`small`": partial(lens, settings=LensSettings(), renderer="small"),
    "`small`, `--quality best`": partial(lens, settings=LensSettings(quality="best"), renderer="small"),
}
LOOKS = tuple(
    LensSettings(highlights=3, **shape)
    for shape in (
        {},
        {"aperture": "polygon", "blades": 6, "roundness": 0.3, "rotation_deg": 15},
        {"cats_eye": 0.9},
        {"anamorphic": 2},
    )
)
LOOK = Crop(name="look", case="lamps at night", left=0, top=10, width=200, height=160)
LOOK_STRENGTH = 96
SHOWN = ("no blur", "gather, linear light", "lens")  # in crops, before the truth
DISTURBED = (
    "lens, `--highlights 0`",
    "lens",
    "lens, `--quality best`",
    "`small`",
    "`small`, `--quality best`",
)


def disturbed(take: Take, disturb: Disturb) -> Take:
    """A take with the disparity of every frame changed."""
    generator = torch.Generator().manual_seed(0)
    frames = zip(take.disparity, take.sharp, strict=True)
    disparity = torch.stack([disturb(disparity, sharp, generator) for disparity, sharp in frames])
    return replace(take, disparity=disparity)


# Scores ---------------------------------------------------------------------------------------------


def score(out: Tensor, take: Take) -> Score:
    """Scores of frames ``T 3 H W``; places near steps are those of the exact disparity."""
    errors = (out - take.ground_truth).square().mean(1)  # T H W
    masks = [near_steps(disparity[0]) for disparity in take.disparity]
    near = [psnr(error[mask]) for error, mask in zip(errors, masks, strict=True) if mask.any()]
    motion = motion_error(out.diff(dim=0), take.ground_truth.diff(dim=0))
    return Score(mean(psnr(error) for error in errors), mean(near), motion)


def mean(values: Iterable[float]) -> float:
    """The mean of the values that are numbers; nan if none is."""
    return float(torch.tensor([*values, torch.nan]).nanmean())


def mean_score(scores: Iterable[Score]) -> Score:
    """The mean of each score over scenes."""
    psnrs, near, motion = zip(*((one.psnr, one.near_steps, one.motion) for one in scores), strict=True)
    return Score(mean(psnrs), mean(near), mean(motion))


# What is shown --------------------------------------------------------------------------------------


def print_methods(takes: list[Take]) -> None:
    """Print the means over scenes of every method, then its scores of every scene."""
    scores = {name: [score(render(take), take) for take in takes] for name, render in METHODS.items()}
    print_row("", "PSNR", "edges", "RM", is_head=True)
    for name, row in scores.items():
        print_row(name, *cells(mean_score(row)))
    print()
    print_row("PSNR / edges", *scores, is_head=True)
    for i, take in enumerate(takes):
        print_row(take.case.name, *(" / ".join(cells(row[i])[:2]) for row in scores.values()))
    print()


def print_disturbances(takes: list[Take]) -> None:
    """Print the means over scenes of the lens with disturbed disparity."""
    print_row("disparity (PSNR / edges / RM)", *DISTURBED, is_head=True)
    for name, disturb in DISTURBANCES.items():
        changed = [disturbed(take, disturb) for take in takes]
        both = list(zip(changed, takes, strict=True))  # steps are those of the exact disparity
        means = (
            mean_score(score(METHODS[method](given), exact) for given, exact in both) for method in DISTURBED
        )
        print_row(name, *(" / ".join(cells(each)) for each in means))


def cells(values: Score) -> tuple[str, str, str]:
    """Scores as text."""
    near = "-" if math.isnan(values.near_steps) else f"{values.near_steps:.2f}"
    return f"{values.psnr:.2f}", near, f"{values.motion:.5f}"


def print_row(*row: str, is_head: bool = False) -> None:
    """Print a row of a table in Markdown."""
    print(f"| {' | '.join(row)} |", flush=True)
    if is_head:
        print("|---" * len(row) + "|")


def write_crops(takes: list[Take], folder: Path) -> None:
    """Write each hard place: all in focus, gathered in linear light, the lens, the truth; and the looks."""
    folder.mkdir(parents=True, exist_ok=True)
    for crop in CROPS:
        take = next(take for take in takes if take.case.name == crop.case)
        write_crop(crop, [*(METHODS[name](take) for name in SHOWN), take.ground_truth], folder)
    night = next(take for take in takes if take.case.name == LOOK.case)
    night = replace(night, case=replace(night.case, blur_strength=LOOK_STRENGTH))
    write_crop(LOOK, [lens(night, look) for look in LOOKS], folder)


def write_crop(crop: Crop, clips: list[Tensor], folder: Path) -> None:
    """Write a part of the middle frame of clips ``T 3 H W``, side by side."""
    pictures = torch.stack([clip[len(clip) // 2] for clip in clips])
    rows, columns = slice(crop.top, crop.top + crop.height), slice(crop.left, crop.left + crop.width)
    strip = pad(pictures[:, :, rows, columns], (0, GAP_PX), value=1).permute(1, 2, 0, 3).flatten(2)
    write_png(folder / f"lens_{crop.name}.png", strip[:, :, :-GAP_PX], overwrite=True)


def main() -> None:
    """Measure and print the tables, and write the crops."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    scenes = parser.add_mutually_exclusive_group(required=True)
    scenes.add_argument("--cache", type=Path, help="folder for ray-traced frames")
    scenes.add_argument("--clips", type=Path, help="folder of clips to measure instead")
    parser.add_argument("--crops", type=Path, help="folder for pictures of hard places, instead of tables")
    parser.add_argument("--only", choices=("methods", "disparity"), help="one of the tables")
    parser.add_argument("--frames", type=int, default=5, help="of each scene, 2 or more (default 5)")
    parser.add_argument("--samples", type=int, default=128, help="rays per pixel of the truth (default 128)")
    options = parser.parse_args()
    if options.clips:
        takes = read_takes(options.clips)
    else:
        takes = [load_take(case, options.cache, options.frames, options.samples) for case in CASES]
    if options.crops:
        write_crops(takes, options.crops)
        return
    if options.only != "disparity":
        print_methods(takes)
    if options.only != "methods":
        print_disturbances(takes)


if __name__ == "__main__":
    main()
