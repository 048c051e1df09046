"""The autoencoder: pictures to latents and back, with skips from the encoder to the decoder.

Keys and shapes are those of the published weights: Stable Video Diffusion's, plus four ``decoder.skip_conv``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from any2bokeh.documents import check_sizes
from any2bokeh.errors import ShapeError, WeightsError, shown
from any2bokeh.render.diffusion.blocks import (
    NORM_GROUPS,
    Downsample,
    ResBlock,
    SpatialResBlock,
    TemporalConvolution,
    Upsample,
)

LATENT_STRIDE = 8  # pixels per latent cell
EPS = 1e-6  # of norms, but for those along time
FRAMES_AT_ONCE = 2  # of a window, in what the decoder does within frames: half the memory, no slower
SKIP_INIT = 1e-5  # a fresh skip adds nearly nothing to what a plain decoder gives


@dataclass(frozen=True, kw_only=True)
class VAEDims:
    """Sizes of the autoencoder, by level, the finest first; defaults are those of the published network."""

    channels: tuple[int, int, int, int] = (128, 256, 512, 512)
    layers_per_block: int = 2
    latent_channels: int = 4
    scaling_factor: float = 0.18215

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the sizes that diffusers' ``config.json`` of a temporal autoencoder holds.

        Raises ``WeightsError`` for a network of another kind.
        """
        check_sizes(config)
        for key in ("in_channels", "out_channels"):
            if config.get(key, 3) != 3:
                raise WeightsError(f"The autoencoder's {key} is {shown(config[key])}; only 3 is supported.")
        try:
            return cls(
                channels=tuple(config["block_out_channels"]),  # type: ignore[arg-type]
                layers_per_block=config["layers_per_block"],
                latent_channels=config["latent_channels"],
                scaling_factor=config["scaling_factor"],
            )
        except (KeyError, TypeError) as error:
            raise WeightsError(f"The autoencoder's configuration is incomplete: {error}.") from error

    def to_config(self) -> dict[str, Any]:
        """Return what ``from_config`` reads."""
        return {
            "_class_name": "AutoencoderKLTemporalDecoder",
            "in_channels": 3,
            "out_channels": 3,
            "block_out_channels": list(self.channels),
            "layers_per_block": self.layers_per_block,
            "latent_channels": self.latent_channels,
            "scaling_factor": self.scaling_factor,
        }


@dataclass(frozen=True)
class Encoded:
    """Latents of pictures, and the encoder's features for the decoder.

    ``mean`` and ``logvar`` are ``T 4 h w``, not scaled; ``skips`` what entered each level of the encoder, the
    finest first: ``T C H W`` at full, half, quarter and eighth size.
    """

    mean: Tensor
    logvar: Tensor
    skips: tuple[Tensor, ...]


class FrameAttention(nn.Module):
    """Attention among the cells of each frame, with one head, around a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(NORM_GROUPS, channels, EPS)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, features: Tensor) -> Tensor:
        """Return ``T C h w`` for ``features`` of that shape."""
        cells = self.group_norm(features.flatten(2)).transpose(1, 2)[:, None]  # T 1 N C
        found = scaled_dot_product_attention(self.to_q(cells), self.to_k(cells), self.to_v(cells))
        found = self.to_out[0](found[:, 0])
        return found.transpose(1, 2).unflatten(2, features.shape[2:]) + features


class EncoderDownBlock(nn.Module):
    """One level of the encoder, which halves the size unless it is the coarsest."""

    def __init__(self, in_channels: int, channels: int, layers: int, *, halves: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            SpatialResBlock(in_channels if i == 0 else channels, channels, time_channels=None, eps=EPS)
            for i in range(layers)
        )
        if halves:
            self.downsamplers = nn.ModuleList([Downsample(channels, pads="after")])

    def forward(self, features: Tensor) -> Tensor:
        """Return ``T C' h w`` or half that size for ``T C h w``."""
        for resnet in self.resnets:
            features = resnet(features)
        return self.downsamplers[0](features) if hasattr(self, "downsamplers") else features


class EncoderMidBlock(nn.Module):
    """The coarsest level of the encoder, with attention within each frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first = SpatialResBlock(channels, channels, time_channels=None, eps=EPS)
        self.attentions = nn.ModuleList([FrameAttention(channels)])
        last = SpatialResBlock(channels, channels, time_channels=None, eps=EPS)
        self.resnets = nn.ModuleList([first, last])

    def forward(self, features: Tensor) -> Tensor:
        """Return ``T C h w`` for ``features`` of that shape."""
        return self.resnets[1](self.attentions[0](self.resnets[0](features)))


class VAEEncoder(nn.Module):
    """Pictures to the moments of their latents, one by one."""

    def __init__(self, dims: VAEDims) -> None:
        super().__init__()
        fine, coarse = dims.channels[0], dims.channels[-1]
        self.conv_in = nn.Conv2d(3, fine, 3, padding=1)
        self.down_blocks = nn.ModuleList(
            EncoderDownBlock(c_in, c_out, dims.layers_per_block, halves=i < len(dims.channels) - 1)
            for i, (c_in, c_out) in enumerate(zip((fine, *dims.channels), dims.channels, strict=False))
        )
        self.mid_block = EncoderMidBlock(coarse)
        self.conv_norm_out = nn.GroupNorm(NORM_GROUPS, coarse, EPS)
        self.conv_out = nn.Conv2d(coarse, 2 * dims.latent_channels, 3, padding=1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return ``T 8 h w`` for ``T 3 H W``, and what entered each level."""
        skips = []
        features = self.conv_in(pictures)
        for block in self.down_blocks:
            skips.append(features)
            features = block(features)
        features = self.mid_block(features)
        return self.conv_out(silu(self.conv_norm_out(features))), tuple(skips)


