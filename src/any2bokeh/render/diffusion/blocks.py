"""The layers that U-Net and autoencoder are built of, under the key names of the published weights.

``spatial_res_block.conv1``, ``net.0.proj`` and the like are the names that diffusers gives these layers, and
so those of every checkpoint. They are written out here because its modules take seconds to import; a test
holds each of them to the class that it stands for.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, interpolate, linear, pad, silu

NORM_GROUPS = 32  # that channels are normalized in, in the published network
WIDENING = 4  # the hidden layer of a feed-forward, in channels of its tokens
LONGEST_PERIOD = 10_000  # of the waves that embed a number, times 2 pi


def embed_number(numbers: Tensor, channels: int) -> Tensor:
    """Cosines, then sines of each number at falling frequencies: ``N -> N channels``, float32.

    As in Transformers: angular frequencies from 1 down towards 1/10000, evenly spaced by their logarithms.
    """
    half = channels // 2
    logarithms = -math.log(LONGEST_PERIOD) * torch.arange(half, dtype=torch.float32, device=numbers.device)
    phases = numbers[:, None].float() * torch.exp(logarithms / half)
    return torch.cat([phases.cos(), phases.sin()], dim=-1)


class NumberEmbedding(nn.Module):
    """Two layers that make a vector for the network of an embedded number."""

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int | None = None) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_channels, hidden_channels)
        self.linear_2 = nn.Linear(hidden_channels, out_channels or hidden_channels)

    def forward(self, embedded: Tensor) -> Tensor:
        """Return ``N C'`` for ``N C``."""
        return self.linear_2(silu(self.linear_1(embedded)))


class GatedLinear(nn.Module):
    """One projection to twice the channels, of which the second half gates the first (GEGLU)."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, 2 * out_channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``... C'`` for ``... C``."""
        values, gates = self.proj(tokens).chunk(2, dim=-1)
        return values * gelu(gates)


class FeedForward(nn.Module):
    """A gated hidden layer and a linear one, the same for each token."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = WIDENING * channels
        # The published "1" is a dropout, which has no weights and does nothing.
        self.net = nn.ModuleDict({"0": GatedLinear(channels, hidden), "2": nn.Linear(hidden, channels)})

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``... C`` for ``tokens`` of that shape."""
        return self.net["2"](self.net["0"](tokens))

    def of_two(self, one: Tensor, other: Tensor) -> Tensor:
        """``self(one) + self(other)``; the last layer is linear, so it is run once, on the sum."""
        last = self.net["2"]
        assert isinstance(last, nn.Linear)  # which a ModuleDict forgets
        return linear(self.net["0"](one) + self.net["0"](other), last.weight, 2 * last.bias)


class Downsample(nn.Module):
    """Half the size, by a convolution with stride 2.

    ``pads`` "around": by a pixel on all sides, as in the U-Net; "after": below and on the right only, as in
    the autoencoder.
    """

    def __init__(self, channels: int, pads: Literal["around", "after"] = "around") -> None:
        super().__init__()
        self._pads_after = pads == "after"
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=0 if self._pads_after else 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``T C h/2 w/2`` for ``T C h w``."""
        return self.conv(pad(features, (0, 1, 0, 1)) if self._pads_after else features)


class Upsample(nn.Module):
    """Twice the size: each pixel repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``T C 2h 2w`` for ``T C h w``."""
        return self.conv(interpolate(features, scale_factor=2.0, mode="nearest"))


class SpatialResBlock(nn.Module):
    """Two convolutions within each frame, around a residual; the time embedding is added between them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        time_channels: int | None,
        eps: float,
        groups: int = NORM_GROUPS,
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        if time_channels is not None:
            self.time_emb_proj = nn.Linear(time_channels, out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if in_channels != out_channels:
            self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor, time: Tensor | None = None) -> Tensor:
        """Return ``BT C' h w`` for ``BT C h w`` and the time embedding ``BT E``, for blocks that take one."""
        found = self.conv1(silu(self.norm1(features)))
        if time is not None:
            found = found + self.time_emb_proj(silu(time))[..., None, None]
        found = self.conv2(silu(self.norm2(found)))
        kept = self.conv_shortcut(features) if hasattr(self, "conv_shortcut") else features
        return kept + found


class TemporalConvolution(nn.Conv3d):
    """A convolution of each place over three frames, ``B C T h w`` to the same.

    On a CPU it runs as one in two dimensions, frames and places: the weights' gradient of the other is memory
    that nobody wrote where there are two frames in bfloat16 (oneDNN in torch 2.13, CPUs with AVX512-BF16).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, features: Tensor) -> Tensor:
        """``B C T h w`` to the same."""
        if features.device.type != "cpu":
            return super().forward(features)
        flat = conv2d(features.flatten(3), self.weight.flatten(3), self.bias, padding=(1, 0))
        return flat.unflatten(3, features.shape[3:])


class TemporalResBlock(nn.Module):
    """Two convolutions of each place over three frames, around a residual, as ``SpatialResBlock``."""

    def __init__(
        self, channels: int, *, time_channels: int | None, eps: float, groups: int = NORM_GROUPS
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels, eps)
        self.conv1 = TemporalConvolution(channels)
        if time_channels is not None:
            self.time_emb_proj = nn.Linear(time_channels, channels)
        self.norm2 = nn.GroupNorm(groups, channels, eps)
        self.conv2 = TemporalConvolution(channels)

    def forward(self, features: Tensor, time: Tensor | None = None) -> Tensor:
        """Return ``B C T h w`` for ``features`` of that shape; ``time`` is ``B T E``."""
        found = self.conv1(silu(self.norm1(features)))
        if time is not None:
            found = found + self.time_emb_proj(silu(time)).transpose(1, 2)[..., None, None]
        return features + self.conv2(silu(self.norm2(found)))


class TimeMixer(nn.Module):
    """A learned blend of the features within frames and those along time.

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
        self.spatial_res_block = SpatialResBlock(
            in_channels, out_channels, time_channels=time_channels, eps=eps, groups=groups
        )
        self.temporal_res_block = TemporalResBlock(
            out_channels, time_channels=time_channels, eps=temporal_eps or eps, groups=groups
        )
        self.time_mixer = TimeMixer(share_of)

    def forward(self, features: Tensor, frames: int, time: Tensor | None = None, at_once: int = 0) -> Tensor:
        """Return ``BT C' h w`` for ``BT C h w`` of clips of ``frames``; ``time``, ``BT E``, is embedded.

        ``at_once``: how many frames the convolutions within frames take at a time (0: all); the result is
        the same, the memory is not.
        """
        if at_once:
            parts = [self.spatial_res_block(part) for part in features.split(at_once)]
            spatial = torch.cat(parts)
            del parts
        else:
            spatial = self.spatial_res_block(features, time)
        spatial = spatial.unflatten(0, (-1, frames)).transpose(1, 2)  # B C T h w
        temporal = self.temporal_res_block(spatial, None if time is None else time.unflatten(0, (-1, frames)))
        return self.time_mixer(spatial, temporal).transpose(1, 2).flatten(0, 1)
