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
_MOVING_TRUST = 0.2  # what moves is fitted too, so that a caption that stands still does not decide alone
_FIT_ROUNDS = 5
_FIT_PIXELS = 20_000  # more do not make two numbers more certain
_GUESSES, _JUDGES = 256, 1000  # first guesses of the fit, and the pixels that choose between them
_CUT_BLOCKS = 8  # a cut is looked for in pictures of about 8 x 8 blocks, where a pan changes little
_CUT_CHANGE = 0.1


@dataclass(frozen=True, eq=False)
class _Past:
    """The running estimate, and the last picture at its size."""

    disparity: Tensor  # 1 h w
    noise: Tensor  # 1 h w: variance of its noise, that of a single frame being 1
    picture: Tensor  # 3 h w
    blocks: Tensor  # 3 rows columns


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
        if past is None or _is_cut(past.blocks, blocks) or past.disparity.shape != disparity.shape:
            self._past = _Past(disparity, torch.ones_like(disparity), picture, blocks)
            return disparity, True
        moved = _moved(past.picture, picture)
        scale, shift = _fit(disparity, past.disparity, past.noise, still=1 - moved)
        share = _NEW_SHARE + (1 - _NEW_SHARE) * moved
        steadied = torch.lerp(past.disparity, disparity * scale + shift, share)
        noise = (1 - share) ** 2 * past.noise + share**2
        self._past = _Past(steadied, noise, picture, blocks)
        return steadied, False


def _is_cut(before: Tensor, after: Tensor) -> bool:
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
    x, y, ratio, trust = (
        image[0, ::step, ::step].flatten().cpu().double() for image in (disparity, target, noise, still)
    )
    trust = trust + _MOVING_TRUST
    if float(x.max() - x.min()) <= 1e-6 * float(x.abs().max()):  # one value everywhere has no scale
        return 1.0, 0.0
    scale, shift = _rough_fit(x, y, trust)
    for _ in range(_FIT_ROUNDS):
        residual = scale * x + shift - y
        typical = 1.4826 * residual.abs().median() + 1e-9 * y.abs().max() + 1e-30
        weight = trust / (1 + (residual / (2.4 * typical)) ** 2)
        weight = weight / weight.sum()
        mean_x, mean_y, mean_ratio = (weight * x).sum(), (weight * y).sum(), (weight * ratio).sum()
        spread_x, spread_y = (weight * (x - mean_x) ** 2).sum(), (weight * (y - mean_y) ** 2).sum()
        noise_x = (weight * residual**2).sum() / (1 + mean_ratio)  # the residual is the noise of both
        signal_x = (spread_x - noise_x / scale**2).clamp(min=spread_x / 2)
        signal_y = (spread_y - noise_x * mean_ratio).clamp(min=spread_y / 2)
        scale = float((signal_y / signal_x).sqrt())
        shift = float(mean_y - scale * mean_x)
    return scale + _LEAK * (1 - scale), shift * (1 - _LEAK)


def _rough_fit(x: Tensor, y: Tensor, trust: Tensor) -> tuple[float, float]:
    """Return the scale and the shift through two pixels that fit best the better half of all.

    A third of the picture that comes nearer then looks like what it is, and not like a new scale.
    """
    picks = torch.multinomial(
        trust, 2 * _GUESSES + _JUDGES, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    first, second, judges = torch.split(picks, [_GUESSES, _GUESSES, _JUDGES])
    scales = (y[first] - y[second]) / (x[first] - x[second])
    shifts = y[first] - scales * x[first]
    usable = scales.isfinite() & (scales > 0)
    if not bool(usable.any()):
        return 1.0, 0.0
    errors = (scales[:, None] * x[judges] + shifts[:, None] - y[judges]).abs().median(dim=1).values
    best = int(torch.where(usable, errors, torch.inf).argmin())
    return float(scales[best]), float(shifts[best])
