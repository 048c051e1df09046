"""The network that finds a subject from clicks: a decoder on what the compact depth network sees.

The depth network is shared and keeps its weights. From its features at five sizes, marks of the clicks, the
last mask, motion, and cells that were remembered, this decoder draws the mask (docs/click.md says how it
learned).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, normalize, relu

from any2bokeh.depth.compact import CompactDims, CompactView, GlobalAttention, Residual, places_of

CELL_PX = 8  # a side of the cells that are compared and remembered
MOTION_UNIT = 0.002  # of the frame's longer side: motion of so much is neither little nor large
MARKS = 3  # channels: clicks on the subject, clicks on other things, the last mask
_MATCHES = 5  # channels: two of the clicks, three of memory
_MOTIONS = 5  # channels: x, y and length of motion, its distance from the subject's, whether it is known
_FINER = MARKS + 2 + _MOTIONS  # and disparity, and its distance from the subject's
_HINTS = _FINER + _MATCHES + 2  # and whether there is a last mask, or a memory
_LOUDNESS = 4.0  # of these: about as large as the features, so that it is learned as fast
_ALIKE = 0.3  # of the subject's own motion: how far its parts may differ
_UNLIKE = 2.0  # no cosine is farther from another


@dataclass(frozen=True, kw_only=True)
class ClickDims:
    """Channels: ``widths`` at 1/2, 1/4, 1/8, 1/16 and 1/32 of the sides, and of the keys of cells."""

    widths: tuple[int, int, int, int, int] = (16, 48, 80, 112, 128)
    key: int = 64
    heads: int = 4
    attentions: tuple[int, int] = (2, 1)  # at 1/16 and at 1/32
    depth: CompactDims = field(default_factory=CompactDims)


@dataclass(frozen=True, eq=False)
class Prompt:
    """The prior knowledge of the subject in a picture: ``marks B 3 H/2 W/2`` in 0..1.

    They are blots around clicks on it, and on other things, and its last mask; ``follows B`` is 1 where there
    is such a mask, else 0.
    """

    marks: Tensor
    follows: Tensor


@dataclass(frozen=True, eq=False)
class Memory:
    """Cells of other frames: their ``keys B K M``, and how much of each ``B M`` is the subject."""

    keys: Tensor
    shares: Tensor


@dataclass(frozen=True, eq=False)
class FoundMask:
    """A mask as logits ``B 1 H/2 W/2``, and how good it is likely to be: the logit ``B`` of its IoU."""

    mask: Tensor
    quality: Tensor


@dataclass(frozen=True, eq=False)
class SeenCells:
    """Features of pictures at the five sizes, standardized, ``keys B K H/8 W/8``, and raw disparity.

    ``motion B 3 H/2 W/2`` is that of each pixel apart from the camera's (x, y), in ``MOTION_UNIT``, and
    whether it is known, 0 or 1.
    """

    levels: list[Tensor]
    keys: Tensor
    disparity: Tensor
    motion: Tensor


class Standardizer(nn.Module):
    """Brings each channel of ``B C h w`` to about zero mean and unit deviation, by figures that are fixed."""

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))

    def settle(self, x: Tensor) -> None:
        """Take the figures from ``x``."""
        self.mean.copy_(x.mean((0, 2, 3)))
        self.spread.copy_(x.std((0, 2, 3)) + 1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to the same."""
        return (x - self.mean[:, None, None]) / self.spread[:, None, None]


