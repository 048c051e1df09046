"""Depth edges: ramps of disparity made steps, and the colors that edge pixels mix taken apart."""

import math

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from any2bokeh.render.lens.model import (
    BEYOND_PX,
    BLURRED_PX,
    CLIPPED,
    CLIPPED_CONTRAST,
    EDGE_STEP_PX,
    FAINT_CONTRAST,
    LARGEST_SHARE,
    LEAST_RISE,
    NO_CONTRAST,
    PLAUSIBLE_MIXTURE,
    RAMP_AXES,
    RAMP_WINDOW_PX,
    RIM_GAIN,
    SEPARATED_PX,
    STEADY,
    TRUSTED_CONTRAST,
)
from any2bokeh.render.lens.torch.subject_edges import separate_subject, subject_coc
from any2bokeh.render.lens.torch.surfaces import Surface

AROUND = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if dy or dx]


def snap_ramps(coc: Tensor) -> Tensor:
    """Signed CoC ``H W`` [px] in which the pixels of ramps have moved to the ramp's nearer or farther end.

    A ramp is three steady steps in a row along one of four axes, in a surrounding that spans at least
    ``EDGE_STEP_PX``; a slope that goes on beyond is a slanted surface. Pixels on ramps and beside them
    take the smallest or the largest value of the window around them, whichever is closer. Sharp edges,
    slanted surfaces and thin things stay as they are.
    """
    size = 2 * RAMP_WINDOW_PX + 1
    farthest = max_pool2d(coc[None, None], size, 1, RAMP_WINDOW_PX)[0, 0]
    nearest = -max_pool2d(-coc[None, None], size, 1, RAMP_WINDOW_PX)[0, 0]
    candidates = farthest - nearest >= EDGE_STEP_PX
    on_ramp = torch.zeros_like(coc)
    rows, columns = candidates.nonzero(as_tuple=True)
    least_rise = LEAST_RISE * (farthest - nearest)[rows, columns]
    on_ramp[rows, columns] = _on_ramp(coc, rows, columns, least_rise).to(coc.dtype)
    beside_ramp = max_pool2d(on_ramp[None, None], 3, 1, 1)[0, 0] > 0
    end = torch.where(coc - nearest <= farthest - coc, nearest, farthest)
    return torch.where(candidates & beside_ramp, end, coc)


def _on_ramp(coc: Tensor, rows: Tensor, columns: Tensor, least_rise: Tensor) -> Tensor:
    """Whether each of P pixels lies within three steady steps that rise enough, and no farther than that."""
    around = pad(coc[None, None], (BEYOND_PX,) * 4, mode="replicate")[0, 0]
    width = around.shape[1]
    flat, start = around.flatten(), (rows + BEYOND_PX) * width + columns + BEYOND_PX
    found = torch.zeros_like(start, dtype=torch.bool)
    for dy, dx in RAMP_AXES:
        stride = dy * width + dx
        before, after = flat[start - BEYOND_PX * stride], flat[start + BEYOND_PX * stride]
        values = torch.stack([flat[start + place * stride] for place in range(-2, 3)])
        for first in (0, 1):  # the pixel is the third or the second of the four
            steps = values[first : first + 4].diff(dim=0)
            sizes = steps.abs()
            one_way = (steps > 0).all(0) | (steps < 0).all(0)
            steady = one_way & (sizes.amin(0) >= STEADY * sizes.amax(0))
            rise = steps.sum(0)
            goes_on = torch.maximum((values[0] - before) * rise.sign(), (after - values[4]) * rise.sign())
            found |= steady & (rise.abs() >= torch.maximum(goes_on, least_rise))
    return found


