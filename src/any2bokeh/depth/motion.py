"""What two frames of a clip say of its depth: how its parts move against each other.

Seen from a camera that moves, what is near passes faster; before a camera that stands still, what moves by
itself mostly stands before the rest. The network is shown the optical flow, and what is left of it when
the motion of the largest part of the picture is taken away.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from any2bokeh.depth.flow import Floats, Flow, flow_between, gray_of

CHANNELS = 5  # flow (x, y), flow against the largest part (x, y), trust
CELL = 4  # pixels to a side of a cell of the result

_USUAL = 0.03  # of the longer side: a long way to move from one of the frames to the other
_LEAST = 0.002  # of the longer side: shorter ways against the largest part are not made larger
_MOST = 3.0
_INLIER_PX, _TRUSTED = 0.4, 0.5
_LEAST_CELLS = 24  # fewer cells that are trusted tell nothing


def motion_between(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return what moves in the first picture on the way to the second, and in the second on the way back.

    Pictures are ``3 h w`` R'G'B' in 0..1, sides multiples of ``CELL``; the results ``CHANNELS h/4 w/4``.
    Where the trust is 0 the flow is not known; all zeros stand for a picture of which no other is known.
    """
    there, back = flow_between(gray_of(first), gray_of(second))
    return _channels(there), _channels(back)


def no_motion(pictures: Tensor) -> Tensor:
    """Return what stands for not knowing how anything in ``T 3 h w`` moves."""
    count, _, height, width = pictures.shape
    return pictures.new_zeros(count, CHANNELS, height // CELL, width // CELL)


def _channels(flow: Flow) -> Tensor:
    height, width = flow.trust.shape
    longer_side = max(height, width)
    size = (width // CELL, height // CELL)
    shift = cv2.resize(flow.shift, size, interpolation=cv2.INTER_AREA)
    trust = cv2.resize(flow.trust, size, interpolation=cv2.INTER_AREA)
    against = shift - _largest_motion(shift, trust)
    length = np.percentile(cv2.magnitude(*cv2.split(against)), 90)
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
