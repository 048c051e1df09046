"""What two frames of a clip say of its depth: how its parts move against each other.

For a moving camera, near things pass faster; for a still one, moving things are mostly in front of the rest.
The network is shown the optical flow, and the residual flow after the motion of the largest part of the
picture is subtracted. The residual also counts by itself.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.motion.flow import Flow, flow_between, to_gray, vector_length, warp

CHANNELS = 5  # flow (x, y), flow against the largest part (x, y), trust
CELL = 4  # pixels to a side of a cell of the result

_USUAL = 0.03  # of the longer side: a long way to move from one of the frames to the other
_LEAST = 0.002  # of the longer side: shorter ways against the largest part are not made larger
_MOST = 3.0
# Times what half of the picture has, and of the longer side: all that is faster is one.
_FAST, _FASTEST = 6.0, 0.008
# Where the flow explains it by so much better, in code values, than the largest part's motion does moves for
# certain; of what both explain alike, such as a plain wall beside someone who runs, half counts.
_EXPLAINED = 0.03
_WINDOW, _SAME_COLOR = (7, 7), 0.003  # what is smoothed together: pixels, variance of code values in 0..1
_HALF = np.float32(0.5)
_INLIER_PX, _TRUSTED = 0.4, 0.5
_LEAST_CELLS = 24  # fewer cells that are trusted tell nothing


def motion_between(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the motion in the first picture on the way to the second, and in the second on the way back.

    Pictures are ``3 h w`` R'G'B' in 0..1, sides multiples of ``CELL``; the results ``CHANNELS h/4 w/4``.
    Where the trust is 0 the flow is not known; all zeros stand for a picture of which no other is known.
    """
    there, back = flow_between(to_gray(first), to_gray(second))
    return _channels(*_seen(there)), _channels(*_seen(back))


def moving_parts(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return how ``first`` moves on the way to ``second``, and how fast against its largest part.

    Pictures are as ``motion_between`` takes them, sides multiples of ``2 * CELL``. How they move is what it
    would say of pictures half as large, ``CHANNELS h/8 w/8``; how fast is ``1 h/2 w/2`` in 0..1, less where
    the largest part's motion explains the second picture as well as the flow does.
    """
    flow, _ = flow_between(to_gray(first), to_gray(second))
    shift, largest, trust = _seen(flow)
    halves = _sized(shift * _HALF, 0.5), _sized(largest * _HALF, 0.5), _sized(trust, 0.5)
    along = _sized(flow.shift, 0.5)
    along_largest: Floats = cv2.resize(largest, (first.shape[2] // 2, first.shape[1] // 2))
    length = vector_length(*cv2.split(along - along_largest))
    usual = max(_FAST * float(np.median(length)), _FASTEST * max(first.shape[1:]))
    colors, next_colors = (_sized(_packed(picture), 0.5) for picture in (first, second))
    errors = [_error(colors, next_colors, shift * _HALF) for shift in (along, along_largest)]
    pace = np.clip(length / usual, 0, 1) * np.clip((errors[1] - errors[0]) / _EXPLAINED + 0.5, 0, 1)
    pace = np.clip(_along_edges(pace, colors), 0, 1)
    return _channels(*halves), torch.from_numpy(pace)[None]


def no_motion(pictures: Tensor) -> Tensor:
    """Return the input that says that the motion in ``T 3 h w`` is unknown."""
    count, _, height, width = pictures.shape
    return pictures.new_zeros(count, CHANNELS, height // CELL, width // CELL)


def _seen(flow: Flow) -> tuple[Floats, Floats, Floats]:
    """The flow in cells: the shift, that of the largest part, and the trust."""
    shift, trust = _sized(flow.shift, 1 / CELL), _sized(flow.trust, 1 / CELL)
    return shift, _largest_motion(shift, trust), trust


def _sized(values: Floats, scale: float) -> Floats:
    sized: Floats = cv2.resize(values, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return sized


def _packed(picture: Tensor) -> Floats:
    packed: Floats = picture.permute(1, 2, 0).contiguous().cpu().numpy()
    return packed


def _error(first: Floats, second: Floats, shift: Floats) -> Floats:
    """How far ``second``, warped along ``shift`` ``h w 2``, differs from ``first``: ``h w`` code values."""
    difference = cv2.absdiff(warp(second, shift), first)
    error: Floats = cv2.blur(cv2.transform(difference, np.full((1, 3), 1 / 3)), (3, 3))
    return error


def _along_edges(values: Floats, colors: Floats) -> Floats:
    """Smooth ``h w`` within areas of one color of ``h w 3``.

    The guided filter: K. He, J. Sun and X. Tang, "Guided Image Filtering", ECCV 2010, with a guide of three
    channels.
    """
    mean, color = cv2.blur(values, _WINDOW), cv2.blur(colors, _WINDOW)
    together = cv2.blur(colors * values[..., None], _WINDOW) - color * mean[..., None]
    products = (colors[..., :, None] * colors[..., None, :]).reshape(*values.shape, 9)
    spread = cv2.blur(products, _WINDOW).reshape(*values.shape, 3, 3)
    spread -= color[..., :, None] * color[..., None, :]
    spread += np.float32(_SAME_COLOR) * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, together[..., None])[..., 0]
    level = mean - (slope * color).sum(axis=2)
    smooth: Floats = (cv2.blur(slope, _WINDOW) * colors).sum(axis=2) + cv2.blur(level, _WINDOW)
    return smooth


def _channels(shift: Floats, largest: Floats, trust: Floats) -> Tensor:
    against, longer_side = shift - largest, max(trust.shape) * CELL
    length = np.percentile(vector_length(*cv2.split(against)), 90)
    against = np.clip(against / max(length, _LEAST * longer_side), -_MOST, _MOST)
    way = np.tanh(shift / (_USUAL * longer_side))
    return torch.from_numpy(np.dstack([way, against, trust]).astype(np.float32)).permute(2, 0, 1)


def _largest_motion(shift: Floats, trust: Floats) -> Floats:
    """The motion ``h w 2`` of a plane in space that explains most of the shift; 0 if nothing does."""
    rows, columns = trust.shape
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    places = (np.dstack([x, y]) + np.float32(0.5)) * CELL - np.float32(0.5)
    known = trust > _TRUSTED
    if known.sum() < _LEAST_CELLS:
        return np.zeros_like(shift)
    matrix, _ = cv2.findHomography(
        places[known], (places + shift)[known], cv2.RANSAC, _INLIER_PX, maxIters=200, confidence=0.99
    )
    if matrix is None:
        return np.zeros_like(shift)
    moved: Floats = cv2.perspectiveTransform(places, matrix) - places
    return moved
