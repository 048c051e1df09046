"""Optical flow: where the points of one picture are in another, and how far to trust that.

All of it is NumPy on the CPU, where OpenCV's flow runs. Whoever needs a flow takes it from here:
``dense_flow`` for the plain field, ``flow_between`` for both directions with their trust.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.video.lossless import to_uint8_rgb

SMALLEST_PX = 32  # a side below this holds too little for a flow
_NEAR_PX, _FAR_PX = 0.5, 1.5  # there and back again must end this near to the start
_LONG_WAY = 0.05  # longer ways may err by this share of their length
_MISPLACED_PX = 0.5  # a flow's tolerated error: so far, the pictures' gradients explain a difference
_WINDOW_PX = 5  # of the comparison of pictures
_STILL_PX = 0.2  # a shorter way between places that look the same as they are is none: see _hold_still
_STILL = 1.5 / 255
_EVERY = 8  # rows and columns that tell how much the light has changed


Kind = TypeVar("Kind", bound=np.generic)


class FlowPreset(Enum):
    """How DIS flow searches: patch stride [px], gradient descent steps, variational refinement steps.

    DIS is T. Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016. Both presets work at
    half the picture's size with patches of 8 pixels, as OpenCV's preset MEDIUM does.
    """

    MEDIUM = (3, 25, 5)  # OpenCV's preset of this name
    # Without the smoothing of the whole field: three times as quick as MEDIUM, and disparity that is warped
    # along it many times is as good (OpenCV's preset FAST: a fifth to a third worse).
    UNREFINED = (4, 8, 0)


@dataclass(frozen=True, eq=False)
class PreparedPicture:
    """A picture ready for flow and comparison: codes ``h w 3``, gray ``h w``, slope in values (0..1) / px."""

    color: Bytes
    gray: Bytes
    steepness: Floats


@dataclass(frozen=True, eq=False)
class Flow:
    """Where the points of one picture are in another.

    ``shift`` is ``h w 2`` (x, y) in pixels. ``trust``, ``h w`` in 0..1, is low where there and back again
    leads elsewhere: at points that only one of the two pictures shows.
    """

    shift: Floats
    trust: Floats

    def then(self, following: "Flow") -> "Flow":
        """Return where the points are in a third picture, to which ``following`` leads from the second."""
        shift = self.shift + self.warp(following.shift)
        return Flow(shift, np.minimum(self.trust, self.warp(following.trust)))

    def warp(self, values: NDArray[Kind]) -> NDArray[Kind]:
        """Return ``values`` of the other picture, ``h w`` or ``h w C``, warped to this one."""
        return warp(values, self.shift)


def warp(values: NDArray[Kind], shift: Floats) -> NDArray[Kind]:
    """Return ``values``, ``h w`` or ``h w C``, from where ``shift``, ``h w 2`` (x, y), leads."""
    x, y = landing_places(shift)
    warped: NDArray[Kind] = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped


def prepare_picture(picture: Tensor) -> PreparedPicture:
    """Return ``picture``, ``3 h w`` R'G'B' in 0..1 on any device, ready for flow and comparison."""
    color = to_uint8_rgb(picture)
    gray = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    along_x, along_y = (cv2.Sobel(gray, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    steepness = cv2.blur(vector_length(along_x, along_y), (_WINDOW_PX, _WINDOW_PX))
    return PreparedPicture(color, gray, steepness / 255)


def to_gray(picture: Tensor) -> Bytes:
    """Return the gray codes ``h w`` of ``picture``, those of its ``PreparedPicture`` without the rest."""
    gray: Bytes = cv2.cvtColor(to_uint8_rgb(picture), cv2.COLOR_RGB2GRAY)
    return gray


def dense_flow(first: Bytes, second: Bytes, preset: FlowPreset) -> Floats:
    """Return where each pixel of gray picture ``first`` is in ``second``: the shift ``h w 2`` (x, y) [px].

    Both pictures are ``h w``; OpenCV raises ``cv2.error`` for sides of a few pixels.
    """
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    patch_stride_px, descent_steps, refinement_steps = preset.value
    method.setPatchStride(patch_stride_px)
    method.setGradientDescentIterations(descent_steps)
    method.setVariationalRefinementIterations(refinement_steps)
    shift: Floats = method.calc(first, second, None)
    return shift


def flow_between(first: Bytes, second: Bytes) -> tuple[Flow, Flow]:
    """Return the flow from gray picture ``first`` to ``second``, both ``h w``, and the one back."""
    if min(first.shape) < SMALLEST_PX:
        none = Flow(np.zeros((*first.shape, 2), np.float32), np.ones(first.shape, np.float32))
        return none, none
    there = dense_flow(first, second, FlowPreset.UNREFINED)
    back = dense_flow(second, first, FlowPreset.UNREFINED)
    same = cv2.blur(cv2.absdiff(first, second), (_WINDOW_PX, _WINDOW_PX)) <= _STILL * 255
    there, back = _hold_still(there, same), _hold_still(back, same)
    return Flow(there, _returns(there, back)), Flow(back, _returns(back, there))


def difference(first: PreparedPicture, second: PreparedPicture, flow: Flow) -> Floats:
    """Return how far ``second``, warped to ``first``, differs from it: ``h w`` in code values, 0..1.

    It is the mean of a neighborhood, less the effect of a small error of ``flow``, and less a change of
    light all over the picture.
    """
    warped = flow.warp(second.color)
    light = np.median(first.color[::_EVERY, ::_EVERY].astype(np.int16) - warped[::_EVERY, ::_EVERY], (0, 1))
    change = cv2.absdiff(first.color, cv2.add(warped, tuple(light)) if light.any() else warped)
    gray = cv2.transform(change, np.full((1, 3), 1 / 3))
    window = (_WINDOW_PX, _WINDOW_PX)
    changed: Floats = cv2.boxFilter(gray, cv2.CV_32F, window) / np.float32(255)
    return np.maximum(changed - np.float32(_MISPLACED_PX) * first.steepness, 0)


def falloff(values: Floats, start: float, end: float) -> Floats:
    """Return 1 for values up to ``start``, 0 from ``end`` on, and a smooth fall between."""
    fall = np.clip((np.float32(end) - values) / np.float32(end - start), 0, 1)
    return smoothstep(fall)


def _hold_still(shift: Floats, same: NDArray[np.bool_]) -> Floats:
    """The shift, 0 where nothing moved: a picture warped from frame to frame many times stays sharp there."""
    is_short = (shift * shift).sum(axis=2) < _STILL_PX**2
    held: Floats = np.where((same & is_short)[..., None], np.float32(0), shift)
    return held


def _returns(there: Floats, back: Floats) -> Floats:
    """How surely there and back again leads to the start, ``h w`` in 0..1; 0 where it leads outside."""
    x, y = landing_places(there)
    error = there + warp(back, there)
    length_px, missed_px = (vector_length(*cv2.split(vectors)) for vectors in (there, error))
    height, width = there.shape[:2]
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    missed_px -= np.float32(_LONG_WAY) * length_px
    return np.where(inside, falloff(missed_px, _NEAR_PX, _FAR_PX), np.float32(0))


def vector_length(x: Floats, y: Floats) -> Floats:
    """Return the length of vectors with these components, of any shape.

    ``cv2.magnitude`` rounds differently where the arrays begin elsewhere in memory: with it, two runs on one
    machine differ in their last bits.
    """
    return np.sqrt(x * x + y * y)


def landing_places(shift: Floats) -> tuple[Floats, Floats]:
    """Return where ``shift``, ``h w 2`` (x, y), leads each pixel: x and y, ``h w`` each."""
    height, width = shift.shape[:2]
    x = np.arange(width, dtype=np.float32) + shift[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + shift[..., 1]
    return x, y
