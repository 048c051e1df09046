"""The correction network: convolutions at 1/2 to 1/16 of the sides, whose answers say how to mix pictures.

Near an edge that is wrong the right color is mostly there, a few pixels farther, or was before the blur. So
the network answers weights of such candidates, pixel by pixel, instead of colors: of the sharp picture, of
the lens's own (which makes lights brighter), of that blurred and moved; and a free rest. It is told whether
the colors of pixels near an edge look like the nearer side or the farther.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    interpolate,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
)

INPUTS = 14  # two pictures; two readings of each of three circles of confusion; rings and evidence
WIDTHS = (32, 48, 64, 96)  # channels at 1/2, 1/4, 1/8 and 1/16 of the sides
COARSEST = 2 ** len(WIDTHS)  # pixels: both sides of what it sees are multiples of it
FOLD = 2  # pixels along each side of a cell at the finest level
INPUT_LIMIT = 4.0
COC_UNIT_PX, COC_NEAR_PX = 8.0, 2.0  # far from focus, and next to it
SURFACES_PX = 4  # how far around a pixel surfaces are looked for: as far as rings go
REST_UNIT = 0.5  # code values
SMOOTH_PX = 5  # side of the square that the lens's picture is averaged over
MOVES_PX = ((0, 2), (0, -2), (2, 0), (-2, 0), (0, 5), (0, -5), (5, 0), (-5, 0))  # down, right
FARTHEST_PX = 5
WEIGHTS = 3 + 3 + len(MOVES_PX)  # the rest's colors; sharp, brighter, smooth; moved


@dataclass(frozen=True, eq=False)
class LensView:
    """Frames and the lens's pictures of them, with the geometry that it had.

    ``sharp`` and ``through_lens`` are ``B 3 H W`` code values; ``coc`` is the signed circle of confusion
    ``B 1 H W`` [px], ``nearest`` and ``farthest`` those of the surfaces around each pixel; ``rings`` and
    ``evidence``, ``B 1 H W``, are those of ``look_at_edges``. See ``lens_view``.
    """

    sharp: Tensor
    through_lens: Tensor
    coc: Tensor
    nearest: Tensor
    farthest: Tensor
    rings: Tensor
    evidence: Tensor

    def changed(self, change: Callable[[Tensor], Tensor]) -> "LensView":
        """The same with each image changed."""
        return LensView(*(change(image) for image in vars(self).values()))


class CorrectionNetwork(nn.Module):
    """A U-Net (Ronneberger et al., 2015) whose blocks add to what came in; it begins as a correction of 0.

    Cells of 2x2 pixels are folded into channels first, so that no convolution runs at full size. ``widths``
    are the channels of each level, ``middle`` the blocks at the coarsest.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, middle: int = 2) -> None:
        super().__init__()
        finer, coarsest = widths[:-1], widths[-1]
        self.stem = _convolution(INPUTS * FOLD**2, widths[0])
        self.enc = nn.ModuleList(_convolution(width, width) for width in finer)
        self.down = nn.ModuleList(_convolution(*pair, stride=2) for pair in pairwise(widths))
        self.mid = nn.ModuleList(_convolution(coarsest, coarsest) for _ in range(middle))
        self.up = nn.ModuleList(nn.Conv2d(below, above, 1) for above, below in pairwise(widths))
        self.dec = nn.ModuleList(
            nn.ModuleList(_convolution(width, width) for _ in range(2)) for width in finer
        )
        self.out = _convolution(widths[0], WEIGHTS * FOLD**2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(cast(Tensor, self.out.bias))

    def forward(self, view: LensView) -> Tensor:
        """Return the correction ``B 3 H W``, code values to add to the lens's; 16 divides H and W."""
        sharp, through_lens = view.sharp, view.through_lens
        weights = self._weigh(_inputs(view)).float().contiguous()
        rest, (of_sharp, of_light, of_smooth, *of_moved) = weights[:, :3], weights[:, 3:].split(1, dim=1)
        of_lens = of_light - of_sharp - of_smooth - weights[:, 6:].sum(dim=1, keepdim=True)
        smooth = avg_pool2d(through_lens, SMOOTH_PX, 1, SMOOTH_PX // 2, count_include_pad=False)
        correction = (rest * REST_UNIT).addcmul(of_lens, through_lens)
        correction = correction.addcmul(of_sharp, sharp).addcmul(of_smooth, smooth)
        around = pad(through_lens, (FARTHEST_PX,) * 4, mode="replicate")
        height, width = through_lens.shape[2:]
        for weight, (down, right) in zip(of_moved, MOVES_PX, strict=True):
            rows = slice(FARTHEST_PX + down, FARTHEST_PX + down + height)
            columns = slice(FARTHEST_PX + right, FARTHEST_PX + right + width)
            correction = correction.addcmul(weight, around[..., rows, columns])
        return correction

    def _weigh(self, seen: Tensor) -> Tensor:
        """The weights of all candidates, ``B 14 H W``, for ``_inputs``."""
        x = relu(self.stem(pixel_unshuffle(seen, FOLD).contiguous(memory_format=torch.channels_last)))
        skips = []
        for block, down in zip(self.enc, self.down, strict=True):
            x = x + relu(block(x))
            skips.append(x)
            x = relu(down(x))
        for block in self.mid:
            x = x + relu(block(x))
        for level in reversed(range(len(skips))):
            x = skips[level] + interpolate(self.up[level](x), scale_factor=2, mode="nearest")
            for block in cast(nn.ModuleList, self.dec[level]):
                x = x + relu(block(x))
        return pixel_shuffle(self.out(x), FOLD)


def _inputs(view: LensView) -> Tensor:
    """All that the network sees, ``B 14 H W``, about -1 to 1."""
    own, near, far = (_readings(coc) for coc in (view.coc, view.nearest, view.farthest))
    edges = view.rings / SURFACES_PX, torch.tanh(view.evidence / 2)
    return torch.cat([view.sharp - 0.5, view.through_lens - 0.5, *own, *edges, *near, *far], dim=1)


def _readings(coc: Tensor) -> tuple[Tensor, Tensor]:
    """A circle of confusion [px] for the far range, and for that next to focus."""
    return (coc / COC_UNIT_PX).clamp(-INPUT_LIMIT, INPUT_LIMIT), torch.tanh(coc / COC_NEAR_PX)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1)
