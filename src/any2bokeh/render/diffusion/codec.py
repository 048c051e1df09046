"""A codec that needs no trained weights: pictures folded into latents, and folded back, exactly.

What an autoencoder of many million pictures gives the published network, 8 x 8 pixels in 4 numbers, a small
network trained on little cannot have. Folding (pixel unshuffle) keeps every pixel, costs nothing, and leaves
the U-Net to work on fewer, thicker cells. A decoder of two convolutions mends what it leaves at cell borders,
with the sharp picture as its skip, as the published decoder has the encoder's features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from any2bokeh.documents import check_sizes
from any2bokeh.errors import ShapeError, WeightsError
from any2bokeh.render.diffusion.vae import BokehVAE, Encoded, VAEDims

CLASS_NAME = "PixelCodec"
CERTAIN = -30.0  # log variance of latents that have none


@dataclass(frozen=True, kw_only=True)
class PixelCodecDims:
    """``factor`` pixels along each side make a cell; ``hidden`` are the channels of the decoder."""

    factor: int = 2
    hidden: int = 16

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the sizes in ``config.json``; raises ``WeightsError`` where it is not complete."""
        check_sizes(config)
        try:
            return cls(factor=int(config["factor"]), hidden=int(config["hidden"]))
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"The codec's configuration is incomplete: {error}.") from error

    def to_config(self) -> dict[str, Any]:
        """Return what ``from_config`` reads."""
        return {"_class_name": CLASS_NAME, "factor": self.factor, "hidden": self.hidden}

    @property
    def latent_channels(self) -> int:
        """Channels of the latents of one picture."""
        return 3 * self.factor**2


class Folding(nn.Module):
    """Pictures to cells."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``T 3ff h w`` for ``T 3 H W``."""
        return pixel_unshuffle(pictures, self.factor)


class PixelDecoder(nn.Module):
    """Cells to pictures, and a correction that starts at zero."""

    def __init__(self, dims: PixelCodecDims) -> None:
        super().__init__()
        self.factor = dims.factor
        self.conv_in = nn.Conv2d(6, dims.hidden, 3, padding=1)
        self.conv_out = nn.Conv2d(dims.hidden, 3, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, latents: Tensor, sharp: Tensor) -> Tensor:
        """Return ``T 3 H W`` for ``T 3ff h w`` and the sharp pictures ``T 3 H W``."""
        pictures = pixel_shuffle(latents, self.factor)
        seen = torch.cat([pictures, sharp.to(pictures.dtype)], dim=1)
        return pictures + self.conv_out(silu(self.conv_in(seen)))


class PixelCodec(nn.Module):
    """Stands in for ``BokehVAE``."""

    def __init__(self, dims: PixelCodecDims) -> None:
        super().__init__()
        self.dims = dims
        self.encoder = Folding(dims.factor)
        self.decoder = PixelDecoder(dims)

    def encode(self, pictures: Tensor) -> Encoded:
        """Return the latents of ``T 3 H W`` pictures in -1..1; raises ``ShapeError`` if they do not fold."""
        if pictures.ndim != 4 or any(side % self.dims.factor for side in pictures.shape[2:]):
            factor = self.dims.factor
            raise ShapeError(
                f"pictures must be T 3 H W, H and W multiples of {factor}, got {tuple(pictures.shape)}"
            )
        mean = self.encoder(pictures)
        return Encoded(mean, torch.full_like(mean, CERTAIN), (pictures,))

    def decode(self, latents: Tensor, skips: tuple[Tensor, ...]) -> Tensor:
        """Return the pictures, ``T 3 H W`` in -1..1 or a little beyond; ``skips`` as of ``encode``."""
        return self.decoder(latents, *skips)

    def scaled(self, latents: Tensor) -> Tensor:
        """Latents as the U-Net takes and gives them: as they are."""
        return latents

    def unscaled(self, latents: Tensor) -> Tensor:
        """Latents as the decoder takes them: as they are."""
        return latents


Codec = BokehVAE | PixelCodec


def is_pixel_codec(config: Mapping[str, Any]) -> bool:
    """Say whether a checkpoint's ``vae/config.json`` describes a ``PixelCodec``."""
    return bool(config.get("_class_name") == CLASS_NAME)


def make_codec(config: Mapping[str, Any]) -> Codec:
    """Return the codec that a checkpoint's ``vae/config.json`` describes. Raises ``WeightsError``."""
    if is_pixel_codec(config):
        return PixelCodec(PixelCodecDims.from_config(config))
    return BokehVAE(VAEDims.from_config(config))
