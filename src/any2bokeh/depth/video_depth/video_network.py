"""Video Depth Anything: a DINOv2 encoder frame by frame, and a decoder that attends along time.

The names of the layers are those of the published files. Shapes are ``T`` frames of ``h w`` patches of
``PATCH`` pixels.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, relu, scaled_dot_product_attention

from any2bokeh.errors import ShapeError, WeightsError

PATCH = 14  # pixels to a side of a patch
WINDOW = 32  # frames at most: so many places in time are known

_HEAD_WIDTH = 64  # of the encoder's attention
_TIME_HEADS = 8
_NORM_GROUPS = 32
_OUTPUT_WIDTH = 32
_FRAMES_AT_ONCE = 4  # in the last layers, which see each frame alone
_TIME_VALUES = 1 << 24  # at once in the temporal modules, which see each pixel alone: 64 MB in float32


@dataclass(frozen=True, kw_only=True)
class VideoDepthDims:
    """Sizes of the network; those of Small unless others are given.

    ``width``, ``blocks`` and ``tapped``, the blocks whose features the decoder gets, belong to the encoder.
    ``levels`` are the channels of the four maps made of these features, ``features`` those of the decoder.
    The encoder's table of positions has ``table_side`` rows and columns.
    """

    width: int = 384
    blocks: int = 12
    tapped: tuple[int, int, int, int] = (2, 5, 8, 11)
    levels: tuple[int, int, int, int] = (48, 96, 192, 384)
    features: int = 64
    table_side: int = 37

    @classmethod
    def of_shapes(cls, shapes: Mapping[str, list[int]]) -> "VideoDepthDims":
        """Return the sizes of the network whose weights have these shapes.

        Raises ``WeightsError`` if they are those of no such network.
        """
        block = re.compile(r"pretrained\.blocks\.(\d+)\.")
        blocks = 1 + max((int(found[1]) for key in shapes if (found := block.match(key))), default=-1)
        try:
            first, second, third, fourth = (shapes[f"head.projects.{level}.weight"][0] for level in range(4))
            return cls(
                width=shapes["pretrained.cls_token"][2],
                blocks=blocks,
                tapped=_tapped(blocks),
                levels=(first, second, third, fourth),
                features=shapes["head.scratch.layer1_rn.weight"][0],
                table_side=math.isqrt(shapes["pretrained.pos_embed"][1] - 1),
            )
        except (KeyError, IndexError) as error:
            raise WeightsError(
                f"These are not weights of Video Depth Anything: {error} is missing."
            ) from error


def _tapped(blocks: int) -> tuple[int, int, int, int]:
    """The blocks tapped: the last of each quarter; of the 24 of Large, those that it was trained with."""
    if blocks == 24:
        return 4, 11, 17, 23
    first, second, third, fourth = (blocks * quarter // 4 - 1 for quarter in range(1, 5))
    return first, second, third, fourth


SMALL_DIMS = VideoDepthDims()
BASE_DIMS = VideoDepthDims(width=768, levels=(96, 192, 384, 768), features=128)
LARGE_DIMS = VideoDepthDims(
    width=1024, blocks=24, tapped=(4, 11, 17, 23), levels=(256, 512, 1024, 1024), features=256
)

Maps = tuple[Tensor, Tensor, Tensor, Tensor]


class VideoDepthNetwork(nn.Module):
    """Up to 32 frames in, one map for each out: disparity up to scale and shift, or depth in meters.

    ``encode`` sees each frame alone, so that the maps of a frame can be kept for another window. ``decode``
    sees all frames of a window.
    """

    def __init__(self, dims: VideoDepthDims = SMALL_DIMS) -> None:
        super().__init__()
        self.pretrained = PatchEncoder(dims)
        self.head = TemporalDecoder(dims)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return ``T H W``, 0 or more, of ``T 3 H W``; see ``encode``."""
        return self.decode(self.encode(pixels))

    def encode(self, pixels: Tensor) -> Maps:
        """Return four maps ``T c h w`` of pictures ``T 3 H W``, standardized as ImageNet's, H = 14h, W = 14w.

        Raises ``ShapeError`` for sides that are not whole patches.
        """
        height, width = pixels.shape[2:]
        if height % PATCH or width % PATCH:
            raise ShapeError(f"The sides of pictures must be multiples of {PATCH}, got {width}x{height}.")
        return self.head.project(self.pretrained(pixels), height // PATCH, width // PATCH)

    def decode(self, maps: Maps) -> Tensor:
        """Return ``T H W`` float32 of the maps of the T frames of a window, in order of time."""
        return self.head(maps)

    def to_precision(self, dtype: torch.dtype) -> "VideoDepthNetwork":
        """Let the network compute in ``dtype``, and return it.

        In float16 the last layers stay in float32. In bfloat16, whose steps would be seen, so does the
        whole decoder.
        """
        self.pretrained.to(dtype)
        if dtype == torch.float16:
            self.head.to(dtype)
            self.head.scratch.output_conv2.float()
        return self


class PatchEncoder(nn.Module):
    """DINOv2: a vision transformer on patches of 14 pixels."""

    def __init__(self, dims: VideoDepthDims) -> None:
        super().__init__()
        self.tapped, self.table_side = dims.tapped, dims.table_side
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + dims.table_side**2, dims.width))
        self.mask_token = nn.Parameter(torch.zeros(1, dims.width))  # took part in pretraining alone
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dims.width, PATCH, PATCH)})
        self.blocks = nn.ModuleList(EncoderBlock(dims.width) for _ in range(dims.blocks))
        self.norm = nn.LayerNorm(dims.width, eps=1e-6)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the features ``T hw C`` after each of the tapped blocks."""
        grid = self.patch_embed["proj"](pixels.to(self.cls_token.dtype))  # T C h w
        tokens = grid.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        tokens = tokens + self._positions(*grid.shape[2:]).to(tokens.dtype)
        features = []
        for number, block in enumerate(self.blocks):
            tokens = block(tokens)
            if number in self.tapped:
                features.append(self.norm(tokens)[:, 1:])
        return features

    def _positions(self, rows: int, columns: int) -> Tensor:
        """The table of positions for so many patches: ``1 1+hw C`` float32.

        It was trained with 0.1 patch added to each side: that moves where the table is read.
        """
        side = self.table_side
        if (rows, columns) == (side, side):
            return self.pos_embed
        table = self.pos_embed.float()
        grid = table[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        scales = ((rows + 0.1) / side, (columns + 0.1) / side)
        grid = interpolate(grid, scale_factor=scales, mode="bicubic", align_corners=False)
        return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


class EncoderBlock(nn.Module):
    """Attention between patches, then a layer for each patch alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = PatchAttention(width)
        self.ls1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.ls2 = LayerScale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """``T n C`` to the same."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        hidden = gelu(self.mlp["fc1"](self.norm2(tokens)))
        return tokens + self.ls2(self.mlp["fc2"](hidden))


class PatchAttention(nn.Module):
    """Each patch of a frame looks at all others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // _HEAD_WIDTH
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """``T n C`` to the same."""
        frames, count, width = tokens.shape
        qkv = self.qkv(tokens).view(frames, count, 3, self.heads, _HEAD_WIDTH)
        seen = scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        return self.proj(seen.transpose(1, 2).reshape(frames, count, width))