class DecoderMidBlock(nn.Module):
    """The coarsest level of the decoder, with attention within each frame."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_res_block(channels, channels) for _ in range(layers))
        self.attentions = nn.ModuleList([FrameAttention(channels)])

    def forward(self, features: Tensor) -> Tensor:
        """Return ``T C h w`` for ``features`` of that shape, frames of one window."""
        features = self.resnets[0](features, len(features), at_once=FRAMES_AT_ONCE)
        for resnet, attention in zip(self.resnets[1:], self.attentions, strict=False):
            features = resnet(attention(features), len(features), at_once=FRAMES_AT_ONCE)
        return features


class DecoderUpBlock(nn.Module):
    """One level of the decoder, which doubles the size unless it is the finest."""

    def __init__(self, in_channels: int, channels: int, layers: int, *, doubles: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            _res_block(in_channels if i == 0 else channels, channels) for i in range(layers)
        )
        if doubles:
            self.upsamplers = nn.ModuleList([Upsample(channels)])

    def forward(self, features: Tensor) -> Tensor:
        """Return ``T C' h w`` or twice that size for ``T C h w``, frames of one window."""
        for resnet in self.resnets:
            features = resnet(features, len(features), at_once=FRAMES_AT_ONCE)
        if not hasattr(self, "upsamplers"):
            return features
        return torch.cat([self.upsamplers[0](part) for part in features.split(FRAMES_AT_ONCE)])


def _res_block(in_channels: int, channels: int) -> ResBlock:
    return ResBlock(in_channels, channels, time_channels=None, eps=EPS, temporal_eps=1e-5, share_of="time")


class VAEDecoder(nn.Module):
    """Latents to pictures; convolutions along time keep a window of frames steady."""

    def __init__(self, dims: VAEDims) -> None:
        super().__init__()
        leaving = dims.channels[::-1]
        entering = (leaving[0], *leaving[:-1])
        skipped = (dims.channels[0], *dims.channels[:-1])[::-1]  # what entered the encoder's levels
        fine = dims.channels[0]
        self.conv_in = nn.Conv2d(dims.latent_channels, leaving[0], 3, padding=1)
        self.mid_block = DecoderMidBlock(leaving[0], dims.layers_per_block)
        self.up_blocks = nn.ModuleList(
            DecoderUpBlock(c_in, c_out, dims.layers_per_block + 1, doubles=i < len(leaving) - 1)
            for i, (c_in, c_out) in enumerate(zip(entering, leaving, strict=True))
        )
        for i, (c_in, c_out) in enumerate(zip(skipped, entering, strict=True), start=1):
            skip = nn.Conv2d(c_in, c_out, 1, bias=False)
            nn.init.constant_(skip.weight, SKIP_INIT)
            self.add_module(f"skip_conv_{i}", skip)
        self.conv_norm_out = nn.GroupNorm(NORM_GROUPS, fine, EPS)
        self.conv_out = nn.Conv2d(fine, 3, 3, padding=1)
        self.time_conv_out = TemporalConvolution(3)

    def forward(self, latents: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        """Return ``T 3 H W`` for unscaled latents ``T 4 h w`` of one window of frames, and their skips."""
        # Popped, never named: a name would keep what was before the skip, 0.3 GB for each frame at the end.
        features = [self.mid_block(self.conv_in(latents))]
        for i, (block, skip) in enumerate(zip(self.up_blocks, reversed(skips), strict=True), start=1):
            features.append(features.pop() + self.get_submodule(f"skip_conv_{i}")(skip))
            features.append(block(features.pop()))
        parts = features.pop().split(FRAMES_AT_ONCE)
        pictures = torch.cat([self.conv_out(silu(self.conv_norm_out(part))) for part in parts])
        along_time: Tensor = self.time_conv_out(pictures.transpose(0, 1)[None])  # 1 3 T H W
        return along_time[0].transpose(0, 1)


class BokehVAE(nn.Module):
    """Encodes pictures one by one, and decodes windows of frames with the skips of the sharp pictures."""

    def __init__(self, dims: VAEDims) -> None:
        super().__init__()
        self.dims = dims
        self.encoder = VAEEncoder(dims)
        self.decoder = VAEDecoder(dims)
        self.quant_conv = nn.Conv2d(2 * dims.latent_channels, 2 * dims.latent_channels, 1)

    def encode(self, pictures: Tensor) -> Encoded:
        """Return the latents of ``T 3 H W`` pictures in -1..1.

        Raises ``ShapeError`` unless both sides are multiples of 8.
        """
        if pictures.ndim != 4 or any(side % LATENT_STRIDE for side in pictures.shape[2:]):
            raise ShapeError(
                f"pictures must be T 3 H W, H and W multiples of {LATENT_STRIDE}, got {tuple(pictures.shape)}"
            )
        features, skips = self.encoder(pictures)
        mean, logvar = self.quant_conv(features).chunk(2, dim=1)
        return Encoded(mean, logvar.clamp(-30, 20), skips)

    def decode(self, latents: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        """Return the pictures, ``T 3 H W`` in -1..1 and somewhat beyond, of one window of frames.

        ``latents`` are ``T 4 h w``, not scaled; ``skips`` those of the same frames, as ``encode`` gave them.
        """
        if any(len(skip) != len(latents) for skip in skips):
            raise ShapeError(f"skips must be those of the {len(latents)} frames that are decoded")
        return self.decoder(latents, skips)

    def scaled(self, latents: Tensor) -> Tensor:
        """Latents as the U-Net takes and gives them."""
        return latents * self.dims.scaling_factor

    def unscaled(self, latents: Tensor) -> Tensor:
        """Latents as the decoder takes them."""
        return latents / self.dims.scaling_factor
