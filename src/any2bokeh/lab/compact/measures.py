"""How good a compact network is on pictures whose disparity is known."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from any2bokeh.arrays import Floats
from any2bokeh.depth.estimator import Estimator
from any2bokeh.lab.compact.made_pictures import LARGEST_CODE, read_owners, read_picture
from any2bokeh.lab.compact.scale_free import fitted_error, rank_correlation

EDGE_PX, EDGE = 12, 0.1  # neighbors so far apart on the shorter side's 240, and so different in disparity
LEAST_SEEN = 0.005  # of the picture: smaller things are not looked at
INSIDE, AROUND = 0.004, (0.012, 0.08)  # of the longer side: what counts of a thing, and of its surroundings
GROUND = 0.9  # of a thing's height: below, the ground around it is as near


@dataclass
class DepthMeasures:
    """Rank correlation, fitted error, order of neighbors, and separation of things, each a list."""

    ranks: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)
    separations: list[float] = field(default_factory=list)

    def means(self) -> dict[str, float]:
        """Return the means, by name."""
        named = {
            "rank": self.ranks,
            "error": self.errors,
            "edges": self.edges,
            "separation": self.separations,
        }
        return {name: round(float(np.mean(values)), 4) for name, values in named.items() if values}


def measure_estimator(estimator: Estimator, pictures: Iterable[Path], shorter_side: int) -> DepthMeasures:
    """Return the measures of an estimator over pictures as ``read_picture`` takes them."""
    found = DepthMeasures()
    for path in pictures:
        codes, raw = read_picture(path)
        picture = torch.from_numpy(codes).permute(2, 0, 1)[None].float() / 255
        scale = shorter_side / min(codes.shape[:2])
        height, width = (round(side * scale) for side in codes.shape[:2])
        guess = estimator.estimate(picture, (height, width))[0, 0].numpy()
        truth = cv2.resize(raw, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        known, disparity = truth > 0, truth.astype(np.float32) / LARGEST_CODE
        low, high = np.percentile(disparity[known], [1, 99])
        disparity = np.clip((disparity - low) / max(high - low, 1e-6), 0, 1)
        flat = torch.from_numpy(guess[known]), torch.from_numpy(disparity[known])
        found.ranks.append(rank_correlation(*flat))
        found.errors.append(fitted_error(*flat))
        edges = edge_order(guess, disparity, known)
        found.edges += [edges] if edges is not None else []
        owners = read_owners(path)
        if owners is not None:
            owners = cv2.resize(owners, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
            found.separations += separations(guess, disparity, owners)
    return found


def edge_order(guess: Floats, truth: Floats, known: NDArray[np.bool_]) -> float | None:
    """Return how often the nearer of two neighbors across an edge is found; nothing without edges."""
    apart = max(2, round(EDGE_PX * min(truth.shape) / 240))
    right, count = 0, 0
    for first, second in (
        (np.s_[:, :-apart], np.s_[:, apart:]),
        (np.s_[:-apart], np.s_[apart:]),
    ):
        difference = truth[first] - truth[second]
        looked_at = (np.abs(difference) > EDGE) & known[first] & known[second]
        agrees = (guess[first] > guess[second]) == (difference > 0)
        right, count = right + int((agrees & looked_at).sum()), count + int(looked_at.sum())
    return right / count if count else None


def separations(guess: Floats, truth: Floats, owners: NDArray[np.uint8]) -> list[float]:
    """Return for each thing how often its pixels are nearer than farther ones around it."""
    side = max(owners.shape)
    results = []
    for owner in range(1, int(owners.max()) + 1):
        thing = (owners == owner).astype(np.uint8)
        if thing.mean() < LEAST_SEEN:
            continue
        inside = cv2.erode(thing, _disc(INSIDE * side)) > 0
        outer, inner = (cv2.dilate(thing, _disc(reach * side)) > 0 for reach in reversed(AROUND))
        rows = np.flatnonzero(thing.any(axis=1))
        around = outer & ~inner & (truth < np.median(truth[thing > 0]) - 0.03)
        around[round(rows[0] + GROUND * (rows[-1] - rows[0])) :] = False
        if inside.sum() < 50 or around.sum() < 50:
            continue
        nearer = np.sort(guess[around]).searchsorted(guess[inside]) / around.sum()
        results.append(float(nearer.mean()))
    return results


def _disc(radius: float) -> NDArray[np.uint8]:
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
