"""The subject's coverage: its mask brought to the edges of the picture.

A mask is drawn, or found by a network, to within a pixel or two. Around its outline the picture knows
better: a pixel that shows the subject's color is the subject's, one that shows the background's is not, and
one between both is covered partly. So in a narrow band each pixel is placed on the line between the two
colors around it, as far as they differ by more than they vary, and as far as the most similar color of each
side agrees; elsewhere the mask is believed. Edges move within the band only: at its inner border all is
covered, at its outer one nothing.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats, Integers
from any2bokeh.errors import ShapeError
from any2bokeh.jit import compiled

BAND = 1 / 280  # of the longer side: how far to each side of the mask's outline edges are looked for
COLORS_SIDE_PX = 480  # the longer side of the small picture in which both colors are averaged
COLORS_BANDS = 3  # bands: how far away both colors are averaged
TRUSTED_CONTRAST = 4.0  # a color tells its mixture where contrast is well above this times variance
FAINT = 1e-4  # squared contrast in linear light that is none
OFF_LINE = 2.0  # how fast trust falls with a color's distance from the mixing line
LEAST_SHARE = 0.02  # of the window that must show one surface alone for its color to be known
KNOWN = 0.05  # the same, at which it is believed by half
LOOKED_AT = 5  # samples to each side among which the most similar color of both surfaces is looked for
SAMPLES_APART = 0.4  # bands: how far these samples are apart
GRAIN = 0.01  # of code values: colors this similar are the same
DISAGREEMENT = 8  # how fast trust falls where the most similar colors say other than the mean ones
CLEAR = 0.04  # coverage this near to nothing or all is that: no haze
WHOLE = 1e-3  # the sum of a box differs from 0 or 1 by rounding


def refine_edges(mask: Tensor, picture: Tensor) -> Tensor:
    """Return the coverage ``1 H W`` of the subject of ``mask`` (``1 h w``, 0..1) in ``picture`` (``3 H W``).

    A smaller mask is enlarged; its edges are looked for as far as its pixels are wide. Raises ``ShapeError``.
    """
    if mask.ndim != 3 or mask.shape[0] != 1 or picture.ndim != 3:
        raise ShapeError(f"the mask is {tuple(mask.shape)} where the picture is {tuple(picture.shape)}")
    height, width = picture.shape[1:]
    pixel = max(height / mask.shape[1], width / mask.shape[2])
    reach = max(2, round(BAND * max(height, width)), round(pixel))
    if mask.shape[1:] != picture.shape[1:]:
        mask = _resized(mask, height, width)
    whole: Floats = mask[0].cpu().numpy()
    window = _around(whole, (COLORS_BANDS + 2) * reach)
    if window is None:
        return mask
    given = np.ascontiguousarray(whole[window])
    colors: Floats = np.ascontiguousarray(picture.cpu().numpy()[:, *window])
    near = cv2.blur(given, (2 * reach + 1, 2 * reach + 1), borderType=cv2.BORDER_REPLICATE)
    rows, columns = np.nonzero((near > WHOLE) & (near < 1 - WHOLE))
    if not len(rows):
        return mask
    step = max(1, round(max(whole.shape) / COLORS_SIDE_PX))
    means = _mean_colors(colors[:, ::step, ::step], near[::step, ::step], COLORS_BANDS * reach // step)
    smooth = cv2.GaussianBlur(given, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
    apart = max(1, round(SAMPLES_APART * reach))
    _place_colors(colors, smooth, near, (rows, columns), (means, step, apart), given)
    result = whole.copy()
    result[window] = given
    return torch.from_numpy(result)[None].to(mask.device)


def _resized(mask: Tensor, height: int, width: int) -> Tensor:
    way = cv2.INTER_LINEAR if height * width >= mask[0].numel() else cv2.INTER_AREA
    return torch.from_numpy(cv2.resize(mask[0].cpu().numpy(), (width, height), interpolation=way))[None]


def _around(mask: Floats, border_px: int) -> tuple[slice, slice] | None:
    """The part of the frame that holds the subject and so many pixels around it; ``None`` without one."""
    rows, columns = (np.flatnonzero(mask.max(axis) > WHOLE) for axis in (1, 0))
    if not len(rows):
        return None
    top, left = max(0, rows[0] - border_px), max(0, columns[0] - border_px)
    return slice(top, rows[-1] + border_px + 1), slice(left, columns[-1] + border_px + 1)


def _mean_colors(colors: Floats, near: Floats, radius: int) -> Floats:
    """The colors around each pixel of the certain subject and the certain background: ``h w 10``.

    Of each red, green and blue (linear light, by the square of code values), the sum of their variances, and
    the share of the window that shows it. ``colors`` is ``3 h w``.
    """
    linear = np.square(colors.transpose(1, 2, 0))
    squares = np.square(linear).sum(2)
    planes = np.empty((*near.shape, 10), np.float32)
    for first, sure in ((0, near >= 1 - WHOLE), (5, near <= WHOLE)):
        planes[..., first : first + 3] = linear * sure[..., None]
        planes[..., first + 3] = squares * sure
        planes[..., first + 4] = sure
    side = 2 * max(1, radius) + 1
    sums: Floats = np.empty_like(planes)
    for first in (0, 5):  # a filter takes four channels at most at its full speed
        part = np.ascontiguousarray(planes[..., first : first + 4])
        sums[..., first : first + 4] = cv2.blur(part, (side, side), borderType=cv2.BORDER_REPLICATE)
        share = np.ascontiguousarray(planes[..., first + 4])
        share = cv2.blur(share, (side, side), borderType=cv2.BORDER_REPLICATE)
        known = np.maximum(share, np.float32(1e-6))[..., None]
        sums[..., first : first + 4] /= known
        sums[..., first + 3] -= np.square(sums[..., first : first + 3]).sum(2)
        sums[..., first + 4] = share
    return sums


@compiled
def _place_colors(
    colors: Floats,
    smooth: Floats,
    near: Floats,
    places: tuple[Integers, Integers],
    small: tuple[Floats, int, int],
    coverage: Floats,
) -> None:
    """Fill ``coverage H W`` at the places (rows, columns) of the band.

    ``smooth`` is the mask with soft edges, ``near`` its mean over the band; ``small`` are ``_mean_colors``,
    every how many pixels they are, and every how many pixels similar colors are looked for.
    """
    rows, columns = places
    means, step, apart = small
    for pixel in range(len(rows)):
        y, x = rows[pixel], columns[pixel]
        # Means 0 to 4 are the subject's, 5 to 9 the background's: color, variance, share of the window.
        around = means[min(y // step, means.shape[0] - 1), min(x // step, means.shape[1] - 1)]
        covered = smooth[y, x]
        # The pixel's place on the line between both colors is its coverage, as far as the line is trusted.
        if around[4] > LEAST_SHARE and around[9] > LEAST_SHARE:
            contrast = place = np.float32(0)
            for channel in range(3):
                line = around[channel] - around[5 + channel]
                contrast += line * line
                place += (colors[channel, y, x] ** 2 - around[5 + channel]) * line
            place = min(max(place / max(contrast, np.float32(1e-9)), np.float32(0)), np.float32(1))
            off_line = np.float32(0)
            for channel in range(3):
                line = around[channel] - around[5 + channel]
                off = colors[channel, y, x] ** 2 - around[5 + channel] - place * line
                off_line += off * off
            variance = max(around[3], np.float32(0)) + max(around[8], np.float32(0))
            noise = np.float32(TRUSTED_CONTRAST) * variance + np.float32(OFF_LINE) * off_line
            trust = contrast / (contrast + noise + np.float32(FAINT))
            known = min(around[4], around[9])
            trust *= known / (known + np.float32(KNOWN))
            # A part of the background may have the subject's color: then the place says nothing.
            agreement = np.float32(1) - abs(place - _similarity(colors, near, y, x, apart))
            trust *= agreement**DISAGREEMENT
            covered += trust * (place - covered)
        # A thin part has no inner border, a narrow gap no outer one.
        if smooth[y, x] >= np.float32(0.5):
            covered = max(covered, np.float32(2) * near[y, x] - np.float32(1))
        else:
            covered = min(covered, np.float32(2) * near[y, x])
        covered = (covered - np.float32(CLEAR)) / np.float32(1 - 2 * CLEAR)
        coverage[y, x] = min(max(covered, np.float32(0)), np.float32(1))


@compiled
def _similarity(colors: Floats, near: Floats, y: int, x: int, apart: int) -> np.float32:
    """How much more similar a pixel is to the subject (1) than to the background (0).

    By the most similar color of each, code values, among samples around it that show one alone.
    """
    height, width = near.shape
    front = behind = np.float32(3)  # the squared distance from black to white
    for down in range(-LOOKED_AT, LOOKED_AT + 1):
        row = min(max(y + down * apart, 0), height - 1)
        for across in range(-LOOKED_AT, LOOKED_AT + 1):
            column = min(max(x + across * apart, 0), width - 1)
            covered = near[row, column]
            if covered > np.float32(WHOLE) and covered < np.float32(1 - WHOLE):
                continue
            distance = np.float32(0)
            for channel in range(3):
                difference = colors[channel, row, column] - colors[channel, y, x]
                distance += difference * difference
            if covered > np.float32(0.5):
                front = min(front, distance)
            else:
                behind = min(behind, distance)
    front = max(np.sqrt(front) - np.float32(GRAIN), np.float32(1e-3))
    behind = max(np.sqrt(behind) - np.float32(GRAIN), np.float32(1e-3))
    similar: np.float32 = behind / (front + behind)
    return similar