class LayerScale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """``... C`` to the same."""
        return x * self.gamma


class TemporalDecoder(nn.Module):
    """The DPT head with four modules in it that attend along time."""

    def __init__(self, dims: VideoDepthDims) -> None:
        super().__init__()
        first, second, third, fourth = dims.levels
        self.projects = nn.ModuleList(nn.Conv2d(dims.width, level, 1) for level in dims.levels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(first, first, 4, stride=4),
                nn.ConvTranspose2d(second, second, 2, stride=2),
                nn.Identity(),
                nn.Conv2d(fourth, fourth, 3, stride=2, padding=1),
            ]
        )
        self.scratch = Fusion(dims)
        self.motion_modules = nn.ModuleList(
            TemporalModule(channels) for channels in (third, fourth, dims.features, dims.features)
        )

    def project(self, features: list[Tensor], rows: int, columns: int) -> Maps:
        """Return the maps ``T c h w`` of the features ``T hw C``: narrower, so that less has to be kept."""
        dtype = self.scratch.layer1_rn.weight.dtype
        first, second, third, fourth = (
            project(tokens.to(dtype).transpose(1, 2).unflatten(2, (rows, columns)))
            for project, tokens in zip(self.projects, features, strict=True)
        )
        return first, second, third, fourth

    def forward(self, maps: Maps) -> Tensor:
        """Return ``T H W`` float32 of maps ``T c h w``."""
        first, second, third, fourth = maps
        rows, columns = first.shape[2:]
        fusion = self.scratch
        third = fusion.layer3_rn(self.motion_modules[0](self.resize_layers[2](third)))
        fourth = fusion.layer4_rn(self.motion_modules[1](self.resize_layers[3](fourth)))
        path = self.motion_modules[2](fusion.refinenet4(fourth, None, (rows, columns)))
        path = self.motion_modules[3](fusion.refinenet3(path, third, (2 * rows, 2 * columns)))
        # From here on frames do not see each other.
        pieces = (each.split(_FRAMES_AT_ONCE) for each in (path, first, second))
        return torch.cat([self._finish(*some) for some in zip(*pieces, strict=True)])

    def _finish(self, path: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """The last steps for some frames: ``T C 2h 2w`` and the two finest maps to ``T H W``."""
        rows, columns = first.shape[2:]
        fusion = self.scratch
        first = fusion.layer1_rn(self.resize_layers[0](first))
        second = fusion.layer2_rn(self.resize_layers[1](second))
        path = fusion.refinenet2(path, second, (4 * rows, 4 * columns))
        path = fusion.refinenet1(path, first, (8 * rows, 8 * columns))
        path = _enlarged(fusion.output_conv1(path), (PATCH * rows, PATCH * columns))
        output = fusion.output_conv2
        return relu(output(path.to(next(output.parameters()).dtype)))[:, 0].float()


class Fusion(nn.Module):
    """The layers that join the four levels, from coarse to fine."""

    def __init__(self, dims: VideoDepthDims) -> None:
        super().__init__()
        width = dims.features
        self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn = (
            nn.Conv2d(level, width, 3, padding=1, bias=False) for level in dims.levels
        )
        self.refinenet1, self.refinenet2, self.refinenet3, self.refinenet4 = (
            RefineStep(width) for _ in dims.levels
        )
        self.output_conv1 = nn.Conv2d(width, width // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(width // 2, _OUTPUT_WIDTH, 3, padding=1), nn.ReLU(), nn.Conv2d(_OUTPUT_WIDTH, 1, 1)
        )


class RefineStep(nn.Module):
    """The coarser level's features joined with the level's own, and enlarged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(width, width, 1)
        self.resConfUnit1 = RefineUnit(width)  # of the coarsest level it is in the files, and not used
        self.resConfUnit2 = RefineUnit(width)

    def forward(self, coarser: Tensor, level: Tensor | None, size: tuple[int, int]) -> Tensor:
        """Return ``T C *size``; ``level`` is as large as ``coarser``."""
        if level is not None:
            coarser = coarser + self.resConfUnit1(level)
        return self.out_conv(_enlarged(self.resConfUnit2(coarser), size))


class RefineUnit(nn.Module):
    """Two convolutions whose result is added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``T C h w`` to the same."""
        return x + self.conv2(relu(self.conv1(relu(x))))


def _enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(x, size, mode="bilinear", align_corners=True)


class TemporalModule(nn.Module):
    """Attention along time, for each pixel by itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.temporal_transformer = TemporalTransformer(channels)

    def forward(self, x: Tensor) -> Tensor:
        """``T C h w`` to the same, T up to 32."""
        return x + self.temporal_transformer(x)


class TemporalTransformer(nn.Module):
    """What attention along time adds to each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_NORM_GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TimeBlock(channels)])
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """``T C h w`` to the same."""
        frames, channels, rows, columns = x.shape
        pixels = self.norm(x).flatten(2).permute(2, 0, 1)  # hw T C
        at_once = max(1, _TIME_VALUES // (8 * frames * channels))
        added = torch.cat([self._add(some) for some in pixels.split(at_once)])
        return added.permute(1, 2, 0).reshape(frames, channels, rows, columns)

    def _add(self, pixels: Tensor) -> Tensor:
        return self.proj_out(self.transformer_blocks[0](self.proj_in(pixels)))


class TimeBlock(nn.Module):
    """Two attentions along time and a gated layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(TemporalAttention(channels) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))
        self.ff_norm = nn.LayerNorm(channels)
        layers = [GatedUnit(channels), nn.Identity(), nn.Linear(4 * channels, channels)]
        self.ff = nn.ModuleDict({"net": nn.ModuleList(layers)})

    def forward(self, pixels: Tensor) -> Tensor:
        """``n T C`` to the same."""
        for norm, attention in zip(self.norms, self.attention_blocks, strict=True):
            pixels = pixels + attention(norm(pixels))
        x = self.ff_norm(pixels)
        for layer in self.ff["net"].children():
            x = layer(x)
        return pixels + x


