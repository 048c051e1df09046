"""Convolutions within frames and along time: the block that U-Net and decoder are built of."""

from typing import Literal

import torch
from diffusers.models.resnet import ResnetBlock2D, TemporalResnetBlock
from torch import Tensor, nn

NORM_GROUPS = 32  # that channels are normalised in, in the published network


class TimeMixer(nn.Module):
    """A learned blend of what was found within frames and what was found along time.

    Its one number is the logit of the share of one of the two, ``share_of``.
    """

    def __init__(self, share_of: Literal["space", "time"] = "space") -> None:
        super().__init__()
        self.mix_factor = nn.Parameter(torch.full((1,), 0.5 if share_of == "space" else 0.0))
        self._is_of_time = share_of == "time"

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Return the blend of two tensors of one shape."""
        share = self.mix_factor.sigmoid().to(spatial.dtype)  # mixed precision leaves parameters in float32
        temporal = temporal.to(spatial.dtype)
        ends = (spatial, temporal) if self._is_of_time else (temporal, spatial)
        return torch.lerp(*ends, share)


class ResBlock(nn.Module):
    """Convolutions within each frame, then along time, mixed by a learned share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        time_channels: int | None,
        eps: float,
        temporal_eps: float | None = None,
        share_of: Literal["space", "time"] = "space",
        groups: int = NORM_GROUPS,
    ) -> None:
        super().__init__()
        self.spatial_res_block = ResnetBlock2D(
            in_channels=in_channels,
            out_channels=out_channels,
            temb_channels=time_channels,
            eps=eps,
            groups=groups,
        )
        self.temporal_res_block = TemporalResnetBlock(
            out_channels, out_channels, temb_channels=time_channels, eps=temporal_eps or eps
        )
        if groups != NORM_GROUPS:  # which diffusers does not ask about here
            for norm in ("norm1", "norm2"):
                other = nn.GroupNorm(groups, out_channels, eps=temporal_eps or eps)
                self.temporal_res_block.set_submodule(norm, other)
        self.time_mixer = TimeMixer(share_of)

    def forward(self, features: Tensor, frames: int, time: Tensor | None = None, at_once: int = 0) -> Tensor:
        """Return ``BT C' h w`` for ``BT C h w`` of clips of ``frames``; ``time``, ``BT E``, is embedded.

        ``at_once``: how many frames the convolutions within frames take at a time (0: all); the result is
        the same, the memory is not.
        """
        if at_once:
            parts = [self.spatial_res_block(part, None) for part in features.split(at_once)]
            spatial = torch.cat(parts)
            del parts
        else:
            spatial = self.spatial_res_block(features, time)
        spatial = spatial.unflatten(0, (-1, frames)).transpose(1, 2)  # B C T h w
        temporal = self.temporal_res_block(spatial, None if time is None else time.unflatten(0, (-1, frames)))
        return self.time_mixer(spatial, temporal).transpose(1, 2).flatten(0, 1)
