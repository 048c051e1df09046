"""The spatio-temporal U-Net with MPI attention: scaled latents in, scaled latents of the refocused clip out.

Keys and shapes are those of the published weights: Stable Video Diffusion's, plus ``conv_in_mpi`` and a fuser
in each spatial transformer block.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu
from torch.utils.checkpoint import checkpoint

from any2bokeh.documents import check_sizes
from any2bokeh.errors import ShapeError, WeightsError, shown
from any2bokeh.render.diffusion.attention import (
    Conditioning,
    PlaneTokens,
    SpatioTemporalTransformer,
    embed_blur,
    plane_attendance,
)
from any2bokeh.render.diffusion.blocks import (
    NORM_GROUPS,
    Downsample,
    NumberEmbedding,
    ResBlock,
    Upsample,
    embed_number,
)
from any2bokeh.settings.weights_settings import KPrecision, MaskMode

LATENT_MULTIPLE = 8  # three halvings, each of which must divide

PUBLISHED_ATTENTION = (True, True, True, False)


@dataclass(frozen=True, kw_only=True)
class UNetDims:
    """Sizes of the U-Net, by level, the finest first; defaults are those of the published network.

    ``attends``: which levels have transformers; attention costs the square of the pixels, so a network that
    works at a fine scale has it at coarse levels only. The middle block always has them.
    """

    in_channels: int = 8
    out_channels: int = 4
    channels: tuple[int, int, int, int] = (320, 640, 1280, 1280)
    heads: tuple[int, int, int, int] = (5, 10, 20, 20)
    layers_per_block: int = 2
    context_channels: int = 1024
    time_id_channels: int = 256
    norm_groups: int = NORM_GROUPS
    attends: tuple[bool, bool, bool, bool] = PUBLISHED_ATTENTION

    def __post_init__(self) -> None:
        if self.attends[-1]:
            raise WeightsError(
                "The coarsest level of the U-Net must have no attention outside the middle block."
            )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the sizes that diffusers' ``config.json`` of a U-Net holds.

        Raises ``WeightsError`` for a network of another kind.
        """
        check_sizes(config)
        attends = _attention_in(config)
        if (layers := config.get("transformer_layers_per_block", 1)) != 1:
            raise WeightsError(
                f"The U-Net's transformer_layers_per_block is {shown(layers)}; only 1 is supported."
            )
        try:
            return cls(
                in_channels=config["in_channels"],
                out_channels=config["out_channels"],
                channels=tuple(config["block_out_channels"]),  # type: ignore[arg-type]
                heads=tuple(config["num_attention_heads"]),  # type: ignore[arg-type]
                layers_per_block=config["layers_per_block"],
                context_channels=config["cross_attention_dim"],
                time_id_channels=config["addition_time_embed_dim"],
                norm_groups=config.get("norm_num_groups", NORM_GROUPS),
                attends=attends,
            )
        except (KeyError, TypeError) as error:
            raise WeightsError(f"The U-Net's configuration is incomplete: {error}.") from error

    def to_config(self) -> dict[str, Any]:
        """Return what ``from_config`` reads: diffusers' keys."""
        config: dict[str, Any] = {
            "_class_name": "BokehUNet",
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "block_out_channels": list(self.channels),
            "num_attention_heads": list(self.heads),
            "layers_per_block": self.layers_per_block,
            "cross_attention_dim": self.context_channels,
            "addition_time_embed_dim": self.time_id_channels,
            "transformer_layers_per_block": 1,
            "down_block_types": [_block_type("Down", attends) for attends in self.attends],
            "up_block_types": [_block_type("Up", attends) for attends in self.attends[::-1]],
        }
        if self.norm_groups != NORM_GROUPS:
            config["norm_num_groups"] = self.norm_groups
        return config

    @property
    def shown_channels(self) -> int:
        """Channels of the latents that show the picture, which are the first of those that go in."""
        return self.in_channels // 2

    @property
    def time_channels(self) -> int:
        """Channels of the embedding of time step and time ids."""
        return 4 * self.channels[0]


@dataclass(frozen=True, kw_only=True)
class UNetInputs:
    """The U-Net's inputs for B clips of T frames, all in its own precision but labels and K.

    ``latents`` is ``B T 8 h w``, scaled latents of the picture, then of the disparity difference; ``embeds``
    ``B T D``, CLIP's of each frame; ``labels`` ``B T 1 H W``, planes of pixels at any size; ``blur_strength``
    ``B T``, K in pixels of the working frame; ``time_ids`` ``B 3``. ``plane_latents`` ``B T 4 h w`` is what
    the planes show; ``None`` is the picture, as in every use but the published test cases.
    """

    latents: Tensor
    embeds: Tensor
    labels: Tensor
    blur_strength: Tensor
    time_ids: Tensor
    plane_latents: Tensor | None = None


