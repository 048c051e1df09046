"""A thing followed through a clip by where its surface goes.

Two things tell it from the rest: it moves as optical flow says, and its disparity is continuous: its surface
ends where disparity jumps, and where a floor runs away from under it disparity is steep. So in each frame the
last one's region, moved by the flow, is the seed, and the region is what can be reached from it without
crossing a step or a steep place and without leaving the thing's range of disparity.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.depth.track import DepthClip
from any2bokeh.errors import FocusError
from any2bokeh.focus.points import place_of, time_of
from any2bokeh.motion.flow import FlowPreset, dense_flow, landing_places
from any2bokeh.progress import OnCount
from any2bokeh.scene import Frame
from any2bokeh.settings.focus_settings import Point
from any2bokeh.video.clip import Clip
from any2bokeh.video.span import Span

WORK_SIDE_PX = 384  # longer side of the pictures that are worked on: a person of a tenth of it is found again
STEEP = 0.015  # disparity per pixel at that size; a person's body has a third of it, a floor seen flat more
STEEPEST = 0.03  # what is crossed at first, where the point is on a small part of a thing
SMALL_PX = 400  # pixels: a part of a thing, or a thing far away
FIRST_RANGE, FIRST_REACH_PX = 0.1, 96  # around the point: how far off in disparity, and how far away
SLACK = 0.08  # how far from the disparities that the thing had it is still looked for
REACH_PX = 25  # from the moved region in one frame
NEWS = 0.2  # share of a new frame in the thing's remembered look
PIECE = 0.05  # of the largest piece: smaller ones are dropped
RIM_PX = 2  # the steep rim of the thing itself, where its disparity passes into the background's
GROWTH = 1.5  # a region that grows by more from one frame to the next, or ever by
GROWTH_EVER = 2.5  # ... more than this, has run out into something else, and only its moved part counts
GONE = 0.15  # of its remembered size: the rest of an occluded thing
ALIKE = 0.5  # overlap of colors, from 0 to 1, of the same thing a little later
BACKWARDS_FRAMES = 48  # read forwards and held, small (0.9 MB each), to be gone through backwards
COLORS = 8  # levels of each of R'G'B' by which colors are compared

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FollowedFrame:
    """One frame, reduced to the size at which a thing is followed."""

    pts: int
    gray: Bytes
    color: NDArray[np.int16]  # the number of each pixel's color
    disparity: Floats
    steep: Floats  # the largest change of disparity per pixel

    @classmethod
    def at(cls, frame: Frame, disparity: Tensor) -> "FollowedFrame":
        """Reduce a frame and its disparity ``1 h w`` of any size."""
        height, width = frame.picture.shape[1:]
        scale = WORK_SIDE_PX / max(height, width)
        size = max(16, round(width * scale)), max(16, round(height * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        planes = [cv2.resize(plane.numpy(), size, interpolation=way) for plane in frame.picture.cpu()]
        levels = (np.stack(planes) * COLORS).astype(np.int16).clip(0, COLORS - 1)
        small = cv2.resize(
            disparity[0].cpu().numpy(),
            size,
            interpolation=cv2.INTER_AREA if disparity.shape[2] > size[0] else cv2.INTER_LINEAR,
        )
        changes = [abs(cv2.Sobel(small, -1, x, 1 - x, scale=1 / 8)) for x in (0, 1)]
        return cls(
            pts=frame.pts,
            gray=(np.mean(planes, axis=0) * 255).round().clip(0, 255).astype(np.uint8),
            color=(levels[0] * COLORS + levels[1]) * COLORS + levels[2],
            disparity=small,
            steep=np.maximum(*changes),
        )


@dataclass(frozen=True)
class Sighting:
    """Where the thing was seen in one frame: its disparity, and a place on it in shares of the picture.

    The disparity is NaN where the thing was not seen; the place is then where it was last.
    """

    disparity: float
    x: float
    y: float


class Follower:
    """Follows one thing from frame to frame, in either direction of time; hidden, it is waited for."""

    def __init__(self, frame: FollowedFrame, x: float, y: float) -> None:
        """Start from a place on the thing, in shares of the picture's sides."""
        height, width = frame.gray.shape
        self._x, self._y = min(int(x * width), width - 1), min(int(y * height), height - 1)
        patch = np.zeros_like(frame.gray)
        cv2.circle(patch, (self._x, self._y), 2, 1, -1)
        # One that is there, also on an edge, where half of the patch is near and half far.
        middle = float(np.quantile(frame.disparity[patch > 0], 0.5, method="higher"))
        self._steep = max(STEEP, 1.5 * float(np.median(frame.steep[patch > 0])))  # on a floor, all is steep
        self._low, self._high = middle - FIRST_RANGE + SLACK, middle + FIRST_RANGE - SLACK
        self._region = self._first_region(frame, patch)
        self._low, self._high = _range(frame, self._region)
        self._first_size = self._size = float(self._region.sum())
        self._colors = _colors(frame, self._region)
        self._last, self._hidden = frame, 0
        self.seen = self._see(frame)

    @property
    def region(self) -> NDArray[np.bool_]:
        """Where the thing is, without its rim, in the last picture that it was seen in."""
        return self._region > 0

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The thing's pixels in the last frame, its rim included; none while it is hidden."""
        if self._hidden:
            return np.zeros_like(self.region)
        mask: NDArray[np.bool_] = cv2.dilate(self._region, _disc(RIM_PX)) > 0
        return mask

    def step(self, frame: FollowedFrame) -> Sighting:
        """Look for the thing in the next frame."""
        moved, came_from = self._move(frame)
        region = self._flood(frame, moved, REACH_PX)
        largest = min(GROWTH * self._size, GROWTH_EVER * self._first_size)
        if region.sum() > max(largest, GROWTH * SMALL_PX):
            region &= cv2.dilate(moved, _disc(RIM_PX))
        region = _large_pieces(region)
        self._last = frame
        if region.sum() < GONE * self._size or _overlap(_colors(frame, region), self._colors) < ALIKE:
            self._hidden += 1
            self.seen = Sighting(np.nan, self.seen.x, self.seen.y)
            return self.seen
        self._hidden, self._region = 0, region
        low, high = _range(frame, region)
        self._low += NEWS * (low - self._low)
        self._high += NEWS * (high - self._high)
        self._size += NEWS * (float(region.sum()) - self._size)
        self._colors += NEWS * (_colors(frame, region) - self._colors)
        self._y, self._x = _nearest(region, came_from, (self._x, self._y))
        self.seen = self._see(frame)
        return self.seen

    def _first_region(self, frame: FollowedFrame, patch: Bytes) -> Bytes:
        """The region around the point; if that is a small part, such as a foot, with its whole."""
        usual = self._steep
        region = self._flood(frame, patch, FIRST_REACH_PX)
        while region.sum() < SMALL_PX and self._steep < STEEPEST:
            self._steep *= 1.25
            region = self._flood(frame, patch, FIRST_REACH_PX)
        self._steep = usual
        return region

    def _move(self, frame: FollowedFrame) -> tuple[Bytes, Floats]:
        """The region moved to the next frame, and where each pixel of that came from (``h w 2``).

        While the thing is hidden it stays where it was, and is looked for around.
        """
        height, width = frame.gray.shape
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        if self._hidden:
            around = cv2.dilate(self._region, _disc(min(2 * self._hidden, REACH_PX)))
            return around, np.stack([x, y], axis=2)
        x, y = landing_places(dense_flow(frame.gray, self._last.gray, FlowPreset.MEDIUM))
        moved = cv2.remap(self._region.astype(np.float32), x, y, cv2.INTER_LINEAR)
        return (moved > 0.5).astype(np.uint8), np.stack([x, y], axis=2)

    def _flood(self, frame: FollowedFrame, seed: Bytes, reach_px: int) -> Bytes:
        """The region within reach of the seed on the thing's surface; the seed itself where all is steep."""
        in_range = (frame.disparity >= self._low - SLACK) & (frame.disparity <= self._high + SLACK)
        surface = (in_range & (frame.steep < self._steep)).astype(np.uint8)
        region = seed & surface
        if region.sum() < 0.1 * seed.sum():  # a thing too small to have an inside
            return seed & in_range
        for _ in range(reach_px):
            grown = cv2.dilate(region, _CROSS) & surface
            if np.array_equal(grown, region):
                break
            region = grown
        return region

    def _see(self, frame: FollowedFrame) -> Sighting:
        height, width = frame.gray.shape
        with_rim = cv2.dilate(self._region, _disc(RIM_PX)) > 0
        on_it = frame.disparity[
            with_rim & (frame.disparity > self._low - SLACK) & (frame.disparity < self._high + SLACK)
        ]
        middle = float(np.median(on_it)) if len(on_it) else np.nan
        return Sighting(middle, (self._x + 0.5) / width, (self._y + 0.5) / height)