class ClickNetwork(nn.Module):
    """A decoder from 1/32 to 1/2 of the sides, with attention at the two coarsest sizes."""

    def __init__(self, dims: ClickDims | None = None) -> None:
        super().__init__()
        dims = dims or ClickDims()
        encoded = [dims.depth.stages[tap].width for tap in dims.depth.taps()]
        seen = [one + other for one, other in zip(encoded, dims.depth.decoder, strict=True)]
        widths = dims.widths
        self.standardizers = nn.ModuleList(Standardizer(channels) for channels in seen)
        self.key = nn.Conv2d(seen[2] + seen[3], dims.key, 1)
        self.sharpness = nn.Parameter(torch.tensor(15.0))
        self.coarsest = nn.Conv2d(seen[4] + _HINTS + 2, widths[4], 1)
        inputs = (seen[0] + _FINER, seen[1] + _FINER, seen[2] + _HINTS, seen[3] + _HINTS)
        self.lateral = nn.ModuleList(nn.Conv2d(inputs[level], widths[level], 1) for level in range(4))
        self.reduce = nn.ModuleList(nn.Conv2d(widths[level + 1], widths[level], 1) for level in range(4))
        self.around = nn.ModuleList(
            nn.ModuleList(GlobalAttention(widths[3 + level], dims.heads) for _ in range(count))
            for level, count in enumerate(dims.attentions)
        )
        self.blocks = nn.ModuleList(Residual(widths[level]) for level in range(1, 5))
        self.head = nn.ModuleList([nn.Conv2d(widths[0], widths[0], 3, padding=1), nn.Conv2d(widths[0], 1, 1)])
        self.quality = nn.Sequential(nn.Linear(2 * widths[2] + 1, 64), nn.ReLU(), nn.Linear(64, 1))

    def settle(self, view: CompactView) -> None:
        """Take the mean and the deviation of each channel from some pictures, before learning begins."""
        for standardizer, *parts in zip(self.standardizers, view.encoded, view.decoded, strict=True):
            assert isinstance(standardizer, Standardizer)
            standardizer.settle(torch.cat(parts, 1).float())

    def see(self, view: CompactView, motion: Tensor) -> SeenCells:
        """Return the depth network's features of pictures, and their motion, as the decoder takes them.

        They are the same for any prompt. ``motion`` is described in ``SeenCells``.
        """
        levels = [
            standardizer(torch.cat(parts, 1))
            for standardizer, *parts in zip(self.standardizers, view.encoded, view.decoded, strict=True)
        ]
        coarse = interpolate(levels[3], size=levels[2].shape[2:], mode="bilinear")
        keys = normalize(self.key(torch.cat([levels[2], coarse], 1)), dim=1)
        return SeenCells(levels, keys, view.disparity, motion)

    def forward(self, cells: SeenCells, prompt: Prompt, memory: Memory | None) -> FoundMask:
        """Return the subject in the pictures that were seen."""
        seen, marks = cells.levels, prompt.marks
        disparity = _standardized(cells.disparity)
        own = marks[:, :1] + marks[:, 2:]
        distance = disparity - _mean_where(disparity, own)
        motion = _motions(cells.motion, own)
        finer = torch.cat([marks, disparity, distance, motion], 1)  # B 10 H/2 W/2
        hints = self._hints(cells.keys, prompt, memory, torch.cat([disparity, distance, motion], 1))
        beside = [finer, avg_pool2d(finer, 2), hints, avg_pool2d(hints, 2)]
        x = self.coarsest(torch.cat([seen[4], avg_pool2d(hints, 4), places_of(seen[4])], 1))
        kept = x
        for level in (4, 3, 2, 1, 0):
            if level < 4:
                x = interpolate(self.reduce[level](x), size=seen[level].shape[2:], mode="bilinear")
                x = x + self.lateral[level](torch.cat([seen[level], beside[level]], 1))
            if level >= 3:
                for attention in self.around[level - 3]:  # type: ignore[attr-defined]
                    x = attention(x)
            x = self.blocks[level - 1](x) if level else x
            kept = x if level == 2 else kept
        mask = self.head[1](relu(self.head[0](relu(x))))
        return FoundMask(mask, self._quality(kept, mask.detach()))

    def _hints(self, keys: Tensor, prompt: Prompt, memory: Memory | None, facts: Tensor) -> Tensor:
        """All that is known of each cell besides its looks: ``B 17 H/8 W/8``."""
        marks, facts = avg_pool2d(prompt.marks, CELL_PX // 2), avg_pool2d(facts, CELL_PX // 2)
        batch, _, rows, columns = keys.shape
        clicked = torch.cat([_likeness(keys, marks[:, :1]), _likeness(keys, marks[:, 1:2])], 1)
        if memory is None:
            matches, remembers = keys.new_zeros(batch, 3, rows, columns), 0.0
        else:
            likeness = keys.flatten(2).transpose(1, 2) @ memory.keys  # B N M
            shares = memory.shares[:, None]
            read = ((likeness * self.sharpness).softmax(2) * shares).sum(2)
            inside = (likeness - _UNLIKE * (1 - shares)).amax(2)
            outside = (likeness - _UNLIKE * shares).amax(2)
            matches = torch.stack([read, inside, outside], 1).view(batch, 3, rows, columns)
            remembers = 1.0
        flags = torch.stack([prompt.follows, torch.full_like(prompt.follows, remembers)], 1)
        flags = flags[:, :, None, None].expand(batch, 2, rows, columns)
        return torch.cat([marks, clicked, matches, flags, facts], 1)

    def _quality(self, cells: Tensor, mask: Tensor) -> Tensor:
        """The logit of the likely IoU, of features ``B C h w`` and a mask's logits."""
        inside = avg_pool2d(mask.sigmoid(), CELL_PX // 2)
        within = (cells * inside).mean((2, 3)) / (inside.mean((2, 3)) + 1e-3)
        facts = torch.cat([within, cells.mean((2, 3)), inside.mean((2, 3))], 1)
        result: Tensor = self.quality(facts)[:, 0]
        return result


def _standardized(disparity: Tensor) -> Tensor:
    mean = disparity.mean((2, 3), keepdim=True)
    return (disparity - mean) / (disparity.std((2, 3), keepdim=True) + 1e-3)


def _motions(motion: Tensor, own: Tensor) -> Tensor:
    """Motion as the decoder takes it, ``B 5 h w``; ``own B 1 h w`` weighs the subject's pixels."""
    moved, known = motion[:, :2], motion[:, 2:]
    length = moved.norm(dim=1, keepdim=True)
    subject = _mean_where(moved, own)
    away = (moved - subject).norm(dim=1, keepdim=True)
    unlike = away / (1 + away + _ALIKE * subject.norm(dim=1, keepdim=True))
    return _LOUDNESS * torch.cat([moved / (1 + length), length / (1 + length), unlike * known, known], 1)


def _mean_where(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of ``B C h w``, ``B C 1 1``; 0 where there is no weight."""
    return (values * weights).sum((2, 3), keepdim=True) / (weights.sum((2, 3), keepdim=True) + 1e-3)


def _likeness(keys: Tensor, blots: Tensor) -> Tensor:
    """How much like the cells under ``blots B 1 h w`` each cell is, -1 to 1: ``B 1 h w``; 0 without blots."""
    mean = (keys * blots).sum((2, 3), keepdim=True)
    there = (blots.sum((2, 3), keepdim=True) > 0).to(keys.dtype)
    return (keys * normalize(mean, dim=1)).sum(1, keepdim=True) * there
