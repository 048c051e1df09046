"""How far apart two sets of clips are, seen through a network: the Fréchet distance of its features."""

import math
from collections import deque

import torch
from torch import Tensor

from any2bokeh.lab.evaluation.metric_networks import Watcher

LEAST_SAMPLES = 2


class FeatureWindows:
    """Turns the pictures of a clip, one after the other, into features of windows of a few frames.

    Windows begin every ``watcher.step`` frames as far as they fit in; of a clip that is shorter than a
    window, the last frame is repeated. No more than one window of small pictures is kept.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._recent: deque[Tensor] = deque(maxlen=watcher.frames)
        self._seen = 0
        self._features: list[Tensor] = []

    @property
    def has_pictures(self) -> bool:
        """Whether it was given any."""
        return self._seen > 0

    def add(self, picture: Tensor) -> None:
        """Take the next picture, ``3 H W``."""
        watcher = self._watcher
        self._recent.append(watcher.fit(picture))
        self._seen += 1
        past = self._seen - watcher.frames
        if past >= 0 and past % watcher.step == 0:
            self._features.append(watcher.look(torch.stack(list(self._recent))))

    def features(self) -> Tensor:
        """Return the features of all windows, ``N C``."""
        if not self._features and self._recent:
            missing = self._watcher.frames - len(self._recent)
            pictures = [*self._recent, *[self._recent[-1]] * missing]
            self._features.append(self._watcher.look(torch.stack(pictures)))
        return torch.stack(self._features)


def frechet_distance(first: Tensor, second: Tensor) -> float | None:
    """Squared Fréchet distance of two Gaussians, fitted to features ``N C`` and ``M C``.

    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` (Dowson and Landau 1982; FID, FVD and VFID are this). With
    few windows it is biased upwards, alike for all methods. ``None`` for fewer than two on a side.
    """
    if min(len(first), len(second)) < LEAST_SAMPLES:
        return None
    apart = (first.double().mean(0) - second.double().mean(0)).square().sum()
    roots = [_root(features) for features in (first, second)]
    # S = R^T R, and the trace of the root of S1 S2 is the sum of the singular values of R1 R2^T.
    common = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    total = sum(root.square().sum() for root in roots)
    return float((apart + total - 2 * common).clamp(min=0))


def _root(features: Tensor) -> Tensor:
    """``R`` of no more than C rows, such that ``R^T R`` is the covariance of ``N C``."""
    centered = (features.double() - features.double().mean(0)) / math.sqrt(len(features) - 1)
    if len(centered) <= centered.shape[1]:
        return centered
    root: Tensor = torch.linalg.qr(centered, mode="r").R
    return root
