"""The circle of confusion: how large a point of the scene is drawn."""

from torch import Tensor

REFERENCE_SIDE_PX = 1024  # the frame size in which blur strength is stated


def coc_px(disparity: Tensor, focus_disparity: float, blur_strength: float, longer_side_px: float) -> Tensor:
    """Signed radius of the circle of confusion in displayed pixels, positive behind the focal plane.

    ``disparity`` is any shape, 0..1, near is 1. ``longer_side_px`` is the longer displayed side of the
    frame, so that a proxy and its original look alike at the same blur strength.
    """
    return (focus_disparity - disparity) * (blur_strength * longer_side_px / REFERENCE_SIDE_PX)
