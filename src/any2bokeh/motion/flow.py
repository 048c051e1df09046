"""Optical flow: where the points of one picture are in another, and how far that is to be trusted.

All is NumPy on the CPU, where OpenCV's flow runs.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.video.lossless import packed_codes

_NEAR_PX, _FAR_PX = 0.5, 1.5  # there and back again must end this near to the start
_LONG_WAY = 0.05  # longer ways may err by this share of their length
_MISPLACED_PX = 0.5  # what a flow may err by: so far, the pictures' gradients explain a difference
_WINDOW_PX = 5  # of the comparison of pictures
_STILL_PX = 0.2  # a shorter way between places that look the same as they are is none: see _hold_still
_STILL = 1.5 / 255
_SMALLEST_PX = 32  # a side below this holds too little for a flow
_EVERY = 8  # rows and columns that tell how much the light has changed


@dataclass(frozen=True, eq=False)
class View:
    """A picture as it is followed: codes ``h w 3``, gray ``h w``, and its slope in values (0..1) / px."""

    color: Bytes
    gray: Bytes
    steepness: Floats


@dataclass(frozen=True, eq=False)
class Flow:
    """Where the points of one picture are in another.

    ``shift`` is ``h w 2`` (x, y) in pixels. ``trust``, ``h w`` in 0..1, is low where there and back again
    leads elsewhere: at what only one of the two pictures shows.
    """

    shift: Floats
    trust: Floats

    def then(self, following: "Flow") -> "Flow":
        """Return where the points are in a third picture, to which ``following`` leads from the second."""
        shift = self.shift + self.bring(following.shift)
        return Flow(shift, np.minimum(self.trust, self.bring(following.trust)))

    def bring(self, values: NDArray[np.generic]) -> Floats:
        """Return ``values`` of the other picture, ``h w`` or ``h w C``, where the points are in this one."""
        return bring(values, self.shift)


def bring(values: NDArray[np.generic], shift: Floats) -> Floats:
    """Return ``values``, ``h w`` or ``h w C``, from where ``shift``, ``h w 2`` (x, y), leads."""
    x, y = _places(shift)
    brought: Floats = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return brought


def make_view(picture: Tensor) -> View:
    """Return how ``picture``, ``3 h w`` R'G'B' in 0..1 on any device, is followed."""
    color = packed_codes(picture)
    gray = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    along_x, along_y = (cv2.Sobel(gray, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    steepness = cv2.blur(cv2.magnitude(along_x, along_y), (_WINDOW_PX, _WINDOW_PX))
    return View(color, gray, steepness / 255)


def gray_of(picture: Tensor) -> Bytes:
    """Return the gray codes ``h w`` of ``picture``: those of its ``View``, where the rest is not needed."""
    gray: Bytes = cv2.cvtColor(packed_codes(picture), cv2.COLOR_RGB2GRAY)
    return gray


def flow_between(first: Bytes, second: Bytes) -> tuple[Flow, Flow]:
    """Return the flow from gray picture ``first`` to ``second``, both ``h w``, and the one back."""
    if min(first.shape) < _SMALLEST_PX:
        none = Flow(np.zeros((*first.shape, 2), np.float32), np.ones(first.shape, np.float32))
        return none, none
    # Half a pixel's worth of detail, without the smoothing of the whole field: three times as quick as the
    # preset MEDIUM, and disparity that was carried along it is as good (FAST: a fifth to a third worse).
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    method.setPatchStride(4)
    method.setGradientDescentIterations(8)
    method.setVariationalRefinementIterations(0)
    there = method.calc(first, second, None)
    back = method.calc(second, first, None)
    same = cv2.blur(cv2.absdiff(first, second), (_WINDOW_PX, _WINDOW_PX)) <= _STILL * 255
    there, back = _hold_still(there, same), _hold_still(back, same)
    return Flow(there, _returns(there, back)), Flow(back, _returns(back, there))


def difference(first: View, second: View, flow: Flow) -> Floats:
    """Return how far ``second``, brought to ``first``, differs from it: ``h w`` in code values, 0..1.

    It is the mean of a neighbourhood, less what a small error of ``flow`` explains, and less a change of
    light all over the picture.
    """
    brought = flow.bring(second.color)
    light = np.median(first.color[::_EVERY, ::_EVERY].astype(np.int16) - brought[::_EVERY, ::_EVERY], (0, 1))
    change = cv2.absdiff(first.color, cv2.add(brought, tuple(light)) if light.any() else brought)
    gray = cv2.transform(change, np.full((1, 3), 1 / 3))
    window = (_WINDOW_PX, _WINDOW_PX)
    changed: Floats = cv2.boxFilter(gray, cv2.CV_32F, window) / np.float32(255)
    return np.maximum(changed - np.float32(_MISPLACED_PX) * first.steepness, 0)


def falling(values: Floats, start: float, end: float) -> Floats:
    """Return 1 for values up to ``start``, 0 from ``end`` on, and a smooth fall between."""
    fall = np.clip((np.float32(end) - values) / np.float32(end - start), 0, 1)
    return smoothstep(fall)


def _hold_still(shift: Floats, same: NDArray[np.bool_]) -> Floats:
    """The shift, 0 where nothing moved: what is carried many times from frame to frame stays sharp there."""
    is_short = (shift * shift).sum(axis=2) < _STILL_PX**2
    held: Floats = np.where((same & is_short)[..., None], np.float32(0), shift)
    return held


def _returns(there: Floats, back: Floats) -> Floats:
    """How surely there and back again leads to the start, ``h w`` in 0..1; 0 where it leads outside."""
    x, y = _places(there)
    error = there + cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    length_px, missed_px = (cv2.magnitude(*cv2.split(vectors)) for vectors in (there, error))
    height, width = there.shape[:2]
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    missed_px -= np.float32(_LONG_WAY) * length_px
    return np.where(inside, falling(missed_px, _NEAR_PX, _FAR_PX), np.float32(0))


def _places(shift: Floats) -> tuple[Floats, Floats]:
    """Where each pixel lands (x, y), ``h w`` each."""
    height, width = shift.shape[:2]
    x = np.arange(width, dtype=np.float32) + shift[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + shift[..., 1]
    return x, y
