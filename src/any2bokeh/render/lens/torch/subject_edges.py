"""Pixels that a held subject covers partly: the CoC of the background in them, and both colors."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from any2bokeh.render.lens.model import (
    CLEAN_SHARE,
    EDGE_STEP_PX,
    LEAST_SAMPLES,
    PARTLY,
    SAMPLE_SIGMA,
    SAMPLES_DOWN_ACROSS,
    SEPARATED_PX,
    sample_step,
)


def uncover(coc: Tensor, coverage: Tensor) -> Tensor:
    """Signed CoC ``H W`` [px] with the background's in all pixels that the subject covers partly.

    From a coverage of a half on a pixel has the subject's. It takes that of the nearest sample around it
    that is covered less, if that lies behind: next to an occluder it stays with the subject.
    """
    rows, columns = ((coverage >= 0.5) & ~subject_coc(coc, coverage).isnan()).nonzero(as_tuple=True)
    own = coc[rows, columns]
    behind = torch.full_like(own, math.nan)
    for y, x, _ in _samples(coc, rows, columns):
        behind = torch.where(behind.isnan() & (coverage[y, x] < 0.5), coc[y, x], behind)
    result = coc.clone()
    result[rows, columns] = torch.where(behind >= own + SEPARATED_PX, behind, own)
    return result


def subject_coc(coc: Tensor, coverage: Tensor) -> Tensor:
    """The subject's CoC ``H W`` [px] in pixels that it covers partly, NaN elsewhere.

    It is that of the nearest sample that it covers wholly; where none is around, it is not known.
    """
    rows, columns = ((coverage > PARTLY) & (coverage < 1 - PARTLY)).nonzero(as_tuple=True)
    found = torch.full_like(coc[rows, columns], math.nan)
    for y, x, _ in _samples(coc, rows, columns):
        found = torch.where(found.isnan() & (coverage[y, x] >= 1 - PARTLY), coc[y, x], found)
    result = torch.full_like(coc, math.nan)
    result[rows, columns] = found
    return result


def separate_subject(
    linear: Tensor, coc: Tensor, coverage: Tensor, rows: Tensor, columns: Tensor
) -> tuple[Tensor, Tensor]:
    """The background's and the subject's color (``3 P`` each) in P pixels that it covers partly.

    Both are means of the samples around, those counting most that show one surface alone; what their mixture
    leaves of the pixel's own light is given to both, so that they mix to that light again.
    """
    mixed, own, share = linear[:, rows, columns], coc[rows, columns], coverage[rows, columns]
    front, behind = torch.zeros_like(mixed), torch.zeros_like(mixed)
    front_weight, behind_weight = torch.zeros_like(own), torch.zeros_like(own)
    for y, x, closeness in _samples(coc, rows, columns):
        color, covered = linear[:, y, x], coverage[y, x]
        weight = closeness * covered**CLEAN_SHARE
        front, front_weight = front + weight * color, front_weight + weight
        is_behind = coc[y, x] > own - EDGE_STEP_PX
        weight = closeness * (1 - covered) ** CLEAN_SHARE * is_behind
        behind, behind_weight = behind + weight * color, behind_weight + weight
    front = torch.where(front_weight > LEAST_SAMPLES, front / front_weight.clamp(min=LEAST_SAMPLES), mixed)
    behind = torch.where(
        behind_weight > LEAST_SAMPLES, behind / behind_weight.clamp(min=LEAST_SAMPLES), mixed
    )
    left = (mixed - share * front - (1 - share) * behind) / (share.square() + (1 - share).square())
    return (behind + (1 - share) * left).clamp(min=0), (front + share * left).clamp(min=0)


def _samples(coc: Tensor, rows: Tensor, columns: Tensor) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Rows and columns of a sample around each of P pixels, and how much it counts; nearest first."""
    height, width = coc.shape
    step = sample_step(height, width)
    for dy, dx in SAMPLES_DOWN_ACROSS:
        y, x = (rows + step * dy).clamp(0, height - 1), (columns + step * dx).clamp(0, width - 1)
        yield y, x, math.exp(-(dy * dy + dx * dx) / (2 * SAMPLE_SIGMA**2))
