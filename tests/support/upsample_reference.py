"""The upsampling of disparity in plain torch, on whole maps: the compiled loops are held against it."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from any2bokeh.depth.steps import FLAT_REACH, RADIUS, RAMP, STEP
from any2bokeh.depth.upsample import (
    AT_A_STEP,
    AVERAGED,
    COLOR_SIGMA,
    DISTANCE_SIGMA,
    MIXED,
    TRUST,
    UNLIKE_VOTE,
)

PIXELS_AT_ONCE = 16384  # bounds the working memory to about 10 MB


def upsample_reference(disparity: Tensor, picture: Tensor) -> Tensor:
    """Bring ``disparity`` ``1 h w`` to the size of ``picture`` ``3 H W``, not smaller: ``1 H W``."""
    (h, w), (height, width) = disparity.shape[1:], picture.shape[1:]
    # Interpolation weights sum to one only up to rounding; a constant keeps its exact value.
    smooth = _resize(disparity, height, width).clamp(disparity.min(), disparity.max())
    if min(h, w) < 2:
        return smooth
    cells, samples = _steps(disparity, _resize(picture, h, w))
    return _choose_surfaces(cells, samples, smooth, picture)


def _resize(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image[None], size=(height, width), mode="bilinear", align_corners=False)[0]


@dataclass(frozen=True)
class _Samples:
    """The map's samples, padded by RADIUS on all sides: N = (h + 2 RADIUS) (w + 2 RADIUS).

    ``colors`` are over sqrt(2) sigma, with the sum of their squares. ``surface`` is disparity, slope along
    y and x per sample, and 1 if the sample lies on a surface (0 in a ramp and in the padding).
    """

    colors: Tensor  # N 4
    surface: Tensor  # 4 N
    height: int
    width: int


def _steps(disparity: Tensor, colors: Tensor) -> tuple[Tensor, _Samples]:
    """Find where surfaces meet: the cells (y and x of samples, ``n 2``) around steps, and all samples."""
    across, along_x = _slope(disparity, dim=2)
    down, along_y = _slope(disparity, dim=1)
    # Samples steep only next to flatter ground are a ramp; those steep all around are a slanted surface.
    steepness = torch.maximum(along_x.abs(), along_y.abs())
    flattest = -_window_max(-steepness, FLAT_REACH)
    limit = RAMP + 2 * flattest
    on_surface = steepness <= limit
    jumps = _window_max((torch.maximum(across, down) > limit).float(), 1) > 0
    spread = _window_max(disparity, RADIUS) + _window_max(-disparity, RADIUS)
    cells = (jumps & (spread > STEP + 2 * RADIUS * flattest))[0].nonzero()

    colors = colors / (math.sqrt(2) * COLOR_SIGMA)
    colors = F.pad(torch.cat([colors, colors.square().sum(0, keepdim=True)]), (RADIUS,) * 4)
    surface = F.pad(torch.cat([disparity, along_y, along_x, on_surface]), (RADIUS,) * 4)
    return cells, _Samples(colors.flatten(1).t().contiguous(), surface.flatten(1), *disparity.shape[1:])


def _slope(disparity: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The larger one-sided difference at each sample (absolute), and the smaller (signed, 0 at a peak).

    The smaller one is the slope of the surface that the sample lies on even right beside a step.
    """
    steps = disparity.diff(dim=dim)
    before = torch.cat([steps.narrow(dim, 0, 1), steps], dim)
    after = torch.cat([steps, steps.narrow(dim, steps.shape[dim] - 1, 1)], dim)
    smaller = torch.where(before.abs() < after.abs(), before, after)
    return torch.maximum(before.abs(), after.abs()), smaller * (before * after > 0)


def _window_max(image: Tensor, radius: int) -> Tensor:
    """The largest value within a square of ``2 radius + 1``."""
    return F.max_pool2d(image[None], 2 * radius + 1, stride=1, padding=radius)[0]


