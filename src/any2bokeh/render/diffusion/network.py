"""The loaded network: its four parts, each in the precision that it bears, and what each is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from any2bokeh.render.diffusion.codec import Codec, PixelCodec
from any2bokeh.render.diffusion.memory import Footprint
from any2bokeh.render.diffusion.unet import BokehUNet, UNetInputs
from any2bokeh.render.diffusion.vae import BokehVAE
from any2bokeh.render.diffusion.working_frame import WorkingFrame
from any2bokeh.settings.render_settings import DiffusionSettings
from any2bokeh.weights.checkpoint import CheckpointFacts

if TYPE_CHECKING:
    from any2bokeh.render.diffusion.image_encoder import ImageEncoder


@dataclass(frozen=True)
class FrameCode:
    """One frame as the network sees it.

    ``latents`` ``8 h w``, scaled: the picture's, then the geometry's;
    ``embed`` ``D``, CLIP's; ``labels`` ``1 H W`` uint8 planes; ``blur_strength`` K in pixels of the working
    frame; ``skips`` what the decoder wants of the encoder, ``C H W`` at up to four sizes.
    """

    latents: Tensor
    embed: Tensor
    labels: Tensor
    blur_strength: float
    skips: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True)
class NetworkInputs:
    """Frames at the working scale, not padded, on the device.

    ``pictures`` and ``geometry`` (the difference of disparity, as gray pictures) are ``T 3 h w`` in -1..1;
    ``labels`` are ``T 1 h w`` planes; ``blur_strengths`` K in pixels of the working frame.
    """

    pictures: Tensor
    geometry: Tensor
    labels: Tensor
    blur_strengths: Sequence[float]


class BokehNetwork:
    """The paper's network. Deterministic: latents are the posterior's mode, and there is no noise.

    Its parts are on ``device``, or with ``low_memory`` in memory, and only brought in for their work.
    """

    def __init__(
        self,
        unet: BokehUNet,
        vae: Codec,
        image_encoder: "ImageEncoder | None",
        facts: CheckpointFacts,
        settings: DiffusionSettings,
        device: torch.device,
    ) -> None:
        self._unet, self._vae, self._clip = unet, vae, image_encoder
        self.facts, self._settings, self.device = facts, settings, device
        self._resident: nn.Module | None = None
        for part in (unet, vae.encoder, vae.decoder):
            if self.device.type == "cuda":
                _lay_channels_last(part)
            if settings.compile:
                part.compile()
        if isinstance(vae, BokehVAE):
            vae.quant_conv.to(device)

    @property
    def _parts(self) -> list[nn.Module]:
        """The modules that move to the device, with ``low_memory`` one by one."""
        clip = [self._clip.network] if self._clip else []
        return [self._unet, self._vae.encoder, self._vae.decoder, *clip]

    def release(self) -> None:
        """Free the weights; the network cannot be run after that."""
        for part in (*self._parts, self._vae):
            part.to("meta")

    @property
    def footprint(self) -> Footprint:
        """The network's share of the device's memory."""
        sizes = [sum(weight.nbytes for weight in part.parameters()) for part in self._parts]
        weights = max(sizes) if self._settings.low_memory else sum(sizes)
        if isinstance(self._vae, PixelCodec):
            return Footprint.of_folded(weights, _dtype(self._unet).itemsize)
        return Footprint.of_published(
            weights, self._encoder_dtype.itemsize, _dtype(self._vae.decoder).itemsize
        )

    @torch.inference_mode()
    def encode(self, inputs: NetworkInputs, frame: WorkingFrame, *, keeps_skips: bool) -> list[FrameCode]:
        """The network's inputs for frames, each encoded once; skips wait on the device, or in memory."""
        vae, decoder_dtype = self._vae, _dtype(self._vae.decoder)
        self._bring_in(vae.encoder)
        seen, geometry = (
            vae.encode(frame.pad(images).to(self._encoder_dtype))
            for images in (inputs.pictures, inputs.geometry)
        )
        latents = vae.scaled(torch.cat([seen.mean, geometry.mean], dim=1))
        latents = latents.to(_dtype(self._unet))
        waits_on = self.device if keeps_skips else torch.device("cpu")
        skips = [skip.to(waits_on, decoder_dtype) for skip in seen.skips]
        labels = frame.pad(inputs.labels)
        embeds = self._embed(inputs.pictures).to(latents.dtype)
        return [
            FrameCode(latents[t], embeds[t], labels[t], blur_strength, tuple(skip[t] for skip in skips))
            for t, blur_strength in enumerate(inputs.blur_strengths)
        ]

    @torch.inference_mode()
    def denoise(self, frames: Sequence[FrameCode]) -> Tensor:
        """The scaled latents of the refocused frames of one chunk, ``T 4 h w`` float32."""
        self._bring_in(self._unet)
        facts = self.facts
        inputs = UNetInputs(
            latents=torch.stack([frame.latents for frame in frames])[None],
            embeds=torch.stack([frame.embed for frame in frames])[None],
            labels=torch.stack([frame.labels for frame in frames])[None],
            blur_strength=torch.tensor([[frame.blur_strength for frame in frames]], device=self.device),
            time_ids=torch.tensor([facts.time_ids], device=self.device),
        )
        latents: Tensor = self._unet(
            inputs, mask_mode=facts.mask_mode, k_precision=facts.k_precision, gates=self._settings.mpi
        )
        return latents[0].float()

    @torch.inference_mode()
    def decode(self, frames: Sequence[tuple[FrameCode, Tensor]]) -> Tensor:
        """The pictures of one window of frames and their scaled latents, ``T 3 H W`` float32 in 0..1."""
        self._bring_in(self._vae.decoder)
        latents = torch.stack([latents for _, latents in frames])
        skips = tuple(
            torch.stack(level).to(self.device)
            for level in zip(*(code.skips for code, _ in frames), strict=True)
        )
        pictures = self._vae.decode(self._vae.unscaled(latents).to(_dtype(self._vae.decoder)), skips)
        return (pictures.float() / 2 + 0.5).clamp(0, 1)

    def _embed(self, pictures: Tensor) -> Tensor:
        """CLIP's embeddings ``T D``; without it zeros, in place of which its weights learned a constant."""
        if self._clip is None:
            return pictures.new_zeros(len(pictures), self._unet.dims.context_channels)
        self._bring_in(self._clip.network)
        return self._clip.embed(pictures)

    @property
    def _encoder_dtype(self) -> torch.dtype:
        """The precision of the encoder; one without weights works in the U-Net's."""
        return next((weight.dtype for weight in self._vae.encoder.parameters()), _dtype(self._unet))

    def _bring_in(self, part: nn.Module) -> None:
        """With little memory, put ``part`` on the device and the one that was there away."""
        if not self._settings.low_memory or part is self._resident:
            return
        if self._resident is not None:
            self._resident.to("cpu")
        self._resident = part.to(self.device)


def _lay_channels_last(part: nn.Module) -> None:
    """Lay the weights of convolutions as tensor cores read them; those along time have an axis too many.

    Not on a CPU, whose group norm is less exact in this layout: 0.05 instead of 5e-6 on the tiny network.
    """
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


def _dtype(part: nn.Module) -> torch.dtype:
    return next(part.parameters()).dtype
