"""Disparity that is wrong at its edges, as tracks and estimates are: soft, coarse, too large or too small."""

from typing import Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, pad

from any2bokeh.depth.upsample import upsample_disparity
from any2bokeh.lab.perturbation import PerturbSettings, perturb

Kind = Literal["soft", "reduced", "grown", "shrunk", "perturbed", "noisy", "mixed"]
CHANCES = (0.2, 0.2, 0.14, 0.16, 0.14, 0.04, 0.12)
SOFT_PX, FACTORS, GROWN_PX, NOISE = (0.5, 2.4), (2, 3, 4), (1, 1, 2), (0.003, 0.012)
WARP_PX, WAVES = (10, 50), (0, 0.06)
PARTS, FIRST_PART, SECOND_PART = (4, 6), 0.4, 0.6  # of a mixed map: cells of a field in 0..1, and its shares


def soften(disparity: Tensor, sigma_px: float) -> Tensor:
    """``1 H W`` blurred by a Gaussian."""
    return torch.from_numpy(cv2.GaussianBlur(disparity[0].numpy(), (0, 0), sigma_px))[None]


def noisy(disparity: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """``1 H W`` with independent noise in each pixel."""
    return (disparity + sigma * torch.randn(disparity.shape, generator=generator)).clamp(0, 1)


def reduce(disparity: Tensor, picture: Tensor, factor: int) -> Tensor:
    """``1 H W`` averaged down to a fraction of the size, and brought back as a track of that size is."""
    height, width = (side // factor for side in disparity.shape[1:])
    return upsample_disparity(interpolate(disparity[None], (height, width), mode="area")[0], picture)


def grow(disparity: Tensor, by_px: int) -> Tensor:
    """``1 H W`` with near things larger on each side."""
    for _ in range(by_px):
        disparity = max_pool2d(pad(disparity[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]
    return disparity


def shrink(disparity: Tensor, by_px: int) -> Tensor:
    """``1 H W`` with near things smaller on each side."""
    return -grow(-disparity, by_px)


def disturb(disparity: Tensor, sharp: Tensor, focus: float, rng: np.random.Generator) -> Tensor:
    """Return ``T 1 H W`` that is wrong in one way, the same in all frames, for pictures ``T 3 H W``."""
    kind = str(rng.choice(get_args(Kind), p=CHANCES))
    sigma_px, factor, by_px = rng.uniform(*SOFT_PX), int(rng.choice(FACTORS)), int(rng.choice(GROWN_PX))
    noise, seed = rng.uniform(*NOISE), int(rng.integers(1 << 30))

    def one(kind: str, frame: int) -> Tensor:
        before = disparity[frame]
        match kind:
            case "soft":
                return soften(before, sigma_px)
            case "reduced":
                return reduce(before, sharp[frame], factor)
            case "grown":
                return grow(before, by_px)
            case "shrunk":
                return shrink(before, by_px)
            case "noisy":
                return noisy(before, noise, torch.Generator().manual_seed(seed + frame))
        return before

    if kind == "perturbed":
        generator, planes = torch.Generator().manual_seed(seed), torch.full((len(disparity),), focus)
        strengths = PerturbSettings(warp_px=rng.uniform(*WARP_PX), noise=rng.uniform(*WAVES))
        return perturb(disparity, planes, strengths, generator)
    if kind != "mixed":
        return torch.stack([one(kind, frame) for frame in range(len(disparity))])
    # Each part of the frame is wrong in its own way, or right.
    cells = torch.rand(1, 1, *PARTS, generator=torch.Generator().manual_seed(seed))
    field = interpolate(cells, disparity.shape[2:], mode="bicubic")[0]
    first, second, third = rng.permutation(["soft", "grown", "shrunk", "right"])[:3]
    frames = []
    for frame in range(len(disparity)):
        rest = torch.where(field < SECOND_PART, one(second, frame), one(third, frame))
        frames.append(torch.where(field < FIRST_PART, one(first, frame), rest))
    return torch.stack(frames)
