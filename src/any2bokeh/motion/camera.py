"""How the picture moves from one frame to the next: a moving camera sees near things move more."""

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.motion.flow import SMALLEST_PX, FlowPreset, dense_flow, landing_places, warp

Places = TypeVar("Places", Tensor, NDArray[Any])

WORK_SIDE_PX = 540  # the flow is measured on a frame whose shorter side is about this
COARSE_SIDE_PX = 72  # the search that comes first
COARSE_REACH_PX = 9  # an eighth of that
BANDS = 5  # of disparity, in that search
BAND_CHOICES = 6  # best shifts of each band that are tried together
SAMPLE_STEP_PX = 3
FLAT = 0.02  # a disparity range below this in a 5x5 window is one surface
TEXTURE = 4.0  # gradient in 8-bit code values from which a flow is believed
ROUNDS = 12  # of reweighting
TOLERANCE_PX = 0.35  # of the working frame
MIN_INLIERS = 0.3  # share of samples within twice that
MIN_SAMPLES = 100
SAME = 0.01  # bands closer in disparity than this say nothing about parallax


@dataclass(frozen=True)
class Thumbnail:
    """A frame as its motion is measured: gray ``h w`` uint8, disparity ``h w``, frame pixels per pixel."""

    gray: Bytes
    disparity: Floats
    scale: float


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """Where the points of one frame are in the next.

    ``affine`` (6), rotation out of the picture plane (2) and parallax (3: x, y, along the axis), in
    pixels of a frame of ``size`` (height, width), with coordinates from -1 to 1 along its longer side.
    """

    parameters: Floats  # 11
    size: tuple[int, int]

    def forward(self, x: Tensor, y: Tensor, disparity: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel positions in the next frame of points seen at ``x``, ``y`` with a disparity."""
        shift_x, shift_y = self._shift(x, y, disparity)
        return x + shift_x, y + shift_y

    def backward(self, x: Tensor, y: Tensor, disparity: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel positions in this frame of points seen at ``x``, ``y`` in the next one."""
        from_x, from_y = x, y
        for _ in range(3):  # motion changes slowly over the picture
            shift_x, shift_y = self._shift(from_x, from_y, disparity)
            from_x, from_y = x - shift_x, y - shift_y
        return from_x, from_y

    def _shift(self, x: Tensor, y: Tensor, disparity: Tensor) -> tuple[Tensor, Tensor]:
        u, v = _centered(x, self.size[1], self.size), _centered(y, self.size[0], self.size)
        a, b, c, d, e, f, pan, tilt, tx, ty, tz = (float(value) for value in self.parameters)
        turn = pan * u + tilt * v
        shift_x = a + b * u + c * v + turn * u + disparity * (tx + tz * u)
        shift_y = d + e * u + f * v + turn * v + disparity * (ty + tz * v)
        return shift_x, shift_y


def _centered(place: Places, side: int, size: tuple[int, int]) -> Places:
    """Pixel positions along a side as coordinates from -1 to 1 along the longer one."""
    return (place - (side - 1) / 2) / (max(size) / 2)


def make_thumbnail(sharp: Tensor, disparity: Tensor) -> Thumbnail:
    """Reduce a frame (``3 H W`` code values and ``1 H W``, CPU) to the size that motion is measured at."""
    factor = max(1, round(min(sharp.shape[1:]) / WORK_SIDE_PX))
    gray = (sharp.mean(0) * 255).numpy()
    size = (max(1, gray.shape[1] // factor), max(1, gray.shape[0] // factor))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    near = cv2.resize(disparity[0].numpy(), size, interpolation=cv2.INTER_NEAREST)
    return Thumbnail(small.round().clip(0, 255).astype(np.uint8), near, gray.shape[1] / size[0])


def fit_motion(first: Thumbnail, second: Thumbnail, size: tuple[int, int]) -> CameraMotion | None:
    """The motion from ``first`` to ``second`` in pixels of frames of ``size``; None where none explains both.

    A search over shift and parallax on a small picture comes first; then optical flow is measured
    against the picture moved by that, and the eleven parameters are fitted to it, robustly.
    """
    height, width = first.gray.shape
    if min(height, width) < SMALLEST_PX:
        return None
    texture = _samples(first)
    guess = _search_parallax(first, second)
    parameters = np.zeros(11, np.float32)
    parameters[[0, 3, 8, 9]] = guess
    shift = _shift(parameters, first.disparity)
    flow, inside = _flow(first.gray, second.gray, shift)
    rows, columns = (texture & inside).nonzero()
    if len(rows) < MIN_SAMPLES:
        return None
    u = _centered(columns, width, (height, width)).astype(np.float32)
    v = _centered(rows, height, (height, width)).astype(np.float32)
    basis = _basis(u, v, first.disparity[rows, columns])
    parameters, inliers = _fit(basis, flow[:, rows, columns].ravel())
    if inliers < MIN_INLIERS:
        return None
    return CameraMotion(parameters * np.float32(first.scale), size)


def _shift(parameters: Floats, disparity: Floats) -> Floats:
    """The motion of every pixel, ``2 h w`` (x, y)."""
    height, width = disparity.shape
    motion = CameraMotion(parameters, (height, width))
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    there_x, there_y = motion.forward(x, y, torch.from_numpy(disparity))
    return torch.stack([there_x - x, there_y - y]).numpy()


def _flow(first: Bytes, second: Bytes, shift: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Optical flow ``2 h w`` (x, y) measured from ``shift`` on, and where that leads into the picture."""
    height, width = first.shape
    vectors = np.dstack(list(shift))  # h w 2
    x, y = landing_places(vectors)
    rest = dense_flow(first, warp(second, vectors), FlowPreset.MEDIUM)
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    return shift + rest.transpose(2, 0, 1).astype(np.float32), inside


def _basis(u: Floats, v: Floats, disparity: Floats) -> Floats:
    """What each parameter adds to the motion of P points along x, then y: ``2P 11``."""
    one, none = np.ones_like(u), np.zeros_like(u)
    along_x = [one, u, v, none, none, none, u * u, u * v, disparity, none, disparity * u]
    along_y = [none, none, none, one, u, v, u * v, v * v, none, disparity, disparity * v]
    return np.concatenate([np.stack(along_x, 1), np.stack(along_y, 1)])


def _fit(basis: Floats, target: Floats) -> tuple[Floats, float]:
    """Parameters by reweighted least squares, and the share of points that they explain."""
    points = len(target) // 2
    weight = np.ones(points)
    cauchy = 4 * TOLERANCE_PX
    parameters, distance = np.zeros(basis.shape[1]), np.zeros(points)
    for _ in range(ROUNDS):
        rows = np.concatenate([weight, weight])[:, None] * basis
        system = rows.T @ basis
        system[np.diag_indices_from(system)] += 1e-4 * points  # outside the picture it stays 0
        parameters = np.linalg.solve(system, rows.T @ target)
        error = target - basis @ parameters
        distance = np.hypot(error[:points], error[points:])
        weight = 1 / (1 + (distance / cauchy) ** 2) ** 2
        cauchy = max(cauchy * 0.8, TOLERANCE_PX)
    return parameters.astype(np.float32), float((distance < 2 * TOLERANCE_PX).mean())


def _samples(frame: Thumbnail) -> NDArray[np.bool_]:
    """Which of every third pixel lie inside a surface and on some texture."""
    window = np.ones((5, 5), np.uint8)
    spread = cv2.dilate(frame.disparity, window) - cv2.erode(frame.disparity, window)
    gray = frame.gray.astype(np.float32)
    gradient = np.hypot(cv2.Sobel(gray, -1, 1, 0, scale=0.125), cv2.Sobel(gray, -1, 0, 1, scale=0.125))
    texture = cv2.dilate(gradient, window)
    chosen = np.zeros(gray.shape, np.bool_)
    chosen[::SAMPLE_STEP_PX, ::SAMPLE_STEP_PX] = ((spread < FLAT) & (texture > TEXTURE))[
        ::SAMPLE_STEP_PX, ::SAMPLE_STEP_PX
    ]
    return chosen


def _search_parallax(first: Thumbnail, second: Thumbnail) -> Floats:
    """A shift of the frame and one per disparity (x, y each) that lay the second frame over the first.

    Bands of disparity are compared at all shifts up to ``COARSE_REACH_PX``; the line through two bands' good
    shifts that suits all bands best wins.
    """
    factor = max(1.0, min(first.gray.shape) / COARSE_SIDE_PX)
    size = tuple(round(side / factor) for side in first.gray.shape[::-1])
    one, two = (cv2.resize(frame.gray, size, interpolation=cv2.INTER_AREA) for frame in (first, second))
    disparity = cv2.resize(first.disparity, size, interpolation=cv2.INTER_NEAREST)
    limits = np.quantile(disparity, np.linspace(0, 1, BANDS + 1)[1:-1])
    band = np.searchsorted(limits, disparity).ravel()
    reach = COARSE_REACH_PX
    around = cv2.copyMakeBorder(two, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    steps = range(2 * reach + 1)
    cost = np.stack(
        [
            np.bincount(
                band,
                cv2.absdiff(one, around[dy : dy + one.shape[0], dx : dx + one.shape[1]]).ravel(),
                BANDS,
            )
            for dy in steps
            for dx in steps
        ],
        axis=1,
    ).reshape(BANDS, len(steps), len(steps))
    pixels = np.bincount(band, minlength=BANDS)
    centers = np.bincount(band, disparity.ravel(), BANDS) / np.maximum(pixels, 1)
    bands = np.flatnonzero(pixels)
    best, found = np.inf, np.zeros(4, np.float32)
    tries = [(near, far) for near in bands for far in bands if centers[near] > centers[far] + SAME]
    for near, far in tries or [(bands[0], bands[0])]:
        for a in np.argsort(cost[near], axis=None)[:BAND_CHOICES]:
            for b in np.argsort(cost[far], axis=None)[:BAND_CHOICES]:
                at_near, at_far = (np.array(divmod(int(i), len(steps)))[::-1] - reach for i in (a, b))
                gap = centers[near] - centers[far]
                slope = (at_near - at_far) / gap if gap > SAME else np.zeros(2)
                shifts = at_far + slope * (centers[bands] - centers[far])[:, None]
                places = np.round(shifts).astype(int).clip(-reach, reach) + reach
                total = cost[bands, places[:, 1], places[:, 0]].sum()
                total += 1e-3 * total * np.abs(slope).sum() / reach  # of equals the calmer
                if total < best:
                    best = total
                    found = np.concatenate([at_far - slope * centers[far], slope]).astype(np.float32)
    return found * np.float32(factor)
