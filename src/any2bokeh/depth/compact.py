"""The compact disparity network: small enough to ship in the package, and to run on any CPU."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
    scaled_dot_product_attention,
)

from any2bokeh.depth.estimator import check_disparity, check_pictures
from any2bokeh.motion.parallax import CELL, CHANNELS, moving_parts, no_motion
from any2bokeh.weights.checkpoint import load_weights

WEIGHTS = Path(__file__).with_name("compact.safetensors")
# Of the pictures that are asked about: motion is found in them. The network sees them half as large, which is
# about the size of those that it was trained with.
SHORTER_SIDE = 256
# Added from the top row to the bottom row, as lower things are mostly nearer, and to moving things
# fast against the rest. Where the network is unsure, its own guess is flat, and these decide; docs/compact.md
# says how they were chosen.
DOWNWARD, FAST = 0.25, 0.25

MULTIPLE = 32  # pixels to a side of the coarsest cells: the sides of a picture must be multiples of this


@dataclass(frozen=True, kw_only=True)
class CompactDims:
    """Channels and blocks at 1/4, 1/8, 1/16 and 1/32 of the picture's sides, and channels on the way back."""

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 2)
    attentions: int = 2
    heads: int = 8
    decoder: tuple[int, int, int] = (32, 48, 96)


class CompactNetwork(nn.Module):
    """An encoder down to 1/32 of the sides, attention over the whole picture there, and a decoder back.

    Where a pixel is in the picture is an input too, as lower things are mostly nearer, and how it moves
    against the others, if another frame is known.

    While it learns, convolutions are normalized over the batch; ``folded``, the mean of that is part of
    their weights, as they are shipped.
    """

    def __init__(self, dims: CompactDims | None = None, *, folded: bool = False) -> None:
        super().__init__()
        dims = dims or CompactDims()
        widths = dims.widths
        self.stem = convolution(5 * CELL**2 + CHANNELS, widths[0], folded=folded)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *([convolution(widths[level - 1], widths[level], stride=2, folded=folded)] if level else []),
                *(Residual(widths[level], folded=folded) for _ in range(dims.blocks[level])),
            )
            for level in range(4)
        )
        self.around = nn.ModuleList(GlobalAttention(widths[3], dims.heads) for _ in range(dims.attentions))
        coarser = (*dims.decoder[1:], widths[3])
        self.steps = nn.ModuleList(
            Upward(coarser[level], widths[level], dims.decoder[level], folded=folded) for level in range(3)
        )
        self.head = nn.Conv2d(dims.decoder[0], 4, 3, padding=1)

    def forward(self, pictures: Tensor, motion: Tensor) -> Tensor:
        """Return raw disparity ``B 1 H/2 W/2`` of R'G'B' ``B 3 H W`` in 0..1; H and W multiples of 32.

        ``motion`` is ``B 5 H/4 W/4``: see ``any2bokeh.motion.parallax``.
        """
        x = pixel_unshuffle(torch.cat([2 * pictures - 1, _places(pictures)], dim=1), CELL)
        x = self.stem(torch.cat([x, motion], dim=1))  # B 32 H/4 W/4
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        for attention in self.around:
            x = attention(x)  # B 192 H/32 W/32
        for step, level in zip(reversed(self.steps), reversed(levels[:3]), strict=True):
            x = step(x, level)
        return pixel_shuffle(self.head(x), 2)


def _places(pictures: Tensor) -> Tensor:
    """How far down and how far right each pixel is, -1 to 1: ``B 2 H W``."""
    batch, _, height, width = pictures.shape
    down, right = (
        torch.linspace(-1, 1, side, dtype=pictures.dtype, device=pictures.device) for side in (height, width)
    )
    return torch.stack(torch.meshgrid(down, right, indexing="ij")).expand(batch, 2, height, width)


