"""A disparity map brought to the size of its picture, with edges where the picture has them.

A depth network answers at a fraction of the frame's size, and what it draws between a near and a far
surface is a ramp: disparities at which nothing in the scene stands. So at a step no value is mixed.
Samples inside ramps are set aside, the rest are split into a nearer and a farther surface, each surface
is continued by its own slope, and every pixel takes the one whose colors it resembles. Away from steps,
and on slopes, the map is plainly interpolated, so texture cannot leak into it.

The choice is a joint bilateral filter (Kopf et al., "Joint Bilateral Upsampling", 2007) that votes
between two surfaces instead of averaging over them.

A map that was averaged down says more: how much of a sample's area each surface has. Such a map shows one
mixed sample across a step, where an estimator draws several, and point sampling none. In it each surface gets
just as many of the sample's pixels as that, those that the votes put first.

The loops are compiled; the same method in plain torch, on whole maps, is among the tests.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Floats, Integers
from any2bokeh.depth.steps import ALONG_X, ALONG_Y, ON_SURFACE, PLANES, RADIUS, STEP, VALUE, find_steps
from any2bokeh.errors import ShapeError
from any2bokeh.jit import compiled

COLOR_SIGMA = 0.06  # code values; 4:2:0 and compression stay below it
DISTANCE_SIGMA = 2.0  # samples
UNLIKE_VOTE = 0.005  # vote of a sample of quite another color: decides only where none is alike
TRUST = 2.0  # how much the place within the ramp says, next to the logarithm of the votes

# Of a map that was averaged down: samples right at a step that are mixed, as a share of all. Averages over
# squares have 0.25 to 0.5, bicubic ones 0.55 to 0.7, linear ones and estimators more, single samples 0.1.
AVERAGED = np.float32(0.15), np.float32(0.6)
MIXED = np.float32(0.06)  # at least so much of either surface
AT_A_STEP = np.float32(0.12)  # of a step: both surfaces are as near beside the sample

Number = np.float32
Sums = tuple[Number, Number, Number, Number]
Sides = tuple[Number, Number, Number, Number, Number, Number]


def _neighborhood() -> Integers:
    """Offsets (y, x: ``2 K``) of samples within RADIUS: the nine in the middle, every other further out."""
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    distance = x**2 + y**2
    chosen = (distance <= 2) | ((distance <= RADIUS**2 + 1) & ((x + y) % 2 == 0))
    return np.stack([y[chosen], x[chosen]])


AROUND = _neighborhood()
CLOSENESS = np.exp((AROUND**2).sum(0) / (-2 * DISTANCE_SIGMA**2)).astype(np.float32)
COUNT = len(CLOSENESS)
LANES = -(-COUNT // 8) * 8  # whole vectors: the samples beyond COUNT weigh nothing
AROUND_Y, AROUND_X = np.pad(AROUND, ((0, 0), (0, LANES - COUNT))).astype(np.float32)
NEAR, FAR, NEAR_HERE, FAR_HERE = 3, 4, 5, 6  # instead of the planes from VALUE on, once these were used
COLOR_SCALE = np.float32(-math.log2(math.e) / (2 * COLOR_SIGMA**2))
ZERO, HALF, ONE, LEAST = np.float32(0), np.float32(0.5), np.float32(1), np.float32(UNLIKE_VOTE)


def upsample_disparity(disparity: Tensor, picture: Tensor) -> Tensor:
    """Bring ``disparity`` ``1 h w`` to the size of ``picture`` ``3 H W``, both float32: ``1 H W``.

    Equal sizes give ``disparity`` itself. No value leaves the range of the samples around it. A map
    larger than the picture is averaged where it is smooth and sampled at steps. The work is done on the CPU,
    wherever the two are; the result is on the device of ``disparity``. Raises ``ShapeError``.
    """
    if disparity.ndim != 3 or disparity.shape[0] != 1:
        raise ShapeError(f"disparity must be 1 h w, got {tuple(disparity.shape)}")
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ShapeError(f"picture must be 3 H W, got {tuple(picture.shape)}")
    (h, w), (height, width) = disparity.shape[1:], picture.shape[1:]
    if (h, w) == (height, width):
        return disparity
    if h > height or w > width:
        return _reduce(disparity, height, width)
    values, colors = disparity[0].contiguous().cpu().numpy(), picture.contiguous().cpu().numpy()
    return torch.from_numpy(_enlarge(values, colors))[None].to(disparity.device)


def _reduce(disparity: Tensor, height: int, width: int) -> Tensor:
    """Bring ``disparity`` ``1 h w`` to ``1 height width``, smaller in one direction at least."""
    radius = math.ceil(max(disparity.shape[1] / height, disparity.shape[2] / width) / 2)
    spread = _square_max(disparity, radius) + _square_max(-disparity, radius)
    mean = F.interpolate(disparity[None], size=(height, width), mode="area")[0]
    both = torch.stack([disparity, spread], dim=1)
    sample, spread = F.interpolate(both, size=(height, width), mode="nearest-exact")[0]
    return torch.where(spread > STEP, sample, mean)


def _square_max(image: Tensor, radius: int) -> Tensor:
    """The largest value within a square of ``2 radius + 1``, many times faster than ``max_pool2d``."""
    size = 2 * radius + 1
    for dim, border in ((1, (0, 0, radius, radius)), (2, (radius, radius))):
        image = F.pad(image, border, value=-math.inf)
        reach = 1
        while reach < size:
            step = min(reach, size - reach)
            left = image.shape[dim] - step
            image = torch.maximum(image.narrow(dim, 0, left), image.narrow(dim, step, left))
            reach += step
    return image


def _enlarge(values: Floats, colors: Floats) -> Floats:
    """Bring disparity ``h w`` to the size ``H W`` of the picture ``3 H W``, not smaller."""
    (h, w), (height, width) = values.shape, colors.shape[1:]
    result = np.empty((height, width), np.float32)
    _resize(values, *_places(h, height), *_places(w, width), result, 0)
    # Interpolation is exact only up to rounding.
    np.clip(result, values.min(), values.max(), out=result)
    if min(h, w) < 2:  # a line of samples has no surfaces
        return result
    samples = np.zeros((PLANES, h + 2 * RADIUS, w + 2 * RADIUS), np.float32)
    is_cell = np.empty((h, w), np.bool_)
    find_steps(values, samples, is_cell)
    for channel, plane in zip(colors, samples, strict=False):
        _resize(channel, *_places(height, h), *_places(width, w), plane, RADIUS)
    _choose_surfaces(samples, np.argwhere(is_cell), _pixels(h, height), _pixels(w, width), colors, result)
    return result


def _pixels(count: int, size: int) -> Integers:
    """The first of the ``size`` pixels nearest to each of ``count`` samples along an axis, and the end."""
    # In float32 and with ties to even, so that a pixel just between two samples goes to one of them for all.
    scale, half = np.float32(count / size), np.float32(0.5)
    nearest = ((np.arange(size, dtype=np.float32) + half) * scale - half).round().astype(np.int64)
    ends = np.bincount(nearest.clip(0, count - 1), minlength=count).cumsum()
    return np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1)


def _places(size: int, new_size: int) -> tuple[NDArray[np.uint32], Floats]:
    """Where new samples along an axis lie: behind which of the old ones, and how far towards the next."""
    scale, half = np.float32(size / new_size), np.float32(0.5)
    places = np.maximum((np.arange(new_size, dtype=np.float32) + half) * scale - half, 0)
    before = places.astype(np.uint32)
    return before, places - before.astype(np.float32)


@compiled
def _resize(
    image: Floats,
    rows: NDArray[np.uint32],
    row_shares: Floats,
    columns: NDArray[np.uint32],
    column_shares: Floats,
    out: Floats,
    border: int,
) -> None:
    """Fill ``out`` within its border with the image, interpolated between its samples."""
    last = len(image) - 1
    line = np.empty(image.shape[1] + 1, np.float32)
    behind = line[1:]
    # Row y of the result lies between two lines of the image: they are blended into one, then along x.
    for y in range(len(rows)):
        above, below, share = image[rows[y]], image[min(int(rows[y]) + 1, last)], row_shares[y]
        for x in range(len(above)):
            line[x] = above[x] + share * (below[x] - above[x])
        line[-1] = line[-2]
        target = out[y + border, border:]
        for x in range(len(columns)):
            left, right = line[columns[x]], behind[columns[x]]
            target[x] = left + column_shares[x] * (right - left)


@compiled
def _choose_surfaces(
    samples: Floats, cells: Integers, rows: Integers, columns: Integers, picture: Floats, result: Floats
) -> None:
    """Replace ``result`` at the cells by the surface that each pixel belongs to."""
    height, width = result.shape
    scale_y, scale_x = np.float32(len(rows) / height), np.float32(len(columns) / width)
    size = (rows[:, 1] - rows[:, 0]).max(), (columns[:, 1] - columns[:, 0]).max()
    nearer = np.empty((len(cells), *size), np.float32)
    shares = np.empty(len(cells), np.float32)
    votes = np.zeros((height + 2, width + 2), np.float32)
    around = np.zeros(PLANES * LANES, np.float32)
    flat, stride = samples.reshape(PLANES, -1), samples.shape[2]
    offsets = (AROUND[0] + RADIUS) * stride + AROUND[1] + RADIUS
    # A cell is the sample (y, x) and the pixels nearest to it, a rectangle of (row, column). The first pass
    # writes the farther surface and keeps the nearer one and the votes between them apart.
    for cell in range(len(cells)):
        y, x = cells[cell]
        sides = _look_around(flat, y * stride + x + offsets, around)
        for row in range(rows[y, 0], rows[y, 1]):
            offset_y = (np.float32(row) + HALF) * scale_y - HALF - np.float32(y)
            for column in range(columns[x, 0], columns[x, 1]):
                offset_x = (np.float32(column) + HALF) * scale_x - HALF - np.float32(x)
                sums = _sums(
                    around, picture[0, row, column], picture[1, row, column], picture[2, row, column]
                )
                near, far, vote = _vote(sums, sides, offset_y, offset_x, result[row, column])
                nearer[cell, row - rows[y, 0], column - columns[x, 0]] = near
                result[row, column], votes[row + 1, column + 1] = far, vote
    # The second pass decides: the votes of 3 x 3 pixels are added up, which removes single wrong ones.
    # ``votes`` has a border of one, so the window of (row, column) begins at that place.
    was_averaged = _find_shares(samples, cells, rows, columns, nearer, result, shares)
    totals = np.empty(size, np.float32)
    for cell in range(len(cells)):
        y, x = cells[cell]
        height, width = rows[y, 1] - rows[y, 0], columns[x, 1] - columns[x, 0]
        for row in range(height):
            for column in range(width):
                total, top, left = ZERO, rows[y, 0] + row, columns[x, 0] + column
                for line in range(top, top + 3):
                    total += votes[line, left] + votes[line, left + 1] + votes[line, left + 2]
                totals[row, column] = total
        limit = ZERO
        if was_averaged and shares[cell] >= ZERO:
            count = int(shares[cell] * np.float32(height * width) + HALF)
            limit = _limit(totals[:height, :width], count)
        for row in range(height):
            for column in range(width):
                if totals[row, column] > limit:
                    result[rows[y, 0] + row, columns[x, 0] + column] = nearer[cell, row, column]


@compiled
def _find_shares(
    samples: Floats,
    cells: Integers,
    rows: Integers,
    columns: Integers,
    nearer: Floats,
    farther: Floats,
    shares: Floats,
) -> bool:
    """Fill ``shares`` of the nearer surface in the cells, -1 where there is one surface alone.

    Return whether the map was averaged down.
    """
    values = samples[VALUE]
    at_steps, mixed = 0, 0
    for cell in range(len(cells)):
        y, x = cells[cell]
        near, far, count = ZERO, ZERO, (rows[y, 1] - rows[y, 0]) * (columns[x, 1] - columns[x, 0])
        for row in range(rows[y, 0], rows[y, 1]):
            for column in range(columns[x, 0], columns[x, 1]):
                near += nearer[cell, row - rows[y, 0], column - columns[x, 0]]
                far += farther[row, column]
        shares[cell] = -ONE
        if near - far <= np.float32(STEP) * np.float32(count):
            continue
        near, far = near / np.float32(count), far / np.float32(count)
        share = (values[y + RADIUS, x + RADIUS] - far) / (near - far)
        shares[cell] = min(max(share, ZERO), ONE)
        top, bottom = max(y - 1, 0) + RADIUS, min(y + 1, len(rows) - 1) + RADIUS
        left, right = max(x - 1, 0) + RADIUS, min(x + 1, len(columns) - 1) + RADIUS
        around = values[top : bottom + 1, left : right + 1]
        tolerance = AT_A_STEP * (near - far)
        if around.max() >= near - tolerance and around.min() <= far + tolerance:
            at_steps += 1
            mixed += MIXED < share < ONE - MIXED
    return bool(AVERAGED[0] * np.float32(at_steps) < np.float32(mixed) < AVERAGED[1] * np.float32(at_steps))


@compiled
def _limit(votes: Floats, count: int) -> Number:
    """The vote above which so many lie, or fewer where some are equal."""
    if count == votes.size:
        return np.float32(-np.inf)
    limit = np.float32(np.inf)
    for vote in votes.flat:
        above = 0
        for other in votes.flat:
            above += int(other > vote)
        if above <= count:
            limit = min(limit, vote)
    return limit


@compiled
def _look_around(samples: Floats, chosen: Integers, around: Floats) -> Sides:
    """Put the samples around a cell, split into two surfaces, plane by plane into ``around``.

    Returns the slopes of the nearer (along y and x) and of the farther surface, NaN where there is none,
    and the lowest and the highest disparity.
    """
    lowest, highest = ONE, ZERO
    for k in range(COUNT):
        sample = np.uintp(chosen[k])  # a signed one might count from the end, which takes time to rule out
        for plane in range(PLANES):
            around[plane * LANES + k] = samples[plane, sample]
        value, is_there = samples[VALUE, sample], samples[ON_SURFACE, sample]
        lowest = np.minimum(lowest, value * is_there + (ONE - is_there))
        highest = np.maximum(highest, value * is_there)
        around[ON_SURFACE * LANES + k] = is_there * CLOSENESS[k]
    # Disparities above the middle of the range belong to the nearer surface. Sample k of plane p is at
    # p * LANES + k, so that the loops over k fill whole vectors.
    middle = (highest + lowest) / np.float32(2)
    near_sum, near_y, near_x, far_sum, far_y, far_x = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    for k in range(LANES):
        value, weight = around[VALUE * LANES + k], around[ON_SURFACE * LANES + k]
        along_y, along_x = around[ALONG_Y * LANES + k], around[ALONG_X * LANES + k]
        near = weight * np.float32(value > middle)
        far = weight - near
        near_sum, near_y, near_x = near_sum + near, near_y + near * along_y, near_x + near * along_x
        far_sum, far_y, far_x = far_sum + far, far_y + far * along_y, far_x + far * along_x
        # The disparity that the sample's own slope predicts for the cell's center.
        here = value - along_y * AROUND_Y[k] - along_x * AROUND_X[k]
        around[NEAR * LANES + k], around[NEAR_HERE * LANES + k] = near, near * here
        around[FAR * LANES + k], around[FAR_HERE * LANES + k] = far, far * here
    return near_y / near_sum, near_x / near_sum, far_y / far_sum, far_x / far_sum, lowest, highest


@compiled
def _sums(around: Floats, red: Number, green: Number, blue: Number) -> Sums:
    """How much a pixel resembles the nearer and the farther surface, and both times their disparities."""
    near, far, near_here, far_here = ZERO, ZERO, ZERO, ZERO
    for k in range(LANES):
        # Gaussian of the distance in color, as a power of 2; k is a sample around the cell.
        reds, greens, blues = around[k] - red, around[LANES + k] - green, around[2 * LANES + k] - blue
        likeness = LEAST + _power_of_2(COLOR_SCALE * (reds * reds + greens * greens + blues * blues))
        near += likeness * around[NEAR * LANES + k]
        far += likeness * around[FAR * LANES + k]
        near_here += likeness * around[NEAR_HERE * LANES + k]
        far_here += likeness * around[FAR_HERE * LANES + k]
    return near, far, near_here, far_here


@compiled
def _vote(
    sums: Sums, sides: Sides, offset_y: Number, offset_x: Number, here: Number
) -> tuple[Number, Number, Number]:
    """The disparities of both surfaces at a pixel, and its vote for the nearer; ``here`` if it is of none."""
    near_votes, far_votes, near_here, far_here = sums
    near_y, near_x, far_y, far_x, lowest, highest = sides
    near = min(max(near_here / near_votes + near_y * offset_y + near_x * offset_x, lowest), highest)
    far = min(max(far_here / far_votes + far_y * offset_y + far_x * offset_x, lowest), highest)
    if near_votes == ZERO:
        near = far if far_votes > ZERO else here
    if far_votes == ZERO:
        far = near
    step = np.float32(STEP)
    if near - far > step:
        # Where the interpolated value lies between the surfaces, 0 (far) to 1 (near), votes as well.
        place = min(max((here - far) / (near - far), ZERO), ONE)
        return near, far, np.log(near_votes / far_votes) + np.float32(TRUST) * (place + place - ONE)
    if here - near > step or far - here > step:
        return near, far, ZERO
    return here, here, ZERO


@compiled
def _power_of_2(exponent: Number) -> Number:
    """2 to a power below 0, right to 2e-6: a polynomial for its fraction, a float's bits for the rest."""
    exponent = np.maximum(exponent, np.float32(-100))
    whole = np.floor(exponent)
    part = exponent - whole
    power: Number = np.float32(1.8775767e-3) * part + np.float32(8.9893397e-3)
    power = power * part + np.float32(5.5826318e-2)
    power = power * part + np.float32(2.4015361e-1)
    power = power * part + np.float32(6.9315308e-1)
    power = power * part + np.float32(9.9999994e-1)
    bits = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))
    power *= bits.view(np.float32)
    return power
