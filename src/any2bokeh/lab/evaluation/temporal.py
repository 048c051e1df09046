"""What is measured from frame to frame, along the motion of the picture."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from any2bokeh.motion.flow import Flow, FlowPreset, dense_flow, flow_between, to_gray

TRUSTED = 0.5  # of a flow that warps one frame to the other
STILL = 3 / 255  # a change of code values that is noise


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
    """Mean ``|out[t] - out[t-1] warped|``: what changes in a result though the scene only moved.

    The frame before is warped along the motion of the sharp picture (DIS flow), where going there and back
    again agrees; the rest, what only one frame shows, does not count (``None`` where that is all). It needs
    no truth. A blurred picture has less of it than a sharp one, so compare like with like.
    """
    trusted = motion.back.trust >= TRUSTED
    if not trusted.any():
        return None
    warped = motion.back.warp(before.permute(1, 2, 0).contiguous().numpy())
    change = np.abs(warped - picture.permute(1, 2, 0).numpy()).mean(axis=2)
    return float(change[trusted].mean())


def still_flicker(before: Tensor, picture: Tensor, motion: SharpMotion) -> float | None:
    """Mean ``|out[t] - out[t-1]|`` where the sharp picture stands still to within 3/255; ``None``: nowhere.

    It needs no truth; blur of something that moves before what stands still is part of it.
    """
    if not motion.still.any():
        return None
    return float((picture - before).abs().mean(dim=0)[motion.still].mean())


def dis_flow(before: Tensor, picture: Tensor) -> Tensor:
    """Return the flow between two pictures ``3 H W`` by OpenCV's DIS, preset MEDIUM: ``2 H W`` in pixels."""
    flow = dense_flow(to_gray(before), to_gray(picture), FlowPreset.MEDIUM)
    return torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1)))
