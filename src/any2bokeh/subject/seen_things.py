"""The things that a frame shows: the answers of the bundled network to clicks on a grid of places."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.subject.click_segmenter import SEEN, ClickView, LoadedClickNetwork, window_around
from any2bokeh.subject.click_views import Window
from any2bokeh.subject.segmenter import Click

LEAST_AREA, LARGEST_AREA = 0.004, 0.6  # of the frame
SAME = 0.5  # overlap from which two masks show one thing
STANDS_OUT = 0.5  # of the likely overlap: worse masks show no thing
MOST_CUT = 0.3  # of the frame's edges: the ground, a wall or the sky covers more of them


@dataclass(frozen=True, eq=False)
class Thing:
    """A thing in a frame: the share ``h w`` of each pixel that it covers, and the mask's likely IoU, 0..1."""

    mask: Floats
    quality: float

    def inner_point(self) -> tuple[float, float]:
        """Return x and y of the point farthest from its outline, in shares of the frame's sides."""
        inside = np.pad((self.mask > SEEN).astype(np.uint8), 1)
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        return (column + 0.5) / depth.shape[1], (row + 0.5) / depth.shape[0]

    def cut_share(self) -> float:
        """Return the share of the frame's edges that it covers, 0..1."""
        return cut_share(self.mask)

    def overlap(self, other: "Thing") -> float:
        """Return the IoU with another one, 0..1."""
        first, second = self.mask > SEEN, other.mask > SEEN
        return float((first & second).sum() / max((first | second).sum(), 1))


def cut_share(mask: Floats) -> float:
    """Return the share of a frame's edges that a mask ``h w`` covers, 0..1."""
    inside = mask > SEEN
    return float(np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]).mean())


def look_at_places(
    network: LoadedClickNetwork, view: ClickView, grid: tuple[int, int], motion: Floats | None = None
) -> tuple[list[Thing], Tensor]:
    """Return the things at the places of a grid (rows, columns), at half the size of a view of the frame.

    A thing may be there several times: see ``each_once``. Beside it the frame's disparity, ``1 1 h w``.
    """
    rows, columns = grid
    places = [((c + 0.5) / columns, (r + 0.5) / rows) for r in range(rows) for c in range(columns)]
    found, disparity = network.look_around(view, Window(0, 0, *view.size), places, motion)
    masks = found.mask.float().sigmoid().cpu().numpy()[:, 0]
    qualities = found.quality.float().sigmoid().tolist()
    things = [Thing(mask, quality) for mask, quality in zip(masks, qualities, strict=True)]
    return [one for one in things if _stands_out(one)], disparity


def each_once(things: Iterable[Thing], rank: Callable[[Thing], float]) -> list[Thing]:
    """Return things without those that a higher ranked one shows already, the highest first."""
    kept: list[Thing] = []
    for one in sorted(things, key=rank, reverse=True):
        if all(one.overlap(other) < SAME for other in kept):
            kept.append(one)
    return kept


def find_things(network: LoadedClickNetwork, view: ClickView, grid: tuple[int, int]) -> list[Thing]:
    """Return the things of a frame, each once, with masks of the view's size; the surest first.

    Each is looked at once more, in a window around it, as after a click. The ground, walls and the sky are
    left out.
    """
    coarse, _ = look_at_places(network, view, grid)
    closer = [_look_closer(network, view, one) for one in each_once(coarse, _quality)]
    whole = [one for one in closer if _stands_out(one) and one.cut_share() < MOST_CUT]
    return each_once(whole, _quality)


def _look_closer(network: LoadedClickNetwork, view: ClickView, thing: Thing) -> Thing:
    mask = cv2.resize(thing.mask, view.size[::-1], interpolation=cv2.INTER_LINEAR)
    clicks = [Click(*thing.inner_point())]
    look = network.look(view, window_around(mask, view.size, clicks), mask, clicks, None, None)
    return Thing(look.mask, look.quality)


def _quality(thing: Thing) -> float:
    return thing.quality


def _stands_out(thing: Thing) -> bool:
    return thing.quality > STANDS_OUT and LEAST_AREA < float((thing.mask > SEEN).mean()) < LARGEST_AREA