def convolution(
    inputs: int, outputs: int, size: int = 3, *, stride: int = 1, active: bool = True, folded: bool
) -> nn.Sequential:
    """A convolution, its normalization unless that is ``folded`` into it, and a ReLU if it is ``active``."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=folded)]
    layers += [] if folded else [nn.BatchNorm2d(outputs)]
    layers += [nn.ReLU(inplace=True)] if active else []
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Two convolutions whose result is added to what came in."""

    def __init__(self, width: int, *, folded: bool) -> None:
        super().__init__()
        self.first = convolution(width, width, folded=folded)
        self.second = convolution(width, width, active=False, folded=folded)

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to the same."""
        return relu(x + self.second(self.first(x)))


class GlobalAttention(nn.Module):
    """Every cell looks at all others."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to the same."""
        batch, width, rows, columns = x.shape
        cells = x.flatten(2).transpose(1, 2)  # B hw C
        qkv = self.qkv(self.norm(cells)).view(batch, rows * columns, 3, self.heads, -1)
        seen = scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
        cells = cells + self.out(seen.transpose(1, 2).reshape(batch, rows * columns, width))
        cells = cells + self.mlp(self.norm2(cells))
        result: Tensor = cells.transpose(1, 2).reshape(batch, width, rows, columns)
        return result


class Upward(nn.Module):
    """A step of the decoder: features of twice the cell size, joined with the encoder's of this size."""

    def __init__(self, coarser: int, level: int, width: int, *, folded: bool) -> None:
        super().__init__()
        self.lateral = convolution(level, width, size=1, active=False, folded=folded)
        self.reduce = convolution(coarser, width, size=1, active=False, folded=folded)
        self.block = Residual(width, folded=folded)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """``x`` is ``B C h/2 w/2``, ``level`` ``B D h w``; the result ``B E h w``."""
        x = interpolate(self.reduce(x), size=level.shape[2:], mode="bilinear")
        result: Tensor = self.block(relu(x + self.lateral(level)))
        return result


class CompactEstimator:
    """The loaded network."""

    def __init__(self, network: CompactNetwork) -> None:
        self._network = network

    def estimate(
        self, pictures: Tensor, size: tuple[int, int], nearby: Sequence[Tensor | None] = ()
    ) -> Tensor:
        """Return the raw disparity ``T 1 h w`` of pictures; see ``any2bokeh.depth.estimator.Estimator``."""
        check_pictures(pictures)
        weight = self._network.head.weight
        cells = [max(1, round(side / (2 * MULTIPLE))) for side in size]
        sides, half_sides = ([count * multiple for count in cells] for multiple in (2 * MULTIPLE, MULTIPLE))
        with torch.no_grad():
            frames = _reduced(pictures.to(weight.device), sides)
            small = _reduced(frames, half_sides)
            motion, pace = no_motion(small), frames.new_zeros(len(frames), 1, *half_sides)
            for number, other in enumerate(nearby):
                if other is not None:
                    moves, fast = moving_parts(frames[number], _reduced(other[None], sides)[0])
                    motion[number], pace[number] = moves.to(motion.device), fast.to(pace.device)
            disparity = self._network(small.to(weight.dtype), motion.to(weight.dtype)).float()
        disparity = interpolate(disparity, half_sides, mode="bilinear")
        down = torch.linspace(0, DOWNWARD, disparity.shape[2], device=disparity.device)
        disparity = disparity + FAST * pace + down[:, None]
        check_disparity(disparity, weight.dtype)
        return interpolate(disparity, size, mode="bilinear", antialias=True)


def _reduced(pictures: Tensor, size: list[int]) -> Tensor:
    return interpolate(pictures, size, mode="bilinear", antialias=True)


def load_compact(device: torch.device, dtype: torch.dtype, path: Path | None = None) -> CompactEstimator:
    """Return the network with the weights in ``path``, by default those that ship with the package.

    Raises ``WeightsError`` for weights that are damaged or do not fit.
    """
    network = CompactNetwork(folded=True)
    load_weights(network, path or WEIGHTS, device=device, dtype=dtype)
    return CompactEstimator(network.eval())


def revision() -> str:
    """Return a hash of the weights and of the added terms: it tells its results from all others."""
    with WEIGHTS.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(repr((SHORTER_SIDE, DOWNWARD, FAST)).encode())
    return digest.hexdigest()[:40]
