"""Rays from a lamp to the lens: how small bright things far out of focus are drawn without noise.

A ray through a random point of the lens seldom meets them. A ray from a random point of the lamp to a
random point of a pixel always does; it counts if it passes the aperture.
"""

import math

import torch
from torch import Tensor

from any2bokeh.lab.synthesis.pose import Pose
from any2bokeh.lab.synthesis.rays import Box, Optics, Rays, Sampling, aperture_contains, central_slopes


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
    """Rays of the pixels of a box that all meet a plane out of focus, and what each counts, ``R``.

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
