"""Metrics of frames: distance to the ground truth, crispness of edges, changes along the motion.

Pictures are ``3 H W`` R'G'B' in 0..1, as they are displayed. PSNR, SSIM, RM and VEPI are those of the paper's
table (Any-to-Bokeh).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Doubles
from any2bokeh.motion.flow import Flow, FlowPreset, dense_flow, flow_between, to_gray
from any2bokeh.video.lossless import to_uint8

LEAST_ERROR = 1e-10  # a squared error of codes that is none: 100 dB
STEP, NEAR_STEP_PX = 0.1, 12
SSIM_SIGMA_PX, SSIM_SIDE_PX = 1.5, 11  # of the window
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2

TRUSTED = 0.5  # of a flow that warps one frame to the other
STILL = 3 / 255  # a change of code values that is noise


def psnr(squared_error: Tensor) -> float:
    """Peak signal to noise ratio [dB] of squared errors of values in 0..1, of any shape; at most 100."""
    return float(-10 * squared_error.mean().clamp(min=LEAST_ERROR).log10())


def ssim(first: Tensor, second: Tensor) -> float:
    """Structural similarity of two pictures: 1 for the same, mean over pixels and colors.

    Wang et al., "Image quality assessment", 2004: a Gaussian window of 11 pixels, sigma 1.5, constants 0.01
    and 0.03. Windows that leave the frame see its mirror image there, as in torchmetrics, the paper's choice.
    """
    x, y = (picture.permute(1, 2, 0).contiguous().double().numpy() for picture in (first, second))
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x, variance_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    likeness = ((2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)) / (
        (mean_x**2 + mean_y**2 + SSIM_C1) * (variance_x + variance_y + SSIM_C2)
    )
    return float(likeness.mean())


def _windowed(values: Doubles) -> Doubles:
    side = (SSIM_SIDE_PX, SSIM_SIDE_PX)
    blurred: Doubles = cv2.GaussianBlur(values, side, SSIM_SIGMA_PX, borderType=cv2.BORDER_REFLECT_101)
    return blurred


def motion_error(change: Tensor, true_change: Tensor) -> float:
    """RM: mean ``|(out[t+1] - out[t]) - (truth[t+1] - truth[t])|`` of one pair of frames, or of several.

    Flicker and swimming; an error that stays the same in all frames is none. Lower is better.
    """
    return float((change - true_change).abs().mean())


# Edges ----------------------------------------------------------------------------------------------


def near_steps(disparity: Tensor, mask: Tensor | None = None) -> Tensor:
    """Which pixels of ``H W`` lie within ``NEAR_STEP_PX`` of where things end.

    Things end between neighbors whose disparity (``H W``) differs by more than ``STEP``, and at the edge of
    ``mask`` (``H W`` bool), the thing in focus.
    """
    step = _steps(disparity, STEP)
    if mask is not None:
        step |= _steps(mask.float(), 0.5)
    if not step.any():
        return step
    distance_px = cv2.distanceTransform((~step).byte().numpy(), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return torch.from_numpy(distance_px <= NEAR_STEP_PX)


def _steps(values: Tensor, least: float) -> Tensor:
    """Both pixels of each pair of neighbors in ``H W`` that differ by more than ``least``."""
    step = torch.zeros_like(values, dtype=torch.bool)
    across, down = values.diff(dim=1).abs() > least, values.diff(dim=0).abs() > least
    step[:, 1:] |= across
    step[:, :-1] |= across
    step[1:] |= down
    step[:-1] |= down
    return step


def edge_strength(picture: Tensor) -> Doubles:
    """How steep a picture is at each pixel (``H W``): the magnitude of Sobel's slopes of its gray codes.

    Bytes of 8 bits, OpenCV's gray (luma of BT.601), kernel 3, its default border.
    """
    gray = to_gray(picture)
    across, down = (cv2.Sobel(gray, cv2.CV_64F, *axis, ksize=3) for axis in ((1, 0), (0, 1)))
    strength: Doubles = np.sqrt(across**2 + down**2)
    return strength


def focus_region(mask: Tensor, height: int, width: int) -> NDArray[np.bool_]:
    """Where VEPI looks (``H W``): a mask ``1 h w`` in 0..1 at the size of the picture, larger by 2 pixels."""
    fitted = cv2.resize(to_uint8(mask[0].float()), (width, height), interpolation=cv2.INTER_LINEAR)
    region: NDArray[np.bool_] = cv2.dilate(fitted, np.ones((5, 5), np.uint8)) > 127
    return region


def edge_preservation(sharp_edges: Doubles, edges: Doubles, region: NDArray[np.bool_]) -> float:
    """VEPI of one frame: how well the focus region keeps the edges of the sharp picture.

    Pearson's correlation of the two ``edge_strength`` over ``focus_region``, -1..1, higher is better; 0 where
    the region is empty or one of them is constant in it. Of a clip it is the mean over the frames in which
    something is in focus.
    """
    x, y = sharp_edges[region], edges[region]
    if not x.size or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum()))


def smoothness(series: list[float]) -> float:
    """How smoothly a figure goes from frame to frame: 1 less the deviation of its steps, 0 or more."""
    return max(0.0, 1.0 - float(np.std(np.diff(series)))) if len(series) > 1 else 1.0


# Motion ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SharpMotion:
    """How the all-in-focus picture moves from the frame before to this one.

    ``back`` leads from this frame to the one before; ``still`` (``H W`` bool) is where nothing changed.
    """

    back: Flow
    still: Tensor


def sharp_motion(before: Tensor, sharp: Tensor) -> SharpMotion:
    """Return the motion between two pictures ``3 H W`` in 0..1."""
    _, back = flow_between(to_gray(before), to_gray(sharp))
    return SharpMotion(back, (sharp - before).abs().amax(dim=0) <= STILL)


def warp_error(before: Tensor, picture: Tensor, motion: SharpMotion) -> float | None:
    """Mean ``|out[t] - out[t-1] warped|``: the changes in a result though the scene only moved.

    The frame before is warped along the motion of the sharp picture (DIS flow), where going there and back
    again agrees; the rest, visible in only one frame, does not count (``None`` where that is all). It needs
    no ground truth. A blurred picture has less of it than a sharp one, so compare like with like.
    """
    trusted = motion.back.trust >= TRUSTED
    if not trusted.any():
        return None
    warped = motion.back.warp(before.permute(1, 2, 0).contiguous().numpy())
    change = np.abs(warped - picture.permute(1, 2, 0).numpy()).mean(axis=2)
    return float(change[trusted].mean())


def still_flicker(before: Tensor, picture: Tensor, motion: SharpMotion) -> float | None:
    """Mean ``|out[t] - out[t-1]|`` where the sharp picture stands still to within 3/255; ``None``: nowhere.

    It needs no ground truth; blur of a moving object before a still background is part of it.
    """
    if not motion.still.any():
        return None
    return float((picture - before).abs().mean(dim=0)[motion.still].mean())


def dis_flow(before: Tensor, picture: Tensor) -> Tensor:
    """Return the flow between two pictures ``3 H W`` by OpenCV's DIS, preset MEDIUM: ``2 H W`` in pixels."""
    flow = dense_flow(to_gray(before), to_gray(picture), FlowPreset.MEDIUM)
    return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))
