"""Disparity with the mistakes that estimators make: bent edges, wavy surfaces, things too large or too small.

The three perturbations of the paper's second stage. Lengths are in pixels of a frame whose longer side is
1024, as K is, and scaled to the frame at hand. They differ from the published script where that looks like
an accident: noise is zero outside the thing instead of a constant, results stay in 0..1, dilation makes
things larger and erosion smaller, and errors persist from frame to frame.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample, max_pool2d, pad

from any2bokeh.errors import SettingsError, ShapeError
from any2bokeh.optics.coc import REFERENCE_SIDE_PX

NOISE_SCALES_PX, NOISE_SHARES = (50, 20, 10), (0.5, 0.3, 0.2)
OCTAVES, PERSISTENCE = 3, 0.5  # each has half the cell and half the height of the one before
KERNELS_PX = (3, 5, 7)
KERNEL_DEVIATIONS = 4  # of the Gaussian, to each side


@dataclass(frozen=True, kw_only=True)
class PerturbSettings:
    """How far disparity is taken from the ground truth; the defaults are the paper's.

    ``warp_px`` and ``warp_sigma_px`` are alpha and sigma of the elastic warp (Simard et al., "Best practices
    for convolutional neural networks", 2003): white noise in -1..1, smoothed by a Gaussian and multiplied,
    moves each pixel. ``noise`` is the largest change that waves make, as a share of the focal plane's
    disparity. ``dilated`` and ``eroded`` are the shares of frames whose near things are made larger and
    smaller. ``coherence`` is how much of one frame's randomness the next one keeps, 0..1: errors of an
    estimator stick to things, above all after stabilization, and only some of them flicker.
    """

    warp_px: float = 50.0
    warp_sigma_px: float = 4.0
    noise: float = 0.1
    dilated: float = 0.25
    eroded: float = 0.25
    coherence: float = 0.8

    def __post_init__(self) -> None:
        if min(self.warp_px, self.noise, self.dilated, self.eroded) < 0 or self.warp_sigma_px <= 0:
            raise SettingsError("A perturbation is negative, or the warp's sigma is not above 0.")
        if self.dilated + self.eroded > 1:
            raise SettingsError("The shares of dilated and eroded frames add up to more than 1.")
        if not 0 <= self.coherence <= 1:
            raise SettingsError(f"Coherence must be a share from 0 to 1, got {self.coherence:g}.")


def perturb(
    disparity: Tensor,
    focus_disparity: Tensor,
    settings: PerturbSettings,
    generator: torch.Generator,
    mask: Tensor | None = None,
) -> Tensor:
    """Return a clip's disparity, ``T 1 H W`` in 0..1, with an estimator's mistakes.

    ``focus_disparity`` is ``T``. ``mask``, ``T 1 H W`` bool, limits them to one thing and its edge, as the
    paper does with the thing in focus; by default they are everywhere. ``generator`` is of the CPU.
    """
    perturbation = Perturbation(settings, generator)
    masks = [None] * len(disparity) if mask is None else list(mask)
    frames = zip(disparity, focus_disparity.tolist(), masks, strict=True)
    return torch.stack([perturbation.apply(*frame) for frame in frames])


class Perturbation:
    """The mistakes of one clip, frame after frame."""

    def __init__(self, settings: PerturbSettings, generator: torch.Generator) -> None:
        self._settings, self._generator = settings, generator
        self._fields: dict[str, Tensor] = {}
        self._radius_px: int | None = None  # of dilation; below 0 of erosion

    def apply(self, disparity: Tensor, focus_disparity: float, mask: Tensor | None = None) -> Tensor:
        """Return the next frame's disparity, ``1 H W``, perturbed; ``mask`` is ``1 H W`` bool."""
        if disparity.ndim != 3 or len(disparity) != 1:
            raise ShapeError(f"disparity must be 1 H W, got {tuple(disparity.shape)}")
        scale = max(disparity.shape[1:]) / REFERENCE_SIDE_PX
        region = torch.ones_like(disparity, dtype=torch.bool) if mask is None else mask
        moved = self._displacement(disparity.shape[1:], scale).to(disparity)
        warped, where = displace(disparity, moved), displace(region.to(disparity), moved) > 0.5
        result = torch.where(where, warped, disparity)
        waves = self._waves(disparity.shape[1:], scale).to(disparity)
        result = result + where * waves * self._settings.noise * focus_disparity
        return self._resize(result, where, scale).clamp(0, 1)

    def _displacement(self, size: torch.Size, scale: float) -> Tensor:
        """How far each pixel looks, ``2 H W`` in pixels: rows, then columns."""
        sigma = self._settings.warp_sigma_px * scale
        white = self._field("warp", (2, *size))
        # White noise has a pixel's scale at any size, so smoothing it leaves 1 / sigma of its height.
        return smooth_fields(white, sigma) * (self._settings.warp_px * scale * scale)

    def _waves(self, size: torch.Size, scale: float) -> Tensor:
        """Gradient noise of several scales, ``1 H W``, its largest height 1."""
        total = torch.zeros(1, *size)
        for scale_px, share in zip(NOISE_SCALES_PX, NOISE_SHARES, strict=True):
            for octave in range(OCTAVES):
                cell = scale_px * scale / 2**octave
                if cell < 1:  # finer than pixels
                    break
                lattice = [math.ceil(side / cell) + 1 for side in size]
                gradients = self._field(f"waves {scale_px} {octave}", (2, *lattice))
                total += share * PERSISTENCE**octave * gradient_noise(gradients, cell, size)
        return total / total.abs().max().clamp(min=1e-6)

    def _resize(self, disparity: Tensor, region: Tensor, scale: float) -> Tensor:
        """Near things of the region larger or smaller, or as they are."""
        if self._radius_px is None or self._uniform() >= self._settings.coherence:
            self._radius_px = self._draw_radius_px(scale)
        radius = self._radius_px
        if radius == 0:
            return disparity
        near = dilate(region.to(disparity), abs(radius)) > 0.5
        resized = dilate(disparity, radius) if radius > 0 else -dilate(-disparity, -radius)
        return torch.where(near, resized, disparity)

    def _draw_radius_px(self, scale: float) -> int:
        """A whole number of pixels; the fraction that scaling leaves is the chance of one more."""
        drawn, settings = self._uniform(), self._settings
        kernel = KERNELS_PX[int(self._uniform() * len(KERNELS_PX))]
        radius = math.floor((kernel - 1) / 2 * scale + self._uniform())
        if drawn < settings.dilated:
            return radius
        return -radius if drawn < settings.dilated + settings.eroded else 0

    def _field(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """White noise of the variance of uniform -1..1, most of it that of the frame before."""
        fresh = torch.rand(shape, generator=self._generator) * 2 - 1
        before, kept = self._fields.get(name), self._settings.coherence
        if before is not None:
            fresh = kept * before + math.sqrt(1 - kept * kept) * fresh
        self._fields[name] = fresh
        return fresh

    def _uniform(self) -> float:
        return float(torch.rand((), generator=self._generator))


def displace(image: Tensor, displacement_px: Tensor) -> Tensor:
    """``1 H W``, each pixel taken from ``displacement_px``, ``2 H W`` (rows, columns), away.

    The nearest one: between two surfaces there is no disparity that would be true of anything.
    """
    height, width = image.shape[1:]
    rows = torch.arange(height, device=image.device)[:, None] + displacement_px[0]
    columns = torch.arange(width, device=image.device)[None] + displacement_px[1]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return grid_sample(image[None], grid[None], mode="nearest", padding_mode="border", align_corners=False)[0]


def smooth_fields(fields: Tensor, sigma_px: float) -> Tensor:
    """``C H W`` smoothed by a Gaussian; the fields go on beyond the frame as if they were wrapped around."""
    reach = min(max(1, math.ceil(KERNEL_DEVIATIONS * sigma_px)), min(fields.shape[1:]))
    offsets = torch.arange(-reach, reach + 1, device=fields.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma_px**2))
    kernel = kernel / kernel.sum()
    padded = pad(fields[:, None], (reach,) * 4, mode="circular")
    return conv2d(conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def gradient_noise(gradients: Tensor, cell_px: float, size: torch.Size) -> Tensor:
    """Perlin's noise ``1 H W`` of a lattice of gradients ``2 h w``, ``cell_px`` apart.

    Perlin, "Improving noise", 2002: the heights that the four slopes around a pixel give, blended by
    ``6 t^5 - 15 t^4 + 10 t^3``.
    """
    rows, columns = ((torch.arange(side) + 0.5) / cell_px for side in size)
    top, left = rows.long(), columns.long()
    down, right = (rows - top)[:, None], (columns - left)[None]

    def height(below: int, beside: int) -> Tensor:
        slope = gradients[:, top + below][:, :, left + beside]
        return slope[0] * (down - below) + slope[1] * (right - beside)

    ease: Callable[[Tensor], Tensor] = lambda t: t * t * t * (t * (6 * t - 15) + 10)  # noqa: E731
    upper = torch.lerp(height(0, 0), height(0, 1), ease(right).expand(size))
    lower = torch.lerp(height(1, 0), height(1, 1), ease(right).expand(size))
    return torch.lerp(upper, lower, ease(down).expand(size))[None]


def dilate(image: Tensor, radius_px: int) -> Tensor:
    """The largest value around each pixel of ``1 H W``, in a square of ``2 radius + 1``."""
    return max_pool2d(image[None], 2 * radius_px + 1, 1, radius_px)[0]