def follow_thing(point: Point, clip: DepthClip, on_frames: OnCount) -> list[Sighting]:
    """Return a sighting per frame of the thing at a point, followed from there both ways.

    One warning tells where it was lost. Raises ``FocusError`` for a point outside the picture or outside the
    part that is worked on.
    """
    x, y = place_of(point, clip.video.info)
    start = time_of(point, clip.video)
    seen: dict[int, Sighting] = {}
    with clip.frames(Span(start, clip.video.span.end)) as frames:
        found = next(frames, None)
        if found is None:
            raise FocusError(f"{clip.video.info.path} has no decodable frame from {point} on.")
        first = FollowedFrame.at(*found)
        follower = Follower(first, x, y)
        seen[first.pts] = follower.seen
        for frame, disparity in frames:
            seen[frame.pts] = follower.step(FollowedFrame.at(frame, disparity))
            on_frames(len(seen))
    follower = Follower(first, x, y)
    for before in _backwards(clip, clip.video.times.index(first.pts)):
        seen[before.pts] = follower.step(before)
        on_frames(len(seen))
    # A frame that cannot be decoded is missing, and is not rendered either.
    nothing = Sighting(np.nan, x, y)
    in_order = [seen.get(pts, nothing) for pts in clip.video.times]
    _say_where_lost(in_order, point, clip.video)
    return in_order