def matte_edges(
    linear: Tensor, coc: Tensor, coverage: Tensor | None = None, clipped: float = CLIPPED
) -> tuple[Tensor, Surface]:
    """Separate the two colors that pixels at depth edges mix.

    A pixel of the farther surface that touches a nearer one holds some of its color (the picture is
    averaged over pixels, disparity is not). Returns the picture ``3 H W`` with that color taken out,
    and the part taken out: the nearer surface's fringe. Without this a sharp foreground leaves a halo
    in the blur behind it. ``coc`` is ``H W`` in pixels. In the pixels that a held subject covers partly its
    ``coverage`` (``H W``) tells the share, and ``coc`` is the background's. Light of ``clipped`` and more
    does not tell how bright it is.
    """
    nearest = -max_pool2d(-coc[None, None], 3, 1, 1)[0, 0]
    farthest = max_pool2d(coc[None, None], 3, 1, 1)[0, 0]
    touches_nearer, touches_farther = coc - nearest >= EDGE_STEP_PX, farthest - coc >= EDGE_STEP_PX
    subject = torch.full_like(coc, math.nan) if coverage is None else subject_coc(coc, coverage)
    partly = coc >= subject + SEPARATED_PX
    touches_nearer |= partly
    rows, columns = (touches_nearer & ~partly).nonzero(as_tuple=True)
    mixed, own, near = linear[:, rows, columns], coc[rows, columns], nearest[rows, columns]

    behind, behind_further = _MeanColor(mixed), _MeanColor(mixed)
    front, any_front = _MeanColor(mixed), _MeanColor(mixed)
    label_share = torch.zeros_like(own)
    for dy, dx in AROUND:
        y, x = (rows + dy).clamp(0, coc.shape[0] - 1), (columns + dx).clamp(0, coc.shape[1] - 1)
        beside, color = coc[y, x], linear[:, y, x]
        is_behind = ((beside - own).abs() < EDGE_STEP_PX) & ~touches_nearer[y, x]
        if max(abs(dy), abs(dx)) == 1:
            is_front = ((beside - near).abs() < EDGE_STEP_PX) & (beside < own - EDGE_STEP_PX / 2)
            behind.add(color, is_behind)
            front.add(color, is_front & ~touches_farther[y, x])
            any_front.add(color, is_front)
            label_share += is_front * ((2 - abs(dy)) * (2 - abs(dx)) / 16)  # 3x3 binomial
        else:  # a corner of the background has none nearer by
            behind_further.add(color, is_behind)

    behind.fill(behind_further)
    front_color = torch.where(front.count > 0, front.color, any_front.color)
    share = _front_share(mixed, front_color, behind, front.variance + behind.variance, label_share)
    background = (mixed - share * front_color) / (1 - share)
    light = _is_light(front_color, behind, clipped)
    of_light = torch.maximum(share, _place_on_line(mixed, front_color, behind.color))
    share = torch.where(light, of_light, share)
    background = torch.where(light, mixed - share * (front_color - behind.color), background).clamp(min=0)
    rim = light & (mixed.amax(0) >= clipped) & (near.abs() >= BLURRED_PX)
    front_color = torch.where(rim, RIM_GAIN * front_color, front_color)

    matted = linear.clone()
    matted[:, rows, columns] = background
    fringe = Surface(torch.zeros_like(linear), torch.zeros_like(coc), torch.zeros_like(coc))
    fringe.linear[:, rows, columns] = front_color
    fringe.coverage[rows, columns] = share
    fringe.coc[rows, columns] = near
    if coverage is not None:
        rows, columns = partly.nonzero(as_tuple=True)
        matted[:, rows, columns], fringe.linear[:, rows, columns] = separate_subject(
            linear, coc, coverage, rows, columns
        )
        fringe.coverage[rows, columns] = coverage[rows, columns]
        fringe.coc[rows, columns] = subject[rows, columns]
    return matted, fringe


class _MeanColor:
    """Running mean and variance of chosen neighbors' colors, for P pixels at once (``3 P``)."""

    def __init__(self, like: Tensor) -> None:
        self.total = torch.zeros_like(like)
        self.squares = torch.zeros_like(like[0])
        self.count = torch.zeros_like(like[0])

    def add(self, color: Tensor, chosen: Tensor) -> None:
        self.total += color * chosen
        self.squares += color.square().sum(0) * chosen
        self.count += chosen

    def fill(self, other: "_MeanColor") -> None:
        """Take over ``other`` where nothing was chosen."""
        none = self.count == 0
        self.total = torch.where(none, other.total, self.total)
        self.squares = torch.where(none, other.squares, self.squares)
        self.count = torch.where(none, other.count, self.count)

    @property
    def color(self) -> Tensor:
        return self.total / self.count.clamp(min=1)

    @property
    def variance(self) -> Tensor:
        """Summed over the channels; 0 where nothing was chosen."""
        return (self.squares / self.count.clamp(min=1) - self.color.square().sum(0)).clamp(min=0)


def _front_share(
    mixed: Tensor, front_color: Tensor, behind: _MeanColor, variance: Tensor, label_share: Tensor
) -> Tensor:
    """How much of each edge pixel (``P``) is the nearer surface, 0 to at most its share of labels around it.

    Read off the line from the farther to the nearer color where their contrast stands out from the
    surfaces' own variation, else taken from the disparity around; 0 where the farther color is not known.
    """
    line = front_color - behind.color
    contrast = line.square().sum(0)
    projected = _place_on_line(mixed, front_color, behind.color)
    off_line = (mixed - behind.color - projected * line).square().sum(0)
    trust = contrast / (contrast + TRUSTED_CONTRAST * variance + NO_CONTRAST)
    share = torch.minimum(trust * projected + (1 - trust) * label_share, label_share)
    share = share * torch.exp(-PLAUSIBLE_MIXTURE * off_line / (contrast + FAINT_CONTRAST))
    return torch.where(behind.count > 0, share.clamp(0, LARGEST_SHARE), torch.zeros_like(share))


def _place_on_line(mixed: Tensor, front: Tensor, behind: Tensor) -> Tensor:
    """Where ``mixed`` lies between two colors: 0 at ``behind``, 1 at ``front``."""
    line = front - behind
    place = ((mixed - behind) * line).sum(0) / line.square().sum(0).clamp(min=NO_CONTRAST)
    return place.clamp(0, 1)


def _is_light(front_color: Tensor, behind: _MeanColor, level: float) -> Tensor:
    """Whether the nearer surface is a light too bright for the picture: its pixels do not mix linearly.

    What it covers by a third may be white already, so the pixel's color alone tells its share.
    """
    contrast = (front_color - behind.color).square().sum(0)
    clipped = (front_color.amax(0) >= level) & (contrast >= CLIPPED_CONTRAST)
    return clipped & (behind.count > 0)
