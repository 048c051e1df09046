"""Disparity in colors, for looking."""

import torch
from torch import Tensor

# Coefficients of the disparity's powers 0 to 6, for R, G and B. They follow matplotlib's map "inferno" (by
# Nathaniel Smith and Stefan van der Walt, CC0) in the fit by Matt Zucker (shadertoy.com/view/WlfXRN, CC0).
# The nearer, the brighter, so the order is plain to the eye, also in print and to the color-blind.
INFERNO = (
    (0.000219, 0.106513, 11.602493, -41.703996, 77.162936, -71.319428, 25.131126),
    (0.001651, 0.563956, -3.972854, 17.436399, -33.402359, 32.626064, -12.242669),
    (-0.019481, 3.932712, -15.942394, 44.354145, -81.807309, 73.209520, -23.070325),
)


def colorize(disparity: Tensor) -> Tensor:
    """Return R'G'B' ``3 H W`` in 0..1 for disparity ``1 H W``; values outside 0..1 are clamped."""
    disparity = disparity.clamp(0, 1)
    powers = torch.cat([disparity**power for power in range(len(INFERNO[0]))])
    coefficients = torch.tensor(INFERNO, dtype=disparity.dtype, device=disparity.device)
    return torch.einsum("cp,phw->chw", coefficients, powers).clamp(0, 1)
