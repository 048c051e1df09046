"""The autoencoder: pictures to latents and back, with skips from the encoder to the decoder.

Keys and shapes are those of the published weights: Stable Video Diffusion's, plus four ``decoder.skip_conv``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from diffusers.models.autoencoders.vae import Encoder
from diffusers.models.unets.unet_3d_blocks import MidBlockTemporalDecoder, UpBlockTemporalDecoder
from torch import Tensor, nn
from torch.nn.functional import silu

from any2bokeh.errors import ShapeError, WeightsError

LATENT_STRIDE = 8  # pixels per latent cell
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
        for key in ("in_channels", "out_channels"):
            if config.get(key, 3) != 3:
                raise WeightsError(f"The autoencoder's {key} is {config[key]!r}, only 3 is known.")
        try:
            return cls(
                channels=tuple(config["block_out_channels"]),  # type: ignore[arg-type]
                layers_per_block=config["layers_per_block"],
                latent_channels=config["latent_channels"],
                scaling_factor=config["scaling_factor"],
            )
        except (KeyError, TypeError) as error:
            raise WeightsError(f"The autoencoder's configuration is not complete: {error}.") from error


@dataclass(frozen=True)
class Encoded:
    """Latents of pictures, and what the decoder wants to see of the encoder.

    ``mean`` and ``logvar`` are ``T 4 h w``, not scaled; ``skips`` what entered each level of the encoder, the
    finest first: ``T C H W`` at full, half, quarter and eighth size.
    """

    mean: Tensor
    logvar: Tensor
    skips: tuple[Tensor, ...]


class Decoder(nn.Module):
    """Latents to pictures; convolutions along time keep a window of frames steady."""

    def __init__(self, dims: VAEDims) -> None:
        super().__init__()
        coarse_first = dims.channels[::-1]
        widest = coarse_first[0]
        self.conv_in = nn.Conv2d(dims.latent_channels, widest, 3, padding=1)
        self.mid_block = MidBlockTemporalDecoder(
            widest, widest, attention_head_dim=widest, num_layers=dims.layers_per_block
        )
        self.up_blocks = nn.ModuleList(
            UpBlockTemporalDecoder(
                coarse_first[max(0, i - 1)],
                channels,
                num_layers=dims.layers_per_block + 1,
                add_upsample=i < len(coarse_first) - 1,
            )
            for i, channels in enumerate(coarse_first)
        )
        fine = dims.channels[0]
        # What entered level i of the encoder has the channels of the level above it.
        skipped, entering = (fine, *dims.channels[:-1])[::-1], (widest, *coarse_first[:-1])
        for i, (c_in, c_out) in enumerate(zip(skipped, entering, strict=True), start=1):
            skip = nn.Conv2d(c_in, c_out, 1, bias=False)
            nn.init.constant_(skip.weight, SKIP_INIT)
            self.add_module(f"skip_conv_{i}", skip)
        self.conv_norm_out = nn.GroupNorm(32, fine, eps=1e-6)
        self.conv_out = nn.Conv2d(fine, 3, 3, padding=1)
        self.time_conv_out = nn.Conv3d(3, 3, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, latents: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        """Return ``T 3 H W`` for unscaled latents ``T 4 h w`` of one window of frames, and their skips."""
        # diffusers' blocks read the number of frames off the shape of this, and nothing else.
        frames = latents.new_zeros(1, len(latents))
        features = self.mid_block(self.conv_in(latents), image_only_indicator=frames)
        for i, (block, skip) in enumerate(zip(self.up_blocks, reversed(skips), strict=True), start=1):
            features = features + self.get_submodule(f"skip_conv_{i}")(skip)
            features = block(features, image_only_indicator=frames)
        pictures = self.conv_out(silu(self.conv_norm_out(features)))
        along_time: Tensor = self.time_conv_out(pictures.transpose(0, 1)[None])  # 1 3 T H W
        return along_time[0].transpose(0, 1)


class BokehVAE(nn.Module):
    """Encodes pictures one by one, and decodes windows of frames with the skips of the sharp pictures."""

    def __init__(self, dims: VAEDims) -> None:
        super().__init__()
        self.dims = dims
        self.encoder = Encoder(
            out_channels=dims.latent_channels,
            down_block_types=("DownEncoderBlock2D",) * len(dims.channels),
            block_out_channels=dims.channels,
            layers_per_block=dims.layers_per_block,
        )
        self.decoder = Decoder(dims)
        self.quant_conv = nn.Conv2d(2 * dims.latent_channels, 2 * dims.latent_channels, 1)

    def encode(self, pictures: Tensor) -> Encoded:
        """Return the latents of ``T 3 H W`` pictures in -1..1.

        Raises ``ShapeError`` unless both sides are multiples of 8.
        """
        if pictures.ndim != 4 or any(side % LATENT_STRIDE for side in pictures.shape[2:]):
            raise ShapeError(
                f"pictures must be T 3 H W, H and W multiples of {LATENT_STRIDE}, got {tuple(pictures.shape)}"
            )
        encoder, skips = self.encoder, []
        features = encoder.conv_in(pictures)
        for block in encoder.down_blocks:
            skips.append(features)
            features = block(features)
        features = encoder.mid_block(features)
        features = encoder.conv_out(silu(encoder.conv_norm_out(features)))
        mean, logvar = self.quant_conv(features).chunk(2, dim=1)
        return Encoded(mean, logvar.clamp(-30, 20), tuple(skips))

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
