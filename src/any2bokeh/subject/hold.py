"""Holding a subject: disparity that keeps all of it sharp, whatever an estimator makes of its parts.

A viewer who says "keep this sharp" means the whole thing: head, hands and feet. So inside the subject's
mask disparity becomes that of the focal plane. Background that the estimator puts at the subject's
distance or nearer is moved back; the ground that carries the subject keeps its own
slope, so that focus falls off along the floor; everything below the line where the subject meets the ground
is never touched.

How much is moved back depends on how far the disparity can be trusted, which the outline tells: a good
track drops there by much, all around; an estimate that saw a vertical ramp does not.
"""

from dataclasses import dataclass
from itertools import takewhile

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.errors import ShapeError
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.subject.compiled_hold import Held, SmallMaps, hold_rows

WORK_SIDE_PX = 384  # the longer side of the maps that are measured; all lengths below are shares of it
INSIDE = 0.5  # coverage from which a pixel belongs to the subject
LEAST_PX = 12  # pixels of the small mask: fewer are no subject
COLUMNS = 48  # of the line where the subject meets the ground
FALL = 0.05  # rows per column by which that line rises beside the feet
FEET = 0.08  # the lowest part of the subject, as a share of its height
STEP = 0.15  # disparity from feet to ground: more is an edge, so something else stands in front of the feet
GROUND = 0.012  # how far below the feet the ground is looked at, as a share of the longer side
BEHIND = 0.5  # of the focal plane's disparity: background is at least twice as far away
LEAST_BEHIND, FARTHEST_BEHIND = 0.4, 0.9  # so far in disparity, but not by more than such a share of it
RISE = 0.12  # of the subject's height, over which the ground behind the feet may take to fall so far
ROOM = 0.1  # of disparity at the focal plane: below, there is no room behind it to move things into
OVERRUN = 1 / 32  # of the longer side: so far an estimate's disparity may run over the outline
MOSTLY = 0.5  # of the outline: where less runs over, the track is sharp there and something else is as near
DROP = 0.1  # disparity by which a good track falls across the outline
DOUBTED, TRUSTED = 0.65, 0.9  # shares of the outline with such a drop
# The step of disparity across the outline, up or down, and that over the relief inside; pairs of doubted and
# believed. A flat subject may stand out by little, one with a relief has to by much.
FLAT_STEP, FLAT_APART = (0.15, 0.25), (1.2, 2.0)
ROUND_STEP, ROUND_APART = (0.3, 0.38), (0.6, 0.9)


@dataclass(frozen=True, eq=False)
class Standing:
    """How a subject stands in one frame.

    ``disparity`` is where the focal plane has to be: that of the ground at its feet, or its own median
    where that is nearer. ``trust`` (0..1) tells how far disparity around it can be believed.
    ``overrun`` is how far its own disparity runs over most of its outline, a share of the longer side.
    ``slope`` is the ground's change of disparity per frame height. ``line`` holds for ``COLUMNS`` columns,
    left to right, the row (a share of the height) where the subject meets the ground. ``height`` is the
    subject's, a share of the frame's. ``presence`` (0..1) falls as the subject leaves and rises as it comes:
    the background is moved by this share, so that nothing pops.
    """

    disparity: float
    trust: float
    overrun: float
    slope: float
    height: float
    line: Tensor  # COLUMNS
    presence: float = 1.0

    def line_at(self, width: int) -> Tensor:
        """Return the line for so many columns, ``width``."""
        return interpolate(self.line[None, None], width, mode="linear", align_corners=True)[0, 0]


def measure_standing(disparity: Tensor, mask: Tensor) -> Standing | None:
    """Return how the subject of ``mask`` (``1 h w``, 0..1) stands in ``disparity`` (``1 h w``).

    Sizes may differ. ``None`` where the mask is empty.
    """
    return standing_in(*small_maps(disparity, mask))


def standing_in(small: Tensor, coverage: Tensor) -> Standing | None:
    """Return how the subject stands in the ``small_maps`` of disparity and mask."""
    inside = coverage >= INSIDE
    if int(inside.sum()) < LEAST_PX:
        return None
    height = small.shape[0]
    rows = inside.any(1).nonzero()[:, 0]
    top, bottom = int(rows[0]), int(rows[-1])
    tall = bottom - top + 1
    lowest = _lowest_rows(inside)
    line = _cone(lowest)
    own = float(small[inside].median())
    feet, ground, slope = _at_feet(small, lowest, bottom - FEET * tall)
    carried = min(feet, ground) if abs(feet - ground) < STEP else own
    ending = line - FEET * tall
    return Standing(
        disparity=max(own, carried),
        trust=_trust(small, inside, ending),
        overrun=_overrun(small, inside, ending),
        slope=slope * height,
        height=tall / height,
        line=interpolate((line / height)[None, None], COLUMNS, mode="linear", align_corners=True)[0, 0],
    )


