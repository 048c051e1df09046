"""The network's answer, and its way from the working frame to the clip's size.

The paper's network draws the refocused picture itself: where nothing is blurred, the original's pixels stay.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, interpolate, max_pool2d

from any2bokeh.optics.coc import coc_px
from any2bokeh.optics.mpi import disparity_difference
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.scene import Scene

# Radii in pixels of the working frame between which the network's picture takes over from the original.
SHARP_PX, BLURRED_PX = 0.5, 1.0
# Steps to the sides and across measure distances up to 8 % too long; discs are taken for that much larger.
CHAMFER_EXCESS = 1.09


def difference_picture(disparity: Tensor, focus_disparity: float | Tensor) -> Tensor:
    """The disparity difference as the autoencoder takes pictures: gray, in focus -1, ``... 3 H W``.

    ``disparity`` is ``... 1 H W``; for frames that differ in focus, that is ``... 1 1 1``.
    """
    gray = disparity_difference(disparity, focus_disparity) * 2 - 1
    return gray.expand(*gray.shape[:-3], 3, -1, -1)


def compose(scene: Scene, picture: Tensor, frame: WorkingFrame) -> Tensor:
    """The refocused picture at the clip's size, ``3 H W``, on the device of ``picture``.

    ``picture`` is the network's, ``3 h w`` in 0..1 at the working scale, not padded. Pixels that are in focus
    and that no nearer disc reaches are the original's, bit for bit.
    """
    sharp = scene.sharp.to(picture.device)
    share = network_share(scene, frame, picture.device)
    enlarged = interpolate(picture[None], sharp.shape[1:], mode="bicubic", align_corners=False)[0].clamp(0, 1)
    return torch.where(share > 0, torch.lerp(sharp, enlarged, share), sharp)


def network_share(scene: Scene, frame: WorkingFrame, device: torch.device) -> Tensor:
    """How much of each pixel is the network's, ``1 H W``, 0..1: blurred pixels, and those under nearer blur.

    A pixel's own circle of confusion counts from half a pixel of the working frame on, fully from one.
    """
    coc = coc_px(
        scene.disparity.to(device),
        scene.focus_disparity,
        scene.blur_strength,
        max(frame.height, frame.width),
    )
    own = _smooth((coc.abs() - SHARP_PX) / (BLURRED_PX - SHARP_PX))
    nearer = adaptive_max_pool2d(-coc[None], (frame.height, frame.width))
    if not bool((nearer > SHARP_PX).any()):
        return own
    reached = _smooth(reach_px(nearer) + 1)
    return torch.maximum(own, interpolate(reached, coc.shape[1:], mode="bilinear", align_corners=False)[0])


def reach_px(radius_px: Tensor) -> Tensor:
    """How far inside the disc of any pixel each pixel lies, ``1 1 h w``; 0 is on a rim, negative outside.

    The largest ``radius - distance`` over all pixels whose radius is above half a pixel, found by passing
    it on from neighbor to neighbor; pixels that are more than a pixel outside of all discs have -1 or less.
    """
    reach = torch.where(radius_px > SHARP_PX, radius_px * CHAMFER_EXCESS, -1.0)
    for _ in range(math.ceil(float(reach.max())) + 1):
        beside = torch.maximum(max_pool2d(reach, (1, 3), 1, (0, 1)), max_pool2d(reach, (3, 1), 1, (1, 0)))
        across = max_pool2d(reach, 3, 1, 1)
        reach = torch.maximum(reach, torch.maximum(beside - 1, across - math.sqrt(2)))
    return reach


def _smooth(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, and between them a curve without corners."""
    x = x.clamp(0, 1)
    return smoothstep(x)
