"""The network's picture, back at the clip's size: where nothing is blurred, the original's own pixels."""

import math

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d, interpolate, max_pool2d

from any2bokeh.optics.coc import coc_px
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.render.diffusion.working import WorkingFrame
from any2bokeh.scene import Scene

# Radii in pixels of the working frame between which the network's picture takes over from the original.
SHARP_PX, BLURRED_PX = 0.5, 1.0
# Steps to the sides and across measure distances up to 8 % too long; discs are taken for that much larger.
CHAMFER_EXCESS = 1.09
# How far from what the lens changed, in pixels of the working frame, a correction goes: geometry is wrong at
# edges. It counts fully where the lens changed code values by this much.
CORRECTED_PX = 8
FULL_CHANGE = 0.04


def compose(scene: Scene, picture: Tensor, frame: WorkingFrame) -> Tensor:
    """The refocused picture at the clip's size, ``3 H W``, on the device of ``picture``.

    ``picture`` is the network's, ``3 h w`` in 0..1 at the working scale, not padded. Pixels that are in focus
    and that no nearer disc reaches are the original's, bit for bit.
    """
    sharp = scene.sharp.to(picture.device)
    share = network_share(scene, frame, picture.device)
    enlarged = interpolate(picture[None], sharp.shape[1:], mode="bicubic", align_corners=False)[0].clamp(0, 1)
    return torch.where(share > 0, torch.lerp(sharp, enlarged, share), sharp)


def correct(
    scene: Scene, through_lens: Tensor, picture: Tensor, frame: WorkingFrame, weight: float = 1.0
) -> Tensor:
    """The lens's picture ``through_lens`` with the network's correction, at the clip's size, ``3 H W``.

    ``picture`` is the corrected one, ``3 h w`` in 0..1 at the working scale, not padded. What it differs by
    from the lens's at that scale, times ``weight``, is enlarged and added, so that the lens's detail stays;
    see ``correction_share`` for where. Far from all blur the original's pixels stay, bit for bit.
    """
    sharp, lens = (frame.scale(one.to(picture.device)[None]) for one in (scene.sharp, through_lens))
    correction = weight * correction_share(sharp, lens) * (picture - lens)
    if correction.shape[2:] != through_lens.shape[1:]:
        correction = interpolate(correction, through_lens.shape[1:], mode="bicubic", align_corners=False)
    return torch.where(correction[0] != 0, (through_lens + correction[0]).clamp(0, 1), through_lens)


def correction_share(sharp: Tensor, through_lens: Tensor) -> Tensor:
    """How much of a correction to the lens counts, ``T 1 H W`` in 0..1, for pictures ``T 3 H W`` in 0..1.

    As much as the lens changed what is around: where it changed nothing, or has nothing to blur but smooth
    surfaces, it has little to be wrong about, and what a network says there is noise.
    """
    change = (through_lens - sharp).abs().mean(dim=1, keepdim=True)
    change = avg_pool2d(change, 3, 1, 1, count_include_pad=False)
    around = max_pool2d(change, 2 * CORRECTED_PX + 1, 1, CORRECTED_PX)
    return avg_pool2d((around / FULL_CHANGE).clamp(max=1), 5, 1, 2, count_include_pad=False)


def network_share(scene: Scene, frame: WorkingFrame, device: torch.device) -> Tensor:
    """How much of each pixel is the network's, ``1 H W``, 0..1: what is blurred, or under nearer blur.

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
    it on from neighbour to neighbour; pixels that are more than a pixel outside of all discs have -1 or less.
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