class TemporalAttention(nn.Module):
    """Each frame of a pixel looks at all others; queries, keys and values know their places in time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])
        self.pos_encoder = TimePlaces(channels)

    def forward(self, pixels: Tensor) -> Tensor:
        """``n T C`` to the same."""
        placed = self.pos_encoder(pixels)
        return self.attend(placed, placed)

    def attend(self, queries: Tensor, entries: Tensor) -> Tensor:
        """Return the attention of ``queries``, ``n t C``, to ``entries``, ``n T C``: ``n t C``."""
        heads = (
            layer(x).unflatten(2, (_TIME_HEADS, -1)).transpose(1, 2)
            for layer, x in ((self.to_q, queries), (self.to_k, entries), (self.to_v, entries))
        )
        return self.to_out[0](scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class TimePlaces(nn.Module):
    """Adds to each frame its place in time: sines and cosines of it."""

    pe: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rates = torch.exp(torch.arange(0, channels, 2) * (-math.log(10000.0) / channels))
        angles = torch.arange(WINDOW)[:, None] * rates
        self.register_buffer("pe", torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[None])

    def forward(self, pixels: Tensor) -> Tensor:
        """``n T C`` to the same."""
        return pixels + self.pe[:, : pixels.shape[1]]


class GatedUnit(nn.Module):
    """A linear layer whose second half decides how much of the first passes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, 8 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """``n T C`` to ``n T 4C``."""
        values, gate = self.proj(x).chunk(2, dim=-1)
        return values * gelu(gate)
