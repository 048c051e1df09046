"""Disparity without flicker: each frame brought to the scale of those before it, then filtered in time."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from any2bokeh.errors import ShapeError

# How much of a new estimate enters where the picture stands still: the filter forgets in about 6 frames.
_NEW_SHARE = 0.15
# Picture differences (code values, 3 x 3 mean): below the first it is noise, above the second it moved.
_STILL, _MOVED = 4 / 255, 14 / 255
# Share of the fit that is given back to the network's own scale, so that errors of the fit cannot add up:
# without it a scale of 0.999 in each frame leaves a third of the range after 1000 frames.
_LEAK = 0.02
_FIT_ROUNDS = 5
_FIT_PIXELS = 20_000  # more do not make two numbers more certain
_CUT_BLOCKS = 8  # a cut is looked for in pictures of about 8 x 8 blocks, where a pan changes little
_CUT_CHANGE = 0.1


@dataclass(frozen=True, eq=False)
class _Past:
    """The running estimate and the picture that it belongs to (filtered alike), at working size."""

    disparity: Tensor  # 1 h w
    noise: Tensor  # 1 h w: variance of its noise, that of a single frame being 1
    picture: Tensor  # 3 h w
    blocks: Tensor  # 3 rows columns, of the last frame


class Steadier:
    """Steadies the disparity of frames that come one after the other; a cut starts anew.

    Monocular networks are right only up to a scale and a shift, anew in every frame. Both are fitted
    to the running estimate, with moving things as outliers. Then, where the picture stands still, only
    a share of the new estimate enters the running one; where it moves, the new estimate replaces it, so
    nothing is dragged behind what moves.
    """

    def __init__(self) -> None:
        self._past: _Past | None = None

    def steady(self, disparity: Tensor, picture: Tensor) -> tuple[Tensor, bool]:
        """Return the steadied disparity (``1 h w``) and whether a new shot begins with this frame.

        ``disparity`` is ``1 h w`` in any scale, ``picture`` the frame's R'G'B' in 0..1, ``3 H W`` of any
        size. Raises ``ShapeError``.
        """
        if disparity.ndim != 3 or picture.ndim != 3 or len(disparity) != 1 or len(picture) != 3:
            raise ShapeError(
                f"steady takes 1 h w and 3 H W, got {tuple(disparity.shape)} and {tuple(picture.shape)}"
            )
        picture = _resize(picture.to(disparity.device), disparity.shape[1:])
        blocks = _blocks(picture)
        past = self._past
        if past is None or is_cut(past.blocks, blocks) or past.disparity.shape != disparity.shape:
            self._past = _Past(disparity, torch.ones_like(disparity), picture, blocks)
            return disparity, True
        moved = _moved(past.picture, picture)
        scale, shift = _fit(disparity, past.disparity, past.noise, still=1 - moved)
        share = _NEW_SHARE + (1 - _NEW_SHARE) * moved
        steadied = torch.lerp(past.disparity, disparity * scale + shift, share)
        # The picture is filtered in the same way: change that is too slow to be seen from one frame to
        # the next adds up against it, until the estimate follows.
        noise = (1 - share) ** 2 * past.noise + share**2
        self._past = _Past(steadied, noise, torch.lerp(past.picture, picture, share), blocks)
        return steadied, False


def is_cut(before: Tensor, after: Tensor) -> bool:
    """Say whether two frames' blocks differ over most of the picture, as they do at a cut."""
    return float((after - before).abs().amax(dim=0).median()) > _CUT_CHANGE


def _resize(picture: Tensor, size: torch.Size) -> Tensor:
    height, width = size
    return interpolate(picture[None], (height, width), mode="bilinear", antialias=True)[0]


def _blocks(picture: Tensor) -> Tensor:
    block = max(1, max(picture.shape[1:]) // _CUT_BLOCKS)
    return avg_pool2d(picture, block, ceil_mode=True)


def _moved(before: Tensor, after: Tensor) -> Tensor:
    """Return how surely each pixel moved, 0..1, ``1 h w``."""
    change = avg_pool2d((after - before).abs(), 3, stride=1, padding=1, count_include_pad=False)
    rise = ((change.amax(dim=0, keepdim=True) - _STILL) / (_MOVED - _STILL)).clamp(0, 1)
    return rise * rise * (3 - 2 * rise)


def _fit(disparity: Tensor, target: Tensor, noise: Tensor, still: Tensor) -> tuple[float, float]:
    """Return the scale and the shift that bring ``disparity`` closest to ``target``, robustly.

    ``noise`` is the variance of the target's noise over that of the disparity's, and ``still`` weighs
    the pixels; all are ``1 h w``. Pixels that fit badly lose their weight over the rounds.

    The scale is the ratio of the two spreads less the noise that is in them. A least-squares slope would
    be too small, because it takes noise for spread, and the error would grow with every frame.
    """
    step = max(1, round((disparity.numel() / _FIT_PIXELS) ** 0.5))
    x, y, ratio, trust = (image[0, ::step, ::step].double() for image in (disparity, target, noise, still))
    trust = trust + 0.01  # where all of the picture moves, all of it is fitted
    weight, scale, shift, error = trust, 1.0, 0.0, 0.0
    for _ in range(_FIT_ROUNDS):
        share = weight / weight.sum()
        mean_x, mean_y = (share * x).sum(), (share * y).sum()
        spread_x, spread_y = (share * (x - mean_x) ** 2).sum(), (share * (y - mean_y) ** 2).sum()
        if spread_x <= 1e-12 * mean_x**2 + 1e-30:  # one value everywhere has no scale
            return 1.0, 0.0
        mean_ratio = (share * ratio).sum()
        noise_x = error / (1 + mean_ratio)  # the error is the noise of both
        signal_x = (spread_x - noise_x / scale**2).clamp(min=spread_x / 2)
        signal_y = (spread_y - noise_x * mean_ratio).clamp(min=spread_y / 2)
        scale = float((signal_y / signal_x).sqrt())
        shift = float(mean_y - scale * mean_x)
        residual = scale * x + shift - y
        error = float((share * residual**2).sum())
        typical = 1.4826 * residual.abs().median() + 1e-6 * spread_y.sqrt()
        weight = trust / (1 + (residual / (2.4 * typical)) ** 2)
    return scale + _LEAK * (1 - scale), shift * (1 - _LEAK)
