"""How far a refocused clip is from the true one."""

from typing import get_args

import torch
from torch import Tensor
from torch.nn.functional import conv2d, mse_loss

from any2bokeh.errors import SettingsError, ShapeError
from any2bokeh.lab.training.training_settings import Loss, TextureLoss

RELATIVE_FLOOR = 4e-6  # 60 dB, the rounding of 8 bits, of pictures in -1..1
SOBEL_FLOOR = 1e-6  # under the root of the published texture loss, whose slope would be infinite at 0


def latent_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of scaled latents: the loss of the first two stages."""
    return mse_loss(prediction, target)


def texture_loss(prediction: Tensor, target: Tensor, kind: TextureLoss = "paper") -> Tensor:
    """Return how much the gradients of pictures ``... T C H W`` differ, ``...``.

    ``paper``: the mean squared difference of the gradients along x plus that along y, of neighbouring
    pixels. ``published``, as the published code has it: the mean absolute difference of the magnitudes of
    Sobel gradients, zero beyond the frame; it does not see which way an edge faces.
    """
    if prediction.shape != target.shape or prediction.ndim < 4:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ShapeError(f"pictures must be ... T C H W, got {shapes}")
    if kind == "published":
        return _mean((sobel_magnitude(prediction) - sobel_magnitude(target)).abs())
    if kind not in get_args(TextureLoss):
        raise SettingsError(f"The texture loss must be one of {', '.join(get_args(TextureLoss))}.")
    error = prediction - target
    return _mean(error.diff(dim=-1).square()) + _mean(error.diff(dim=-2).square())


def sobel_magnitude(pictures: Tensor) -> Tensor:
    """Return ``sqrt(gx^2 + gy^2 + 1e-6)`` of Sobel's gradients of each channel, ``... C H W``."""
    across = pictures.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([across, across.T])[:, None]
    gradients = conv2d(pictures.flatten(0, -3)[:, None], kernels, padding=1)
    return (gradients.square().sum(1) + SOBEL_FLOOR).sqrt().view_as(pictures)


def pixel_loss(
    prediction: Tensor, target: Tensor, kind: Loss = "pixels", texture: float = 0, of: TextureLoss = "paper"
) -> Tensor:
    """Return the loss of pictures ``... T C H W`` in -1..1: their difference, plus that of their texture.

    The mean absolute difference, or with ``squared`` the mean squared one, which is what PSNR measures;
    ``texture`` is what the texture loss counts. One number for each clip, ``...``.
    """
    error = prediction - target
    loss = _mean(error.square() if kind == "squared" else error.abs())
    return loss + texture * texture_loss(prediction, target, of) if texture else loss


def relative_loss(
    prediction: Tensor, lens: Tensor, target: Tensor, texture: float = 0, of: TextureLoss = "paper"
) -> Tensor:
    """Return the squared ``pixel_loss`` as a share of what the lens's pictures have, the mean over windows.

    Pictures are ``B T 3 H W`` in -1..1. A gain of g dB over the lens is a loss of ``10 ** (-g / 10)``, be the
    window hard or easy, down to an error of ``RELATIVE_FLOOR``: what nobody sees need not get better.
    """
    ours, theirs = (pixel_loss(one, target, "squared", texture, of) for one in (prediction, lens))
    return ((ours + RELATIVE_FLOOR) / (theirs + RELATIVE_FLOOR)).mean()


def _mean(values: Tensor) -> Tensor:
    """The mean of each ``T C H W`` of ``... T C H W``."""
    return values.flatten(-4).mean(-1)
