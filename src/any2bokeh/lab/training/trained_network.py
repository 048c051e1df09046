"""The network in training: U-Net and codec of a size, their inputs, and the losses of the stages."""

from fnmatch import fnmatchcase
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, l1_loss, mse_loss

from any2bokeh.errors import SettingsError, ShapeError
from any2bokeh.lab.training.training_settings import Loss, TextureLoss, TrainingSettings
from any2bokeh.lab.training.windows import Batch
from any2bokeh.optics.mpi import plane_labels, plane_thresholds
from any2bokeh.render.diffusion.answer import difference_picture
from any2bokeh.render.diffusion.codec import Codec, PixelCodec
from any2bokeh.render.diffusion.image_encoder import ImageEncoder
from any2bokeh.render.diffusion.unet import BokehUNet, UNetInputs
from any2bokeh.weights.checkpoint import CheckpointFacts

SOBEL_FLOOR = 1e-6  # under the root of the published texture loss, whose slope would be infinite at 0


def latent_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of scaled latents: the loss of the first two stages."""
    return mse_loss(prediction, target)


def texture_loss(prediction: Tensor, target: Tensor, kind: TextureLoss = "paper") -> Tensor:
    """Return how much the gradients of pictures ``... C H W`` differ.

    ``paper``: the mean squared difference of the gradients along x plus that along y, of neighboring
    pixels. ``published``, as the published code has it: the mean absolute difference of the magnitudes of
    Sobel gradients, zero beyond the frame; it does not see which way an edge faces.
    """
    if prediction.shape != target.shape or prediction.ndim < 3:
        shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise ShapeError(f"pictures must be ... C H W, got {shapes}")
    if kind == "published":
        return l1_loss(sobel_magnitude(prediction), sobel_magnitude(target))
    if kind not in get_args(TextureLoss):
        raise SettingsError(f"The texture loss must be one of {', '.join(get_args(TextureLoss))}.")
    error = prediction - target
    return error.diff(dim=-1).square().mean() + error.diff(dim=-2).square().mean()


def sobel_magnitude(pictures: Tensor) -> Tensor:
    """Return ``sqrt(gx^2 + gy^2 + 1e-6)`` of Sobel's gradients of each channel, ``... C H W``."""
    across = pictures.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([across, across.T])[:, None]
    gradients = conv2d(pictures.flatten(0, -3)[:, None], kernels, padding=1)
    return (gradients.square().sum(1) + SOBEL_FLOOR).sqrt().view_as(pictures)


def pixel_loss(
    prediction: Tensor, target: Tensor, kind: Loss = "pixels", texture: float = 0, of: TextureLoss = "paper"
) -> Tensor:
    """Return the loss of pictures ``... C H W`` in -1..1: their difference, plus that of their texture.

    The mean absolute difference, or with ``squared`` the mean squared one, which PSNR measures;
    ``texture`` is the weight of the texture loss.
    """
    loss = (mse_loss if kind == "squared" else l1_loss)(prediction, target)
    return loss + texture * texture_loss(prediction, target, of) if texture else loss


def is_trained(name: str, settings: TrainingSettings) -> bool:
    """Say whether the settings train the parameter of that name."""
    named = (any(fnmatchcase(name, p) for p in patterns) for patterns in (settings.train, settings.freeze))
    return next(named) and not next(named)


class TrainedNetwork(nn.Module):
    """The parts that are saved, ``unet`` and ``vae``, and how they are run: as the renderer runs them.

    The facts that come with the weights, MPI alpha, time ids, CLIP's normalization, are those of this
    network's own training, so that nothing can differ between the two.
    """

    def __init__(
        self,
        unet: BokehUNet,
        vae: Codec,
        facts: CheckpointFacts,
        settings: TrainingSettings,
        image_encoder: ImageEncoder | None = None,
    ) -> None:
        super().__init__()
        self.unet, self.vae = unet, vae
        self.facts, self.settings = facts, settings
        self._clip = [image_encoder] if image_encoder else []  # in a list, so that it is no part of this
        unet.checkpointing = settings.checkpointing
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(is_trained(name, settings))

    def forward(self, batch: Batch) -> Tensor:
        """Return the loss."""
        settings = self.settings
        if settings.loss == "latents":
            latents, _ = self._denoise(batch)
            with torch.no_grad():
                target = self._latents(batch.target * 2 - 1)[0]
            return latent_loss(latents.float(), target)
        pictures, target = self.pictures(batch) * 2 - 1, batch.target * 2 - 1
        return pixel_loss(pictures, target, settings.loss, settings.texture, settings.texture_loss)

    def pictures(self, batch: Batch) -> Tensor:
        """Return the refocused pictures, ``B T 3 H W``, around 0..1."""
        latents, skips = self._denoise(batch)
        return self._decode(self.vae.unscaled(latents), skips).float() / 2 + 0.5

    def _decode(self, latents: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        """The pictures ``B T 3 H W`` of latents ``B T C h w`` and the skips of all their frames."""
        frames = latents.shape[1]
        if isinstance(self.vae, PixelCodec):  # to which a frame is a frame
            return self.vae.decode(latents.flatten(0, 1), skips).unflatten(0, (-1, frames))
        by_clip = [skip.unflatten(0, (-1, frames)) for skip in skips]
        # One clip after the other: the decoder looks along time.
        return torch.stack(
            [self.vae.decode(clip, tuple(theirs)) for clip, *theirs in zip(latents, *by_clip, strict=True)]
        )

    def _denoise(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The scaled latents of the refocused pictures, ``B T C h w``, and the sharp ones' skips."""
        is_trained = any(weight.requires_grad for weight in self.unet.parameters())
        with torch.no_grad():
            focus = batch.focus_disparity[..., None, None, None]
            latents, skips = self._latents(batch.sharp * 2 - 1)
            geometry, _ = self._latents(difference_picture(batch.disparity, focus))
            inputs = UNetInputs(
                latents=torch.cat([latents, geometry], dim=2),
                embeds=self._embed(batch),
                labels=self._labels(batch),
                blur_strength=batch.net_blur_strength,
                time_ids=latents.new_tensor([self.facts.time_ids] * len(latents)),
            )
        with torch.set_grad_enabled(is_trained and torch.is_grad_enabled()):
            refocused: Tensor = self.unet(
                inputs, mask_mode=self.facts.mask_mode, k_precision=self.facts.k_precision
            )
        return refocused, skips

    def _latents(self, pictures: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Scaled latents ``B T C h w`` and skips of pictures ``B T 3 H W`` in -1..1, in full precision."""
        with torch.autocast(pictures.device.type, enabled=False):
            encoded = self.vae.encode(pictures.flatten(0, 1).float())
        return self.vae.scaled(encoded.mean).unflatten(0, pictures.shape[:2]), encoded.skips

    def _labels(self, batch: Batch) -> Tensor:
        focus = batch.focus_disparity
        thresholds = [plane_thresholds(one, alpha=self.facts.mpi_alpha) for one in focus.flatten().tolist()]
        of_each = focus.new_tensor(thresholds).T.view(-1, *focus.shape, 1, 1, 1)
        return plane_labels(batch.disparity, focus[..., None, None, None], list(of_each))

    def _embed(self, batch: Batch) -> Tensor:
        clips, frames = batch.sharp.shape[:2]
        if not self._clip:
            return batch.sharp.new_zeros(clips, frames, self.unet.dims.context_channels)
        embeds = self._clip[0].embed(batch.sharp.flatten(0, 1) * 2 - 1)
        return embeds.float().unflatten(0, (clips, frames))