class DownBlock(nn.Module):
    """One level on the way down; the coarsest has no transformers and does not halve."""

    def __init__(self, dims: UNetDims, level: int) -> None:
        super().__init__()
        self.level = level
        channels, is_coarsest = dims.channels[level], level == len(dims.channels) - 1
        entering = dims.channels[max(0, level - 1)]
        self.resnets = nn.ModuleList(
            ResBlock(
                entering if i == 0 else channels,
                channels,
                time_channels=dims.time_channels,
                eps=1e-5 if is_coarsest else 1e-6,
                groups=dims.norm_groups,
            )
            for i in range(dims.layers_per_block)
        )
        if dims.attends[level]:
            self.attentions = make_transformers(dims, level, dims.layers_per_block)
        if not is_coarsest:
            self.downsamplers = nn.ModuleList([Downsample(channels)])

    def forward(self, features: Tensor, told: Conditioning) -> tuple[Tensor, list[Tensor]]:
        """Return the features for the next level, and those that skip to the way up."""
        skips = []
        for layer, resnet in enumerate(self.resnets):
            features = resnet(features, told.frames, told.time)
            if hasattr(self, "attentions"):
                features = self.attentions[layer](features, told, self.level)
            skips.append(features)
        if hasattr(self, "downsamplers"):
            features = self.downsamplers[0](features)
            skips.append(features)
        return features, skips


class MidBlock(nn.Module):
    """The coarsest level, between the ways down and up."""

    def __init__(self, dims: UNetDims) -> None:
        super().__init__()
        channels = dims.channels[-1]
        self.resnets = nn.ModuleList(
            ResBlock(channels, channels, time_channels=dims.time_channels, eps=1e-5, groups=dims.norm_groups)
            for _ in range(2)
        )
        self.attentions = make_transformers(dims, len(dims.channels) - 1, 1)

    def forward(self, features: Tensor, told: Conditioning) -> Tensor:
        """Return ``BT C h w`` for ``features`` of that shape."""
        features = self.resnets[0](features, told.frames, told.time)
        features = self.attentions[0](features, told, len(told.planes) - 1 if told.planes else -1)
        return self.resnets[1](features, told.frames, told.time)


class UpBlock(nn.Module):
    """One level on the way up; the coarsest has no transformers, the finest does not double."""

    def __init__(self, dims: UNetDims, level: int) -> None:
        super().__init__()
        self.level = level
        channels, coarsest = dims.channels[level], len(dims.channels) - 1
        entering = dims.channels[min(coarsest, level + 1)]
        layers = dims.layers_per_block + 1
        # The last features that skipped came from the level above, before its halving.
        skipped = [channels] * (layers - 1) + [dims.channels[max(0, level - 1)]]
        self.resnets = nn.ModuleList(
            ResBlock(
                (entering if i == 0 else channels) + skipped[i],
                channels,
                time_channels=dims.time_channels,
                eps=1e-6,
                groups=dims.norm_groups,
            )
            for i in range(layers)
        )
        if dims.attends[level]:
            self.attentions = make_transformers(dims, level, layers)
        if level > 0:
            self.upsamplers = nn.ModuleList([Upsample(channels)])

    def forward(self, features: Tensor, skips: list[Tensor], told: Conditioning) -> Tensor:
        """Return the features for the next level; ``skips`` are what skipped to this one, the last first."""
        waiting = list(skips)
        for layer, resnet in enumerate(self.resnets):
            features = resnet(torch.cat([features, waiting.pop()], dim=1), told.frames, told.time)
            if hasattr(self, "attentions"):
                features = self.attentions[layer](features, told, self.level)
        return self.upsamplers[0](features) if hasattr(self, "upsamplers") else features


