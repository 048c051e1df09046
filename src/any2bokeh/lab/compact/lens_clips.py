"""Short clips of made scenes through a lens: the mean of many views from points of its aperture.

An accumulation buffer (Haeberli and Akeley, "The accumulation buffer", 1990): each view sees the whole scene
from one point, with the focal plane held in place, through samples that lie elsewhere in the pixels. So
background is there that a nearer thing occludes from the middle of the lens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.lab.compact.lens_takes import LensTake
from any2bokeh.lab.compact.scenes.cast import Array, LitCast
from any2bokeh.lab.compact.scenes.maker import build_scene
from any2bokeh.lab.compact.scenes.overlaps import OVERLAPPING
from any2bokeh.optics.coc import REFERENCE_SIDE_PX
from any2bokeh.optics.transfer import from_linear

HEIGHT, WIDTH = 288, 512
FRAMES, VERSIONS = 2, 2
SHARP_VIEWS, LENS_VIEWS = 24, 112
NEAREST_INVERSE_M = 6.0  # scenes with anything nearer are left out,
LEAST_RANGE = 0.08  # and those whose disparity, but for a tenth of the pixels, spans less than this
UNCLIPPED = 0.87  # of the scenes have nothing beyond white but lamps and glints
BLURRED_PX, LEAST_BLURRED = 3.0, 0.15  # more than this share of the pixels has larger discs than that
TRIES = 20  # for a focal plane
LUMA = np.array([0.3, 0.59, 0.11], np.float32)
GOLDEN_TURN = np.pi * (3 - 5**0.5)
PLASTIC = np.array([0.7548776662466927, 0.5698402909980532])  # 1/g and 1/g^2, g^3 = g + 1


@dataclass(frozen=True)
class Grade:
    """How light becomes a picture: white balance ``3``, exposure, and saturation."""

    balance: Array
    gain: float
    saturation: float

    def develop(self, linear: Floats) -> Tensor:
        """R'G'B' ``3 H W`` of linear light ``H W 3``."""
        graded = np.maximum(linear * (self.balance * self.gain), 0).astype(np.float32)
        gray = (graded @ LUMA)[..., None]
        graded = np.maximum(gray + self.saturation * (graded - gray), 0).astype(np.float32)
        return from_linear(torch.from_numpy(graded).clamp(0, 1).permute(2, 0, 1).contiguous(), "srgb")


def make_lens_clips(seed: int) -> Iterator[LensTake]:
    """Yield the takes of a seed's clip, each of another focus and K.

    There are none where the scene is too near or too flat.
    """
    rng = np.random.default_rng((seed, 991))
    start_s, apart_s = rng.uniform(0, 2), rng.uniform(1 / 30, 1 / 8)
    moments = [
        build_scene(seed, start_s + frame * apart_s, HEIGHT, WIDTH, OVERLAPPING) for frame in range(FRAMES)
    ]
    casts = [LitCast(*moment) for moment in moments]
    inverse = np.stack([cast.look()[1] for cast in casts])
    least, most = float(inverse.min()), float(inverse.max())
    disparity = (inverse - least) / max(most - least, 1e-6)
    low, high = np.percentile(disparity, (5, 95))
    if most > NEAREST_INVERSE_M or high - low < LEAST_RANGE:
        return
    gain, balance, saturation = rng.uniform(0.25, 0.8), np.exp(rng.normal(0, 0.1, 3)), rng.uniform(0.8, 1.4)
    linear = [_mean_view(cast, np.zeros((SHARP_VIEWS, 2)), 0.0, rng) for cast in casts]
    level = max(float(np.percentile(linear[0], 75)), 1e-3)
    if rng.random() < UNCLIPPED:
        bright = float(np.percentile((linear[0] * balance).max(2), rng.uniform(97, 99.5)))
        level = max(level, gain * bright)
    grade = Grade(balance, gain / level, saturation)
    sharp = torch.stack([grade.develop(one) for one in linear])
    sharp = (sharp * 255).round() / 255
    scale_px = moments[0][1].zoom * WIDTH / 2
    for _ in range(VERSIONS):
        focus, blur_px = _draw_focus(disparity, rng)
        aperture_m = blur_px / (scale_px * (most - least))
        inverse_focus = least + focus * (most - least)
        truth = [
            grade.develop(_mean_view(cast, _disc(LENS_VIEWS, rng) * aperture_m, inverse_focus, rng))
            for cast in casts
        ]
        blur_strength = blur_px * REFERENCE_SIDE_PX / WIDTH
        yield LensTake(
            sharp=sharp,
            truth=torch.stack(truth),
            disparity=torch.from_numpy(disparity.astype(np.float32))[:, None],
            focus_disparity=[focus] * FRAMES,
            blur_strength=[blur_strength] * FRAMES,
        )


def _mean_view(cast: LitCast, places_m: Array, inverse_focus: float, rng: np.random.Generator) -> Floats:
    """The mean light ``H W 3`` of views from places of the lens ``N 2``, each through its own samples."""
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for (right, up), shift in zip(places_m, _within_pixel(len(places_m), rng), strict=True):
        total += cast.look((float(right), float(up)), inverse_focus, (float(shift[0]), float(shift[1])))[0]
    return total / np.float32(len(places_m))


def _draw_focus(disparity: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """The disparity of something seen, and a K in pixels that blurs much of the rest."""
    focus, blur_px = 0.0, 0.0
    for _ in range(TRIES):
        y, x = rng.integers(20, HEIGHT - 20), rng.integers(20, WIDTH - 20)
        focus = float(disparity[0, y, x])
        off = np.abs(disparity - focus)
        blur_px = rng.uniform(4, 18) / max(float(np.percentile(off, rng.uniform(60, 97))), 1e-3)
        blur_px = min(blur_px, rng.uniform(16, 30) / max(focus, 1 - focus))
        if np.mean(off * blur_px > BLURRED_PX) > LEAST_BLURRED:
            break
    return focus, float(blur_px)


def _disc(count: int, rng: np.random.Generator) -> Array:
    """Points ``N 2`` spread evenly over the unit disc.

    Vogel, "A better way to construct the sunflower head", 1979.
    """
    number = np.arange(count) + 0.5
    angle = number * GOLDEN_TURN + rng.uniform(0, 2 * np.pi)
    points: Array = np.sqrt(number / count)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return points


def _within_pixel(count: int, rng: np.random.Generator) -> Array:
    """Points ``N 2`` spread evenly over -0.5..0.5 (Roberts, the R2 sequence, 2018)."""
    points: Array = (rng.random(2) + np.arange(1, count + 1)[:, None] * PLASTIC) % 1 - 0.5
    return points
