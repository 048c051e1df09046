"""Disocclusion: the background just behind nearer things, revealed where these are blurred."""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from any2bokeh.optics.coc import CocScale
from any2bokeh.render.lens.model import (
    EDGE_STEP_PX,
    SAME_SURFACE_PX,
    SEARCH_DIRECTIONS,
    STREAK_SHARES,
    search_stride,
)
from any2bokeh.render.lens.neighbors import Neighbor, recall_points
from any2bokeh.render.lens.torch.surfaces import Surface


def find_occluded(linear: Tensor, coc: Tensor, reach_px: float) -> Surface:
    """The surface just behind each pixel near a depth edge: its color and CoC, coverage 1 where known.

    From each pixel the search walks in eight directions, up to ``reach_px``, along the pixel's own
    surface; where that surface ends at something at least ``EDGE_STEP_PX`` farther, the background
    there continues behind the pixel. Nearer things in between are passed over. Hits on the surface of
    the nearest hit are averaged by inverse squared distance, and these colors with others around, so that
    they leave no streaks. Large frames are searched at a
    fraction of their size, on single pixels (a mean would mix surfaces).
    """
    stride = search_stride(*coc.shape)
    small = _search(linear[:, ::stride, ::stride], coc[::stride, ::stride], int(reach_px / stride))
    if stride > 1:
        small = _grow(small)
        size = tuple(coc.shape)
        small = Surface(*(_enlarge(x, stride, size) for x in (small.linear, small.coverage, small.coc)))
    coverage = small.coverage * (small.coc >= coc + EDGE_STEP_PX)
    return Surface(small.linear, coverage, small.coc)


def recall_occluded(occluded: Surface, neighbors: list[Neighbor], scale: CocScale, margin: int) -> Surface:
    """``occluded`` with the colors that neighboring frames saw of it, where they did.

    ``margin`` is how far ``occluded`` extends beyond the frame on each side [px].
    """
    rows, columns = (occluded.coverage > 0).nonzero(as_tuple=True)
    linear, coc = occluded.linear.clone(), occluded.coc.clone()
    linear[:, rows, columns], coc[rows, columns] = recall_points(
        columns - margin, rows - margin, linear[:, rows, columns], coc[rows, columns], neighbors, scale
    )
    return Surface(linear, occluded.coverage, coc)


def _search(linear: Tensor, coc: Tensor, reach_px: int) -> Surface:
    height, width = coc.shape
    reach_px = max(1, min(reach_px, max(height, width)))
    around = pad(coc, (reach_px,) * 4, value=-math.inf)  # outside the frame: nearer than all, passed over
    walks = [_walk(coc, around, direction, reach_px) for direction in SEARCH_DIRECTIONS]
    steps, hit_coc = torch.stack([walk[0] for walk in walks]), torch.stack([walk[1] for walk in walks])
    rows, columns = steps.isfinite().any(dim=0).nonzero(as_tuple=True)
    steps, hit_coc = steps[:, rows, columns], hit_coc[:, rows, columns]  # 8 P

    directions = torch.tensor(SEARCH_DIRECTIONS, device=coc.device)[:, :, None]
    distance = steps * directions.float().norm(dim=1)
    same = (hit_coc - hit_coc.gather(0, distance.argmin(dim=0, keepdim=True))).abs() <= SAME_SURFACE_PX
    weight = torch.where(same, distance**-2, torch.zeros_like(distance))  # no hit: infinite, weighs 0
    weight /= weight.sum(0)
    stride = directions[:, 0] * width + directions[:, 1]
    where = rows * width + columns + torch.where(weight > 0, steps, torch.zeros_like(steps)).long() * stride

    surface = Surface(torch.zeros_like(linear), torch.zeros_like(coc), torch.zeros_like(coc))
    surface.coverage[rows, columns] = 1.0
    surface.coc[rows, columns] = (coc.reshape(-1)[where] * weight).sum(0)
    surface.linear[:, rows, columns] = (linear.reshape(3, -1)[:, where] * weight).sum(1)
    for share in STREAK_SHARES:
        surface = _smooth(surface, rows, columns, (share * distance.amin(dim=0)).long())
    return surface


def _smooth(surface: Surface, rows: Tensor, columns: Tensor, away: Tensor) -> Surface:
    """A surface, its colors at pixels ``P`` averaged with those ``away`` from them in eight directions."""
    height, width = surface.coc.shape
    coc, linear = surface.coc[rows, columns], surface.linear.clone()
    total, count = linear[:, rows, columns], torch.ones_like(coc)
    for dy, dx in SEARCH_DIRECTIONS:
        row, column = rows + away * dy, columns + away * dx
        is_inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        row, column = row.clamp(0, height - 1), column.clamp(0, width - 1)
        is_same = (surface.coc[row, column] - coc).abs() <= SAME_SURFACE_PX
        counts = is_inside & is_same & (surface.coverage[row, column] > 0)
        total, count = total + surface.linear[:, row, column] * counts, count + counts
    linear[:, rows, columns] = total / count
    return Surface(linear, surface.coverage, surface.coc)


def _walk(coc: Tensor, around: Tensor, direction: tuple[int, int], reach_px: int) -> tuple[Tensor, Tensor]:
    """Steps in one direction to the first surface behind each pixel's own, and its CoC (``H W``)."""
    height, width = coc.shape
    dy, dx = direction
    steps, found = torch.full_like(coc, math.inf), torch.full_like(coc, math.inf)
    behind = coc + EDGE_STEP_PX
    surface = coc
    for step in range(1, int(reach_px / math.hypot(dy, dx)) + 1):
        top, left = reach_px + step * dy, reach_px + step * dx
        here = around[top : top + height, left : left + width]
        hit = (here >= torch.maximum(surface + SAME_SURFACE_PX, behind)) & (steps == math.inf)
        steps = steps.masked_fill(hit, step)
        found = torch.where(hit, here, found)
        surface = torch.where(here > surface - SAME_SURFACE_PX, here, surface)
    return steps, found


def _grow(surface: Surface) -> Surface:
    """Extend a surface by one pixel: pixels without it take the mean of their neighbors that have it."""
    stack = torch.cat([surface.linear, surface.coc[None]]) * surface.coverage
    total = avg_pool2d(torch.cat([stack, surface.coverage[None]])[None], 3, 1, 1)[0]
    mean = total[:4] / total[4].clamp(min=1e-6)
    known = surface.coverage > 0
    return Surface(
        torch.where(known, surface.linear, mean[:3]),
        (total[4] > 0).float(),
        torch.where(known, surface.coc, mean[3]),
    )


def _enlarge(image: Tensor, factor: int, size: tuple[int, ...]) -> Tensor:
    """Repeat pixels ``factor`` times along both axes and crop to ``size``."""
    repeated = image.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    return repeated[..., : size[0], : size[1]]