class BokehUNet(nn.Module):
    """The denoiser. Its answer is the refocused latent itself: no noise, no residual, one step."""

    def __init__(self, dims: UNetDims) -> None:
        super().__init__()
        self.dims = dims
        self.checkpointing = False
        first, levels = dims.channels[0], len(dims.channels)
        self.conv_in = nn.Conv2d(dims.in_channels, first, 3, padding=1)
        self.conv_in_mpi = nn.Conv2d(dims.shown_channels, first, 3, padding=1)
        self.time_embedding = NumberEmbedding(first, dims.time_channels)
        self.add_embedding = NumberEmbedding(3 * dims.time_id_channels, dims.time_channels)
        self.down_blocks = nn.ModuleList(DownBlock(dims, level) for level in range(levels))
        self.mid_block = MidBlock(dims)
        self.up_blocks = nn.ModuleList(UpBlock(dims, level) for level in reversed(range(levels)))
        self.conv_norm_out = nn.GroupNorm(dims.norm_groups, first, eps=1e-5)
        self.conv_out = nn.Conv2d(first, dims.out_channels, 3, padding=1)

    def forward(
        self,
        inputs: UNetInputs,
        *,
        mask_mode: MaskMode,
        k_precision: KPrecision = "float32",
        gates: bool = True,
        mix_clips: bool = False,
    ) -> Tensor:
        """Return the scaled latents of the refocused clips, ``B T 4 h w``.

        ``mask_mode`` ``paper``: each block attends to the planes around the focal plane, wider ones the
        coarser its level; ``released``: to none, as the published code has it. ``gates`` off leaves the
        fusers only their K token. ``mix_clips`` reproduces how the published code mixes clips of a batch.

        Raises ``ShapeError`` unless ``h`` and ``w`` are multiples of 8.
        """
        self._check(inputs)
        frames = inputs.latents.shape[1]
        told = Conditioning(
            frames=frames,
            time=self._embed_time(inputs).repeat_interleave(frames, dim=0),
            embeds=inputs.embeds.flatten(0, 1),
            blur=embed_blur(inputs.blur_strength.flatten(), k_precision).to(inputs.latents.dtype),
            planes=self._planes(inputs) if mask_mode == "paper" and gates else None,
            gates=gates,
            mix_clips=mix_clips,
        )
        features = self.conv_in(inputs.latents.flatten(0, 1))
        skips = [features]
        for block in self.down_blocks:
            features, skipped = self._run(block, features, told)
            skips += skipped
        features = self._run(self.mid_block, features, told)
        for block in self.up_blocks:
            theirs = [skips.pop() for _ in range(self.dims.layers_per_block + 1)][::-1]
            features = self._run(block, features, theirs, told)
        latents: Tensor = self.conv_out(silu(self.conv_norm_out(features)))
        return latents.unflatten(0, (-1, frames))

    def _run(self, block: nn.Module, *given: Any) -> Any:
        """The output of ``block``; when checkpointing, computed again on the way back."""
        if not (self.checkpointing and torch.is_grad_enabled()):
            return block(*given)
        return checkpoint(block, *given, use_reentrant=False)

    def _check(self, inputs: UNetInputs) -> None:
        channels, shape = self.dims.in_channels, inputs.latents.shape
        if len(shape) != 5 or shape[2] != channels or any(side % LATENT_MULTIPLE for side in shape[3:]):
            wanted = f"B T {channels} h w with h and w multiples of {LATENT_MULTIPLE}"
            raise ShapeError(f"latents must be {wanted}, got {tuple(shape)}")

    def _embed_time(self, inputs: UNetInputs) -> Tensor:
        """The embedding of the only time step, 1, and of the time ids: ``B E``."""
        dtype, time_ids = inputs.latents.dtype, inputs.time_ids
        one = torch.ones(len(time_ids), device=time_ids.device)
        step = embed_number(one, self.dims.channels[0]).to(dtype)
        of_each = embed_number(time_ids.flatten(), self.dims.time_id_channels)
        ids = of_each.unflatten(0, (len(time_ids), -1)).flatten(1).to(dtype)
        return self.time_embedding(step) + self.add_embedding(ids)

    def _planes(self, inputs: UNetInputs) -> tuple[PlaneTokens, ...]:
        """The picture's tokens at each level, and which planes a level sees: 0, 0-1, 0-2, all."""
        shown = inputs.plane_latents
        if shown is None:
            shown = inputs.latents[:, :, : self.dims.shown_channels]
        picture = self.conv_in_mpi(shown.flatten(0, 1))
        labels = inputs.labels.flatten(0, 1)
        levels = len(self.dims.channels)
        planes = []
        for level in range(levels):
            size = (picture.shape[2] >> level, picture.shape[3] >> level)
            resized = interpolate(picture, size, mode="bilinear", align_corners=False)
            attended = None
            if level < levels - 1 and self.dims.attends[level]:
                theirs = plane_attendance(labels, level, size)
                attended = torch.cat([torch.ones_like(theirs), theirs], dim=1)[:, None, None]
            planes.append(PlaneTokens(resized.flatten(2).transpose(1, 2), attended))
        return tuple(planes)


def _block_type(way: str, attends: bool) -> str:
    """The name that diffusers gives a level on the way ``Down`` or ``Up``."""
    return f"{'CrossAttn' if attends else ''}{way}BlockSpatioTemporal"


def _attention_in(config: Mapping[str, Any]) -> tuple[bool, bool, bool, bool]:
    """Which levels have transformers; raises ``WeightsError`` where ways down and up differ."""
    attends = PUBLISHED_ATTENTION
    if found := config.get("down_block_types"):
        attends = tuple(name == _block_type("Down", True) for name in found)  # type: ignore[assignment]
    for key, way, levels in (("down_block_types", "Down", attends), ("up_block_types", "Up", attends[::-1])):
        wanted = [_block_type(way, level) for level in levels]
        if list(config.get(key, wanted)) != wanted or len(wanted) != len(PUBLISHED_ATTENTION):
            raise WeightsError(
                f"The U-Net's {key} is {shown(config[key])}; only {shown(wanted)} is supported."
            )
    return attends


def make_transformers(dims: UNetDims, level: int, count: int) -> nn.ModuleList:
    """The transformers of one level."""
    return nn.ModuleList(
        SpatioTemporalTransformer(
            dims.channels[level], dims.heads[level], dims.context_channels, dims.channels[0], dims.norm_groups
        )
        for _ in range(count)
    )