def _backwards(clip: DepthClip, start: int) -> Iterator[FollowedFrame]:
    """The frames before number ``start``, the last one first."""
    times = clip.video.times
    for stop, first in pairwise([*range(start, 0, -BACKWARDS_FRAMES), 0]):
        with clip.frames(Span(times[first], times[stop - 1] + 1)) as frames:
            held = [FollowedFrame.at(frame, disparity) for frame, disparity in frames]
        yield from reversed(held)


def _say_where_lost(seen: list[Sighting], point: Point, video: Clip) -> None:
    lost = [pts for pts, one in zip(video.times, seen, strict=True) if np.isnan(one.disparity)]
    if lost:
        log.warning(
            "The object at %s is lost in %d of %d frames of %s, first at %.2f s: the focus is held there.",
            point,
            len(lost),
            len(seen),
            video.info.path,
            video.seconds(lost[0]),
        )


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def _disc(radius_px: int) -> Bytes:
    element: Bytes = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))
    return element


def _range(frame: FollowedFrame, region: Bytes) -> tuple[float, float]:
    """The disparities between which nearly all of the region lies."""
    low, high = np.percentile(frame.disparity[region > 0], (5, 95))
    return float(low), float(high)


def _large_pieces(region: Bytes) -> Bytes:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region, connectivity=4)
    sizes = stats[:, cv2.CC_STAT_AREA]
    keep = sizes >= PIECE * sizes[1:].max(initial=0)
    keep[0] = False
    pieces: Bytes = keep[labels].astype(np.uint8)
    return pieces


def _colors(frame: FollowedFrame, region: Bytes) -> NDArray[np.float64]:
    """The shares of all colors in a region, each spread a little to its neighbors."""
    counts = np.bincount(frame.color[region > 0], minlength=COLORS**3).reshape((COLORS,) * 3).astype(float)
    for axis in range(3):
        before = np.concatenate([counts.take([0], axis), counts.take(range(COLORS - 1), axis)], axis)
        after = np.concatenate([counts.take(range(1, COLORS), axis), counts.take([COLORS - 1], axis)], axis)
        counts = (before + 2 * counts + after) / 4
    shares: NDArray[np.float64] = counts.ravel() / max(counts.sum(), 1.0)
    return shares


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How alike two distributions are: 1 if equal, 0 if they have nothing in common (Bhattacharyya)."""
    return float(np.sqrt(one * other).sum())


def _nearest(region: Bytes, came_from: Floats, place: tuple[int, int]) -> tuple[int, int]:
    """Row and column of the pixel well inside the region that came from nearest to a place (x, y)."""
    inner = cv2.erode(region, _disc(RIM_PX))
    rows, columns = (inner if inner.any() else region).nonzero()
    away = np.square(came_from[rows, columns] - np.array(place, np.float32)).sum(axis=1)
    best = int(away.argmin())
    return int(rows[best]), int(columns[best])