def hold(
    disparity: Tensor,
    mask: Tensor,
    standing: Standing,
    focus_disparity: float,
    occluders: Tensor | None = None,
) -> Tensor:
    """Return ``disparity`` with the subject of ``mask`` held at ``focus_disparity``: all ``1 H W``, 0..1.

    ``standing`` is the subject's, smoothed over time; ``occluders`` (``h w`` bool, any size) stay as they
    are. Raises ``ShapeError`` where sizes differ.
    """
    if disparity.shape != mask.shape or disparity.ndim != 3:
        raise ShapeError(f"the mask is {tuple(mask.shape)} where disparity is {tuple(disparity.shape)}")
    small, coverage = small_maps(disparity, mask)
    inside = coverage >= INSIDE
    # A track that is believed runs over the outline as far as was measured, a doubted one any way it likes.
    overrun = OVERRUN + standing.trust * (standing.overrun - OVERRUN)
    least = int(small.shape != disparity.shape[1:])  # a smaller map knows no less than its own pixel
    near = grown(inside, max(least, round(max(inside.shape) * overrun)))
    room = min(1.0, focus_disparity / ROOM)
    none = np.empty((0, 0), np.uint8)
    maps = SmallMaps(
        _limit(small.shape, standing, focus_disparity).numpy(),
        _background(small, inside).numpy(),
        near.numpy().view(np.uint8),
        none if occluders is None else occluders.cpu().numpy().view(np.uint8),
    )
    held = Held(
        np.float32(focus_disparity),
        np.float32((1 - standing.trust) * room * standing.presence),
        np.float32(focus_disparity * (1 - 0.6 * BEHIND) if room == 1 else -1),  # nothing runs over the feet
        np.float32(DROP),
    )
    moved = np.empty(disparity.shape[1:], np.float32)
    frame, share = (image[0].contiguous().cpu().numpy() for image in (disparity, mask))
    hold_rows(frame, share, maps, held, moved)
    return torch.from_numpy(moved)[None].to(disparity.device)