def _choose_surfaces(cells: Tensor, samples: _Samples, smooth: Tensor, picture: Tensor) -> Tensor:
    """Replace ``smooth`` ``1 H W`` at the cells by the surface that each pixel belongs to."""
    height, width = picture.shape[1:]
    rows = pixels_of_samples(samples.height, height, picture.device)
    columns = pixels_of_samples(samples.width, width, picture.device)
    colors = picture.flatten(1)
    nearer, farther = smooth.flatten().clone(), smooth.flatten().clone()
    votes = torch.zeros_like(nearer)
    cells_at_once = max(1, PIXELS_AT_ONCE // (rows.shape[1] * columns.shape[1]))
    for y, x in (part.unbind(1) for part in torch.split(cells, cells_at_once)):
        pixels = (rows[y][:, :, None] * width + columns[x][:, None, :]).flatten(1)  # n S
        offset_y = (pixels // width + 0.5) * (samples.height / height) - 0.5 - y[:, None]
        offset_x = (pixels % width + 0.5) * (samples.width / width) - 0.5 - x[:, None]
        vote, near, far = _vote(_surroundings(samples, y, x), colors[:, pixels], offset_y, offset_x)
        here = smooth.flatten()[pixels]
        place = ((here - far) / (near - far)).clamp(0, 1)  # 0.5: middle of the ramp
        apart = near - far > STEP
        # One surface in reach, and still a value off it: the foot of a wide ramp. Nothing to vote on there.
        changed = apart | (here - near > STEP) | (far - here > STEP)
        nearer[pixels] = torch.where(changed, near, here)
        farther[pixels] = torch.where(changed, far, here)
        votes[pixels] = torch.where(apart, vote + TRUST * (2 * place - 1), 0)
    # Neighbors mostly belong together: a 3x3 sum lets a lone pixel follow them.
    sums = _box_sum(votes.view(height, width)).flatten()
    is_near = sums > 0
    values = samples.surface[0].view(samples.height + 2 * RADIUS, -1)[RADIUS:-RADIUS, RADIUS:-RADIUS]
    found = list[tuple[Tensor, float]]()
    mixed = at_steps = 0
    for y, x in cells.tolist():
        pixels = (rows[y].unique()[:, None] * width + columns[x].unique()).flatten()
        near, far = nearer[pixels].mean().item(), farther[pixels].mean().item()
        if near - far <= STEP:
            continue
        share = (values[y, x].item() - far) / (near - far)
        found.append((pixels, min(max(share, 0), 1)))
        around = values[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        off = AT_A_STEP * (near - far)
        if around.max() >= near - off and around.min() <= far + off:
            at_steps += 1
            mixed += MIXED < share < 1 - MIXED
    if AVERAGED[0] * at_steps < mixed < AVERAGED[1] * at_steps:
        for pixels, share in found:
            first = sums[pixels].argsort(descending=True)[: int(share * len(pixels) + 0.5)]
            is_near[pixels] = False
            is_near[pixels[first]] = True
    return torch.where(is_near, nearer, farther).view(1, height, width)


def pixels_of_samples(count: int, size: int, device: torch.device) -> Tensor:
    """Which of ``size`` pixels lie nearest to each of ``count`` samples along one axis: ``count S``.

    A sample with fewer than S pixels repeats its last.
    """
    nearest = ((torch.arange(size, device=device) + 0.5) * (count / size) - 0.5).round().long()
    counts = torch.bincount(nearest.clamp(0, count - 1), minlength=count)
    within = torch.arange(int(counts.max()), device=device).minimum(counts[:, None] - 1)
    return (counts.cumsum(0) - counts)[:, None] + within


@dataclass(frozen=True)
class _Surroundings:
    """The K samples around n cells, split into a nearer and a farther surface."""

    colors: Tensor  # n K 4, as in _Samples
    weights: Tensor  # n 4 K: nearer, farther, and both times the sample's surface at the cell
    slopes: Tensor  # 4 n 1: nearer along y and x, farther along y and x; NaN where there is none
    lowest: Tensor  # n 1
    highest: Tensor  # n 1


def _surroundings(samples: _Samples, y: Tensor, x: Tensor) -> _Surroundings:
    around_y, around_x = neighborhood(y.device)
    stride = samples.width + 2 * RADIUS
    index = ((y + RADIUS) * stride + x + RADIUS)[:, None] + around_y * stride + around_x
    disparity, along_y, along_x, on_surface = samples.surface[:, index]  # n K each
    highest = (disparity * on_surface).amax(1, keepdim=True)
    lowest = torch.where(on_surface > 0, disparity, 1).amin(1, keepdim=True)
    weight = on_surface * torch.exp((around_x**2 + around_y**2) / (-2 * DISTANCE_SIGMA**2))
    near = torch.where(disparity > (highest + lowest) / 2, weight, 0)
    far = weight - near
    here = disparity - along_y * around_y - along_x * around_x
    slopes = [(side * slope).sum(1) / side.sum(1) for side in (near, far) for slope in (along_y, along_x)]
    return _Surroundings(
        colors=samples.colors.index_select(0, index.flatten()).view(*index.shape, 4),
        weights=torch.stack([near, far, near * here, far * here], dim=1),
        slopes=torch.stack(slopes)[..., None],
        lowest=lowest,
        highest=highest,
    )


def _vote(
    around: _Surroundings, colors: Tensor, offset_y: Tensor, offset_x: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """How much the pixels ``3 n S`` of n cells resemble the nearer surface, and both surfaces' disparity.

    The offsets ``n S`` are from the cell's sample, in samples. Returns the logarithm of nearer to farther
    votes, and the two disparities, ``n S`` each: equal where one surface is in reach, NaN where none is.
    """
    # |a - b|^2 = |a|^2 - 2 ab + |b|^2, as one matrix product
    colors = colors / (math.sqrt(2) * COLOR_SIGMA)
    own = torch.cat([-2 * colors, torch.ones_like(colors[:1])]).permute(1, 2, 0)  # n S 4
    apart = own @ around.colors.transpose(1, 2) + colors.square().sum(0)[..., None]  # n S K
    sums = apart.neg_().exp_() @ around.weights.transpose(1, 2) + UNLIKE_VOTE * around.weights.sum(2)[:, None]
    near_votes, far_votes, near, far = sums.unbind(2)
    near_y, near_x, far_y, far_x = around.slopes
    near = (near / near_votes + near_y * offset_y + near_x * offset_x).clamp(around.lowest, around.highest)
    far = (far / far_votes + far_y * offset_y + far_x * offset_x).clamp(around.lowest, around.highest)
    vote = (near_votes / far_votes).log()
    return vote, torch.where(near_votes > 0, near, far), torch.where(far_votes > 0, far, near)


def neighborhood(device: torch.device) -> tuple[Tensor, Tensor]:
    """Offsets y and x of samples within RADIUS: the nine in the middle, every other one further out."""
    offsets = torch.arange(-RADIUS, RADIUS + 1, device=device)
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    distance = x**2 + y**2
    chosen = (distance <= 2) | ((distance <= RADIUS**2 + 1) & ((x + y) % 2 == 0))
    return y[chosen], x[chosen]


def _box_sum(image: Tensor) -> Tensor:
    padded = F.pad(image, (1, 1, 1, 1))
    lines = padded[:-2] + padded[1:-1] + padded[2:]
    return lines[:, :-2] + lines[:, 1:-1] + lines[:, 2:]
