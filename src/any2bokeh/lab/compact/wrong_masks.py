"""Last masks as they go wrong: shifted, bent, too large, too small, in part, with parts of other things."""

import cv2
import numpy as np

from any2bokeh.arrays import Floats

EMPTY = 0.1  # of the last masks are lost altogether
TAKEN = (0.6, 0.2, 0.12, 0.08)  # how often none, one, two or three other things are taken for the subject
Rng = np.random.Generator


def wrong_mask(mask: Floats, others: Floats, rng: Rng) -> Floats:
    """Return a mask ``h w`` in 0..1 as it may be after a few frames; ``others`` are things beside it."""
    if rng.random() < EMPTY or not mask.any():
        return np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    size = max(float(np.ptp(rows)), float(np.ptp(columns)), 6.0)
    wrong = _bend(mask, size, rng)
    if rng.random() < 0.5:
        wrong = _grow(wrong, size * rng.uniform(0.01, 0.06), larger=rng.random() < 0.5)
    middle = np.array([columns.mean(), rows.mean()])
    if rng.random() < 0.35:  # a part is missing
        wrong = wrong * (1 - _ellipse(mask.shape, middle + rng.normal(0, 0.35 * size, 2), size, rng))
    for _ in range(rng.choice(len(TAKEN), p=TAKEN)):  # something was taken for it
        blob = _ellipse(mask.shape, middle + rng.normal(0, 0.5 * size, 2), rng.uniform(0.5, 1.3) * size, rng)
        wrong = np.maximum(wrong, blob * (others if rng.random() < 0.5 else 1))
    if rng.random() < 0.5:
        wrong = cv2.GaussianBlur(wrong, (0, 0), max(0.5, size * rng.uniform(0.005, 0.04)))
    return np.clip(wrong, 0, 1).astype(np.float32)


def slipped_mask(mask: Floats, rng: Rng) -> Floats:
    """Return a mask ``h w`` that went astray: about as large as the subject's, and anywhere."""
    size = max(8.0, 2 * float(mask.sum()) ** 0.5)
    height, width = mask.shape
    return _ellipse(mask.shape, rng.uniform(0, (width, height)), size, rng)


def _bend(mask: Floats, size: float, rng: Rng) -> Floats:
    """The mask moved, scaled, and bent by slow waves."""
    height, width = mask.shape
    amount = rng.uniform(0, 1)
    shift = np.zeros((height, width, 2), np.float32)
    coarse = rng.normal(0, 0.05 * amount * size, (4, 5, 2)).astype(np.float32)
    shift += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    shift += (rng.normal(0, 0.06 * amount * size, 2)).astype(np.float32)
    scale = np.float32(np.exp(rng.normal(0, 0.08 * amount)))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    at_y, at_x = np.argwhere(mask > 0).mean(0).astype(np.float32)
    map_x, map_y = at_x + (x - at_x) * scale + shift[..., 0], at_y + (y - at_y) * scale + shift[..., 1]
    bent: Floats = cv2.remap(mask, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return bent


def _grow(mask: Floats, reach_px: float, *, larger: bool) -> Floats:
    side = 2 * max(1, round(reach_px)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    grown: Floats = cv2.dilate(mask, disc) if larger else cv2.erode(mask, disc)
    return grown


def _ellipse(shape: tuple[int, ...], middle: np.ndarray, size: float, rng: Rng) -> Floats:
    canvas = np.zeros(shape, np.float32)
    axes = tuple(max(1, round(size * rng.uniform(0.1, 0.45))) for _ in range(2))
    place = round(float(middle[0])), round(float(middle[1]))
    cv2.ellipse(canvas, place, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    return canvas


def draw_place(mask: Floats, rng: Rng) -> tuple[float, float]:
    """Return a place (x, y) inside a mask that is not empty, mostly well inside, in shares of its sides."""
    depth = cv2.distanceTransform(np.pad((mask > 0.5).astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    rows, columns = np.nonzero(depth >= max(depth.max() * rng.uniform(0.1, 1), 1e-3))
    chosen = rng.integers(len(rows))
    return (columns[chosen] + 0.5) / mask.shape[1], (rows[chosen] + 0.5) / mask.shape[0]
