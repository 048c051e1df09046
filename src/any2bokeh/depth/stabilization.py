"""Temporal stabilization: each disparity is fitted to the scale of those before it, then filtered in time.

The filter follows each point of the scene along the optical flow, so moving things are filtered as well as
still ones.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.arrays import Floats
from any2bokeh.motion.flow import (
    Flow,
    PreparedPicture,
    difference,
    falloff,
    flow_between,
    prepare_picture,
)
from any2bokeh.motion.shots import is_lost
from any2bokeh.scene import Frame
from any2bokeh.video.gray import LARGEST_CODE

# How fast the estimate of a point grows old, in variances of the noise of one estimate per frame. If every
# frame is estimated, each then enters by 0.15: noise is forgotten in about 6 frames.
_AGING = 0.0265
# Of a point that moved, a share of at least this: warped again and again, edges would wear off.
_MOVED_SHARE, _MOVED_PX = 0.3, (0.25, 1.0)
_SAME, _OTHER = (
    4 / 255,
    14 / 255,
)  # differences of pictures: up to the first it is noise, from the second on not
_FAR, _FARTHEST = 4.0, 8.0  # in standard deviations of the noise: what differs more is not the same point
# How fast the estimate of the scale grows old, in the same way: a share of the fit (0.12 if every frame is
# estimated) is given back to the network's own scale, so that errors of the fit cannot add up. A share of
# what is then left is taken to last: a camera that comes nearer raises all disparity. With 0.28 times the
# square, both together swing in without swinging over (damping 1 / (2 sqrt(0.28)) = 0.95).
_SCALE_AGING, _LASTING = 0.0164, 0.28
_LOST_TRUST = (
    0.05  # points that cannot be followed are fitted too, so that the few things that can do not decide alone
)
_FIT_ROUNDS = 5
_FINEST = 0.01  # of the spread: a wall that fits perfectly, at one disparity, must not outweigh all the rest
_FIT_PIXELS = 20_000  # more do not make two numbers more certain
_GUESSES, _JUDGES = 256, 1000  # first guesses of the fit, and the pixels that choose between them


@dataclass(frozen=True, eq=False)
class _Past:
    """The running estimate ``h w``, the variance of its noise (that of one frame is 1), and the picture."""

    disparity: Floats
    variance: Floats
    picture: PreparedPicture


class Stabilizer:
    """Stabilizes the disparity of frames that come one after the other.

    Monocular networks are right only up to a scale and a shift, anew in every frame. Both are fitted to the
    running estimate, warped along the flow, with disagreeing points as outliers. Then only a share of the
    new estimate enters the running one (a Kalman filter per point); where the flow, the picture or the
    disparity itself tells that the point is another one, the new estimate replaces it, so moving
    things leave no trail.
    """

    def __init__(self) -> None:
        self._past: _Past | None = None
        self._lasting = (0.0, 0.0)  # of scale and shift

    def stabilize(
        self, disparity: Floats, picture: PreparedPicture, back: Flow | None, frames: int = 1
    ) -> Floats:
        """Return the stabilized disparity, ``h w`` like ``disparity``, which is in any scale.

        ``back`` leads from ``picture`` to the one of the call before, ``frames`` frames earlier;
        ``None`` starts anew.
        """
        past = self._past
        if past is None or back is None or past.disparity.shape != disparity.shape:
            self._past, self._lasting = _Past(disparity, np.ones_like(disparity), picture), (0.0, 0.0)
            return disparity
        known, variance = back.warp(past.disparity), back.warp(past.variance) + np.float32(_AGING * frames)
        trust = back.trust * falloff(difference(picture, past.picture, back), _SAME, _OTHER)
        scale, shift, noise = fit_robustly(disparity, known, variance, trust)
        scale, shift = self._let_go(scale, shift, frames)
        rough = disparity * np.float32(scale) + np.float32(shift)
        change = rough - known
        if noise > 0:
            deviation = np.abs(change) / (np.sqrt(1 + variance) * np.float32(noise))
            trust = trust * falloff(deviation, _FAR, _FARTHEST)
        least: Floats = np.maximum(variance / (variance + 1), _least_share(back))
        share = 1 - (1 - least) * trust
        stabilized: Floats = known + share * change
        self._past = _Past(stabilized, (1 - share) ** 2 * variance + share**2, picture)
        return stabilized

    def _let_go(self, scale: float, shift: float, frames: int) -> tuple[float, float]:
        """The scale and the shift, let go a little way towards those of the network, 1 and 0."""
        aging = _SCALE_AGING * frames
        leak = ((aging**2 + 4 * aging) ** 0.5 - aging) / 2  # the gain that a Kalman filter settles at
        lasting = _LASTING * leak**2
        more_scale, more_shift = self._lasting
        self._lasting = more_scale + lasting * (1 - scale), more_shift - lasting * shift
        return scale + leak * (1 - scale) + more_scale, shift - leak * shift + more_shift


class TrackStabilizer:
    """Stabilizes a given track frame by frame, anew after each cut unless the clip is a ``single_shot``.

    It looks at no frame that is still to come, so it asks of each alone whether the one before leads to it;
    where shots are to be marked, ``any2bokeh.motion.shots`` sees more.
    """

    looks_back = True

    def __init__(self, *, single_shot: bool = False) -> None:
        self._single_shot = single_shot
        self._stabilizer = Stabilizer()
        self._last: PreparedPicture | None = None
        self._left: tuple[Stabilizer, PreparedPicture] | None = None  # the state before the last cut

    def stabilize_frame(self, disparity: Tensor, frame: Frame) -> Tensor:
        """Return the stabilized disparity of the next frame: ``1 h w`` like ``disparity``, in 0..1.

        Rounded to the codes of our tracks, so that one which was written and is read is the same.
        """
        height, width = disparity.shape[1:]
        small = interpolate(frame.picture[None], (height, width), mode="bilinear", antialias=True)[0]
        picture = prepare_picture(small)
        back = self._flow_back(picture)
        stabilized = self._stabilizer.stabilize(disparity[0].cpu().numpy(), picture, back)
        self._last = picture
        codes = (torch.from_numpy(stabilized)[None].clamp(0, 1) * LARGEST_CODE).round()
        return (codes / LARGEST_CODE).to(disparity.device)

    def anew(self) -> "TrackStabilizer":
        """Return one for the same clip from its beginning."""
        return TrackStabilizer(single_shot=self._single_shot)

    def _flow_back(self, picture: PreparedPicture) -> Flow | None:
        """The flow to the frame before; at a cut to the shot before, if it goes on, as after a flash."""
        if self._last is None:
            return None
        back = flow_between(picture.gray, self._last.gray)[0]
        if self._single_shot or not is_lost(back):
            return back
        left, self._left = self._left, (self._stabilizer, self._last)
        if left is not None and not is_lost(back := flow_between(picture.gray, left[1].gray)[0]):
            self._stabilizer = left[0]
            return back
        self._stabilizer = Stabilizer()
        return None


def fit_robustly(
    disparity: Floats, target: Floats, variance: Floats, trust: Floats
) -> tuple[float, float, float]:
    """Return the scale and the shift that take ``disparity`` closest to ``target``, and the noise left.

    ``variance`` is that of the target's noise over that of the disparity's; ``trust`` weighs the pixels; all
    are ``h w``. Pixels that fit badly lose their weight over the rounds. The noise is the standard deviation
    of a single estimate's, in units of ``target``.

    The scale is the ratio of the two spreads less the noise that is in them. A least-squares slope would
    be too small, because it takes noise for spread, and the error would grow with every frame.
    """
    step = max(1, round((disparity.size / _FIT_PIXELS) ** 0.5))
    x, y, ratio, weights = (
        torch.from_numpy(np.ascontiguousarray(image[::step, ::step])).flatten().double()
        for image in (disparity, target, variance, trust)
    )
    weights = weights + _LOST_TRUST
    if float(x.max() - x.min()) <= 1e-6 * float(x.abs().max()):  # one value everywhere has no scale
        return 1.0, 0.0, 0.0
    scale, shift = _rough_fit(x, y, weights)
    noise, finest = 0.0, _FINEST * float(y.std()) + 1e-30
    for _ in range(_FIT_ROUNDS):
        residual = scale * x + shift - y
        typical = max(1.4826 * _weighted_median(residual.abs(), weights), finest)
        weight = weights / (1 + (residual / (2.4 * typical)) ** 2)
        weight = weight / weight.sum()
        mean_x, mean_y, mean_ratio = (weight * x).sum(), (weight * y).sum(), (weight * ratio).sum()
        spread_x, spread_y = (weight * (x - mean_x) ** 2).sum(), (weight * (y - mean_y) ** 2).sum()
        noise_x = (weight * residual**2).sum() / (1 + mean_ratio)  # the residual is the noise of both
        signal_x = (spread_x - noise_x / scale**2).clamp(min=spread_x / 2)
        signal_y = (spread_y - noise_x * mean_ratio).clamp(min=spread_y / 2)
        scale = float((signal_y / signal_x).sqrt())
        shift = float(mean_y - scale * mean_x)
        noise = typical / float(1 + mean_ratio) ** 0.5
    return scale, shift, noise


def _least_share(back: Flow) -> Floats:
    """The share of a new estimate that enters in any case, ``h w``: more where the point moved."""
    length_px = np.sqrt((back.shift * back.shift).sum(axis=2))
    share: Floats = np.float32(_MOVED_SHARE) * (1 - falloff(length_px, *_MOVED_PX))
    return share


def _weighted_median(values: Tensor, weights: Tensor) -> float:
    order = values.argsort()
    below = weights[order].cumsum(0)
    return float(values[order[int(torch.searchsorted(below, below[-1] / 2))]])


def _rough_fit(x: Tensor, y: Tensor, trust: Tensor) -> tuple[float, float]:
    """Return the scale and the shift through two pixels that fit best the better half of all.

    A third of the picture that comes nearer then looks nearer, and not like a new scale.
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
