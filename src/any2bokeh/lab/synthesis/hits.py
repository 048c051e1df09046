"""Where the camera's rays meet the planes of a stage at one time."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.lab.synthesis.rays import Rays
from any2bokeh.lab.synthesis.stage import Pose

UNSEEN_M = 1e20
NEAREST_M = 0.01  # nothing closer to the camera than this is seen
OPAQUE = 1 / 4096  # behind surfaces that pass less light than this, nothing is looked at


@dataclass(frozen=True, kw_only=True, eq=False)
class Hits:
    """Where ``R`` rays meet ``K`` planes.

    ``depth`` (meters along the camera's axis) is ``K R``, ``places`` ``2 K R`` (x and y in half sizes
    from the plane's center), ``inside`` ``K R``: whether the ray meets the plane's rectangle in front of
    the camera; where it does not, the others mean nothing. ``nearest`` and ``farthest`` are the depths
    between which each plane is met; the nearest is beyond ``UNSEEN_M`` if it is not.
    """

    depth: Tensor
    places: Tensor
    inside: Tensor
    nearest: list[float]
    farthest: list[float]

    def layers(self) -> list[list[int]]:
        """The planes that are met, front to back, in groups whose depths do not overlap each other."""
        met = [i for i, depth in enumerate(self.nearest) if depth < UNSEEN_M]
        groups: list[list[int]] = []
        reach = -1.0
        for i in sorted(met, key=lambda i: self.nearest[i]):
            if self.nearest[i] >= reach:
                groups.append([])
            groups[-1].append(i)
            reach = max(reach, self.farthest[i])
        return groups


def ray_equations(pose: Pose, size_m: tuple[float, float]) -> NDArray[np.float64]:
    """``4 6``: the matrix from a ray's Plucker coordinates to its meeting with a plane.

    With the ray L + z e (e has z = 1), plane center c, axes u and v, normal n, the rows give n.e,
    n.(c - L) and, over the half sizes, n.e times u.(p - c) and v.(p - c) for the point p that is met:
    (u.L - u.c)(n.e) + (n.c - n.L)(u.e) = n.c u.e - u.c n.e + (u x n).(L x e).
    The depth z is the second over the first.
    """
    normal, distance = pose.forward, pose.forward @ pose.origin
    rows = [
        [normal[2], normal[0], normal[1], 0, 0, 0],
        [distance, 0, 0, -normal[0], -normal[1], 0],
    ]
    for axis, length_m in zip((pose.across, pose.up), size_m, strict=True):
        slopes = distance * axis - (axis @ pose.origin) * normal
        moment = np.cross(axis, normal)
        row = (slopes[2], slopes[0], slopes[1], -moment[1], moment[0], moment[2])
        rows.append([value / (length_m / 2) for value in row])
    return np.array(rows)


def meet(equations: Tensor, rays: Rays) -> Hits:
    """Where rays meet the planes of ``equations`` (``K 4 6`` float32)."""
    plucker = rays.plucker()
    met = equations[..., : len(plucker)].movedim(1, 0).flatten(0, 1) @ plucker  # all planes in one product
    facing, distance, across, up = met.reshape(4, len(equations), rays.slopes.shape[1])
    inverse = facing.reciprocal_()
    depth = distance.mul_(inverse)
    places = torch.stack([across, up]).mul_(inverse)
    inside = (torch.maximum(places[0].abs(), places[1].abs()) < 1) & (depth > NEAREST_M)
    aside = ~inside * (2 * UNSEEN_M)  # many times faster here than torch.where
    nearest, farthest = (depth + aside).amin(1).tolist(), (depth - aside).amax(1).tolist()
    return Hits(depth=depth, places=places, inside=inside, nearest=nearest, farthest=farthest)


def visible_corners(pose: Pose, size_m: tuple[float, float]) -> NDArray[np.float64]:
    """Corners ``N 3`` (meters) of the part of a plane that is before the camera; N is 0 if none is."""
    half_x, half_y = size_m[0] / 2 * pose.across, size_m[1] / 2 * pose.up
    corners = [pose.origin + i * half_x + j * half_y for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    seen = []
    for first, second in zip(corners, corners[1:] + corners[:1], strict=True):
        if first[2] >= NEAREST_M:
            seen.append(first)
        if (first[2] >= NEAREST_M) != (second[2] >= NEAREST_M):
            share = (NEAREST_M - first[2]) / (second[2] - first[2])
            seen.append(first + share * (second - first))
    return np.array(seen).reshape(-1, 3)