def small_maps(disparity: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return disparity and coverage, ``h w`` each, with a longer side of ``WORK_SIDE_PX``."""
    height, width = mask.shape[1:]
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small, coverage = (
        interpolate(image[None].float().cpu(), size, mode="bilinear", antialias=True)[0, 0]
        for image in (disparity, mask)
    )
    return small, coverage


def _lowest_rows(inside: Tensor) -> Tensor:
    """The lowest row of the subject in each column, ``w``; far below 0 where there is none."""
    height = inside.shape[0]
    last = height - 1 - inside.flip(0).float().argmax(dim=0)
    return torch.where(inside.any(0), last.float(), torch.tensor(-1e6))


def _cone(lowest: Tensor) -> Tensor:
    """The row where the subject meets the ground: that of its feet, and a little higher beside them."""
    fall = FALL * torch.arange(len(lowest), dtype=torch.float32)
    from_left = (lowest + fall).cummax(0).values - fall
    from_right = ((lowest.flip(0) + fall).cummax(0).values - fall).flip(0)
    return torch.maximum(from_left, from_right)


def _at_feet(small: Tensor, lowest: Tensor, feet_row: float) -> tuple[float, float, float]:
    """Disparity of the feet and of the ground below them, and how the ground's grows per row."""
    height, width = small.shape
    columns = (lowest >= feet_row).nonzero()[:, 0]
    rows = lowest[columns].long()
    gap = max(2, round(GROUND * max(height, width)))
    feet = float(small[rows, columns].median())
    has_ground = rows + 2 * gap < height
    if int(has_ground.sum()) < max(1, 0.3 * len(columns)):
        return feet, feet, 0.0
    rows, columns = rows[has_ground], columns[has_ground]
    near, far = small[rows + gap, columns], small[rows + 2 * gap, columns]
    return feet, float(near.median()), max(0.0, float((far - near).median()) / gap)


def _trust(small: Tensor, inside: Tensor, line: Tensor) -> float:
    """How far the disparity can be trusted, 0..1, by what it does at the outline, above the feet.

    Either it drops by ``DROP`` along most of it; or, up or down, it steps there by more than it varies
    inside, as it does where something stands before the subject. An estimate that does not see the subject
    as one thing has a relief inside that is as high as its steps.
    """
    unit = max(1, round(max(small.shape) / 256))
    core = grown(inside, -unit) & ~grown(inside, -3 * unit)
    around = grown(inside, 3 * unit) & ~grown(inside, unit)
    rows = torch.arange(small.shape[0], dtype=torch.float32)[:, None]
    around &= rows < line[None]
    if not (core.any() and around.any()):
        return 0.0
    drop = (_mean_of(small, core, 4 * unit) - small)[around]
    low, high = small[inside].quantile(torch.tensor([0.1, 0.9])).tolist()
    step = float(drop.abs().median())
    dropping = _rise(float((drop > DROP).float().mean()), DOUBTED, TRUSTED)
    apart = step / max(high - low, 1e-6)
    flat = _rise(step, *FLAT_STEP) * _rise(apart, *FLAT_APART)
    return max(dropping, flat, _rise(step, *ROUND_STEP) * _rise(apart, *ROUND_APART))


def _overrun(small: Tensor, inside: Tensor, line: Tensor) -> float:
    """How far the subject's disparity runs over most of its outline above the feet (of the longer side).

    Only as far as it is nearer to the subject's than to the surroundings', and no occluder's.
    """
    most = max(1, round(max(small.shape) * OVERRUN))
    away = cv2.distanceTransform((~inside).numpy().view(np.uint8), cv2.DIST_L2, 3).astype(np.int64)
    rows = np.arange(small.shape[0], dtype=np.float32)[:, None]
    rim = (away > 0) & (away <= most) & (rows < line.numpy()[None])
    own, values = float(small[inside].median()), small.numpy()
    its_own = (values > (own + _background(small, inside).numpy()) / 2) & (values < own + DROP)
    rings = (its_own[rim & (away == step)] for step in range(1, most + 1))
    reached = sum(1 for _ in takewhile(lambda ring: len(ring) and ring.mean() > MOSTLY, rings))
    return reached / max(small.shape)


def _rise(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on, smooth between."""
    return smoothstep(min(max((value - low) / (high - low), 0.0), 1.0))


def _limit(size: torch.Size, standing: Standing, focus_disparity: float) -> Tensor:
    """The largest disparity, ``h w``, outside the subject; 2 (none) below the line of its feet."""
    height, width = size
    rows = (torch.arange(height, dtype=torch.float32) + 0.5) / height
    above = standing.line_at(width)[None] - rows[:, None]
    most = max(BEHIND * focus_disparity, min(LEAST_BEHIND, FARTHEST_BEHIND * focus_disparity))
    slope = max(standing.slope, most / (RISE * standing.height))
    limit = focus_disparity - (slope * above).clamp(0, most)
    return torch.where(above > 0, limit, torch.tensor(2.0))


def _background(small: Tensor, inside: Tensor) -> Tensor:
    """The disparity of the surroundings, continued to the subject's outline and behind it, ``h w``."""
    unit = max(1, round(max(small.shape) / 128))
    outside = ~grown(inside, 2 * unit)
    result = torch.full_like(small, float(small[outside].median()) if outside.any() else 0.0)
    for radius in (32 * unit, 16 * unit, 8 * unit, 4 * unit):
        count = _box_sum(outside.float(), radius)
        mean = _box_sum(small * outside, radius) / count.clamp_min(0.5)
        result = torch.where(count > 0.05 * (2 * radius + 1) ** 2, mean, result)
    return result


def _mean_of(small: Tensor, chosen: Tensor, radius: int) -> Tensor:
    """The mean of the chosen pixels in the square around each pixel; 0 where there is none."""
    return _box_sum(small * chosen, radius) / _box_sum(chosen.float(), radius).clamp_min(0.5)


def _box_sum(image: Tensor, radius: int) -> Tensor:
    """The sum in the square of ``2 radius + 1`` pixels around each pixel, ``h w``; outside lies nothing."""
    side = 2 * radius + 1
    sums = cv2.boxFilter(
        image.numpy(), -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED
    )
    return torch.from_numpy(sums)


def grown(inside: Tensor, radius: int) -> Tensor:
    """Return a set ``h w`` with a border of ``radius`` pixels, or without its own where that is negative."""
    side = 2 * abs(radius) + 1
    change = cv2.dilate if radius > 0 else cv2.erode
    return torch.from_numpy(change(inside.numpy().view(np.uint8), np.ones((side, side), np.uint8))) > 0
