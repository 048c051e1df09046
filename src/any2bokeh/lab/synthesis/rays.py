"""Rays through a thin lens: which points of a pixel and of the aperture they pass.

A ray through a random point of the lens seldom meets a small bright thing far out of focus. Rays from random
points of such a lamp to random points of a pixel always do; they count if they pass the aperture.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.lab.synthesis.stage import FrameView, Pose
from any2bokeh.settings.render_settings import LensSettings

Number = TypeVar("Number", float, Tensor, NDArray[np.float64])
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

DISC = LensSettings()
BATCH_RAYS_CPU = 1 << 15  # few enough to stay in the caches
BATCH_RAYS_GPU = 1 << 21
NOISE_SIDE = 128  # shifts of the sampling pattern repeat after this many pixels


@dataclass(frozen=True, kw_only=True)
class Optics:
    """A thin lens before a picture of ``view``'s size, which lies ``focal_px`` pixels behind it.

    ``radius_m`` is that of the disc of the aperture, 0 a pin-hole; ``inverse_focus`` is 1 / depth of
    the plane in focus.
    """

    view: FrameView
    focal_px: float
    radius_m: float = 0.0
    inverse_focus: float = 0.0
    aperture: LensSettings = DISC

    def coc_px(self, inverse_depth: Number) -> Number:
        """Signed radius of the circle of confusion in pixels, positive behind the plane in focus."""
        return self.radius_m * self.focal_px * (self.inverse_focus - inverse_depth)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rays:
    """``R`` rays: at depth z they are at ``(points, 0) + z * (slopes, 1)``, in meters.

    ``slopes`` and ``points`` (where they pass the lens; None is its middle for all) are ``2 R``, x right
    and y up; ``per_pixel`` of them in a row belong to one pixel.
    """

    slopes: Tensor
    points: Tensor | None
    per_pixel: int

    def plucker(self) -> Tensor:
        """``6 R``: 1, both slopes, both lens coordinates, and the last component of point x slope.

        The last three are left out (``3 R``) where they are all 0.
        """
        one = torch.ones_like(self.slopes[:1])
        if self.points is None:
            return torch.cat([one, self.slopes])
        moment = self.points[:1] * self.slopes[1:] - self.points[1:] * self.slopes[:1]
        return torch.cat([one, self.slopes, self.points, moment])


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampling:
    """Which rays each pixel sends: ``pattern`` is ``4 N`` in 0..1, places in the pixel (x, y) and aperture.

    ``shifts`` (``4 NOISE_SIDE NOISE_SIDE``, repeated over the picture) move the pattern in each pixel, which
    turns the remaining error into fine noise.
    """

    pattern: Tensor
    shifts: Tensor | None = None

    def parts(self, count: int) -> list["Sampling"]:
        """The rays in ``count`` groups (fewer if there are fewer rays), each of them spread evenly.

        So are rays in a row of a Sobol sequence; a lattice is thinned out instead.
        """
        samples = self.pattern.shape[1]
        count = min(count, samples)
        if self.shifts is None:
            groups = [self.pattern[:, i::count] for i in range(count)]
        else:
            groups = list(self.pattern.tensor_split(count, dim=1))
        return [replace(self, pattern=group.contiguous()) for group in groups]


def pixel_sampling(samples: int, device: torch.device) -> Sampling:
    """The same ``samples`` points in every pixel and frame, so that a still picture stays still.

    Each has a row and a column of the pixel for itself and their mean is its center; they all pass
    the middle of the lens.
    """
    step = round((samples + 1) / ((1 + math.sqrt(5)) / 2))
    while math.gcd(step, samples + 1) > 1:
        step += 1
    column = torch.arange(samples, dtype=torch.float64)
    row = (column + 1) * step % (samples + 1) - 1
    center = torch.zeros_like(column)
    pattern = torch.stack([(column + 0.5) / samples, (row + 0.5) / samples, center, center])
    return Sampling(pattern=pattern.float().to(device))


def lens_sampling(samples: int, seed: int, device: torch.device) -> Sampling:
    """A scrambled Sobol sequence over pixel and aperture, shifted at random in each pixel."""
    engine = torch.quasirandom.SobolEngine(4, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    pattern = engine.draw(samples).T
    generator = torch.Generator().manual_seed(seed)
    shifts = torch.rand(4, NOISE_SIDE, NOISE_SIDE, generator=generator)
    return Sampling(pattern=pattern.contiguous().to(device), shifts=shifts.to(device))


def aperture_reach(aperture: LensSettings) -> float:
    """Distance of the aperture's farthest point from its middle, in units of the disc's radius.

    A polygon has the area of the disc: the same light, whatever the number of blades.
    """
    if aperture.aperture == "disc":
        return 1.0
    return math.sqrt(2 * math.pi / (aperture.blades * math.sin(2 * math.pi / aperture.blades)))


def aperture_points(square: Tensor, aperture: LensSettings) -> Tensor:
    """Points of the aperture ``2 R`` (x right, y up, unit of the disc's radius) for ``2 R`` in 0..1.

    Area stays area, so evenly spread numbers are evenly spread light. At rotation 0 a polygon has a
    corner to the right.
    """
    reach, turn = square[0].sqrt() * aperture_reach(aperture), square[1]
    if aperture.aperture == "disc":
        angle = 2 * math.pi * turn
        return torch.stack([reach * angle.cos(), reach * angle.sin()])
    blade = (turn * aperture.blades).floor().clamp(max=aperture.blades - 1)
    start, end = (
        math.radians(aperture.rotation_deg) + 2 * math.pi / aperture.blades * corner
        for corner in (blade, blade + 1)
    )
    along = turn * aperture.blades - blade
    return torch.stack(
        [reach * torch.lerp(start.cos(), end.cos(), along), reach * torch.lerp(start.sin(), end.sin(), along)]
    )


def aperture_contains(points: Tensor, aperture: LensSettings) -> Tensor:
    """Whether points ``2 R`` (x right, y up, unit of the disc's radius) lie in the aperture, ``R`` bool."""
    if aperture.aperture == "disc":
        return points.square().sum(0) <= 1
    sector = 2 * math.pi / aperture.blades
    angle = torch.atan2(points[1], points[0]) - math.radians(aperture.rotation_deg)
    from_side = angle % sector - sector / 2  # from the middle of the nearest side
    inner = aperture_reach(aperture) * math.cos(sector / 2)
    return torch.hypot(points[0], points[1]) * from_side.cos() <= inner


def blocks(box: Box, sampling: Sampling) -> Iterator[Box]:
    """Parts of a box of pixels whose rays are few enough to be followed at once."""
    left, top, right, bottom = box
    batch = BATCH_RAYS_CPU if sampling.pattern.device.type == "cpu" else BATCH_RAYS_GPU
    side = max(1, math.isqrt(batch // sampling.pattern.shape[1]))
    for y in range(top, bottom, side):
        for x in range(left, right, side):
            yield x, y, min(x + side, right), min(y + side, bottom)


def pixel_rays(box: Box, optics: Optics, sampling: Sampling) -> Rays:
    """The rays of the pixels of a box, through all of the lens."""
    slopes, square = central_slopes(box, optics, sampling)
    per_pixel = sampling.pattern.shape[1]
    if optics.radius_m == 0:
        return Rays(slopes=slopes, points=None, per_pixel=per_pixel)
    points = aperture_points(square, optics.aperture) * optics.radius_m
    return Rays(slopes=slopes - points * optics.inverse_focus, points=points, per_pixel=per_pixel)


def central_slopes(box: Box, optics: Optics, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Slopes of rays from the middle of the lens and the rest of the pattern (in 0..1), ``2 R`` each."""
    left, top, right, bottom = box
    device = sampling.pattern.device
    columns, rows = torch.arange(left, right, device=device), torch.arange(top, bottom, device=device)
    places = sampling.pattern[:, None, None]  # 4 rows columns N
    if sampling.shifts is not None:
        shifts = sampling.shifts[:, rows[:, None] % NOISE_SIDE, columns % NOISE_SIDE]
        places = (places + shifts[..., None]) % 1
    places = places.expand(4, len(rows), len(columns), -1)
    slope_x = (columns[:, None] + places[0] - optics.view.width / 2) / optics.focal_px
    slope_y = (optics.view.height / 2 - rows[:, None, None] - places[1]) / optics.focal_px
    return torch.stack([slope_x, slope_y]).reshape(2, -1), places[2:].reshape(2, -1)


def is_small(pose: Pose, size_m: tuple[float, float], optics: Optics) -> bool:
    """Whether a plane (seen from the camera) is smaller than its blur all over, so that it suits this way."""
    half_m = math.hypot(*size_m) / 2
    depth_m = float(pose.origin[2])
    if depth_m <= half_m:
        return False
    first, last = (optics.coc_px(1 / depth) for depth in (depth_m - half_m, depth_m + half_m))
    if first * last <= 0:  # a part is in focus
        return False
    blur_px = min(abs(first), abs(last))
    return math.pi * blur_px**2 > size_m[0] * size_m[1] * (optics.focal_px / depth_m) ** 2


def lamp_rays(
    box: Box, optics: Optics, sampling: Sampling, lamp: Pose, size_m: tuple[float, float]
) -> tuple[Rays, Tensor]:
    """Rays of the pixels of a box that all meet a plane out of focus, and their weights, ``R``.

    A ray of slope d through the middle of the lens, moved to the lens point L and still in focus at
    depth 1 / w, has slope e = d - w L and is at L (1 - z w) + z d at depth z. It meets the lamp's point
    Q if L = (Q - z d) / (1 - z w). Summing over the lamp instead of the lens, it counts by dL / dQ,
    which is n.e / (1 - z w)^2 for the lamp's normal n, times the lamp's area over the aperture's.
    """
    central, square = central_slopes(box, optics, sampling)
    across, up = (square[i] * size_m[i] - size_m[i] / 2 for i in (0, 1))
    x, y, z = (
        across * float(lamp.across[i]) + up * float(lamp.up[i]) + float(lamp.origin[i]) for i in range(3)
    )
    out_of_focus = 1 - z * optics.inverse_focus
    points = (torch.stack([x, y]) - z * central) / out_of_focus
    slopes = central - points * optics.inverse_focus
    normal = [float(value) for value in lamp.forward]
    facing = (normal[0] * slopes[0] + normal[1] * slopes[1] + normal[2]).abs()
    share = size_m[0] * size_m[1] / (math.pi * optics.radius_m**2)
    passes = aperture_contains(points / optics.radius_m, optics.aperture)
    rays = Rays(slopes=slopes, points=points, per_pixel=sampling.pattern.shape[1])
    return rays, share * facing / out_of_focus.square() * passes
