"""The disparity of a thing that is followed through a clip, from the moment it is pointed at both ways."""

import logging
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from any2bokeh.focus.clip import Clip, OnFrames
from any2bokeh.focus.follower import Follower, Look, Seen
from any2bokeh.focus.points import place_of
from any2bokeh.settings.focus_settings import Point
from any2bokeh.settings.video_settings import TimeRange

BACKWARDS_FRAMES = 48  # read forwards and held, small (0.9 MB each), to be gone through backwards

log = logging.getLogger(__name__)


def follow(point: Point, clip: Clip, on_frames: OnFrames) -> list[Seen]:
    """Return what is seen in each frame of the thing that is at a point.

    One warning tells where it was lost. Raises ``FocusError`` for a point outside the picture or outside the
    part that is worked on.
    """
    x, y = place_of(point, clip.info)
    with clip.frames(TimeRange(start=point.at or clip.time_range.start)) as frames:
        first = Look.at(*next(frames))
    start = clip.times.index(first.pts)
    seen: dict[int, Seen] = {}
    for looks in (_forwards(clip, start), _backwards(clip, start)):
        follower = Follower(first, x, y)
        seen[first.pts] = follower.seen
        for look in looks:
            seen[look.pts] = follower.step(look)
            on_frames(len(seen))
    # A frame that cannot be decoded is missing, and is not rendered either.
    nothing = Seen(np.nan, x, y)
    in_order = [seen.get(pts, nothing) for pts in clip.times]
    _say_where_lost(in_order, point, clip)
    return in_order


def _forwards(clip: Clip, start: int) -> Iterator[Look]:
    """The frames after number ``start``, in order."""
    if start + 1 < len(clip.times):
        with clip.frames(clip.part(start + 1, len(clip.times))) as frames:
            for frame, disparity in frames:
                yield Look.at(frame, disparity)


def _backwards(clip: Clip, start: int) -> Iterator[Look]:
    """The frames before number ``start``, the last one first."""
    borders = [*range(start, 0, -BACKWARDS_FRAMES), 0]
    for stop, first in pairwise(borders):
        with clip.frames(clip.part(first, stop)) as frames:
            looks = [Look.at(frame, disparity) for frame, disparity in frames]
        yield from reversed(looks)


def _say_where_lost(seen: list[Seen], point: Point, clip: Clip) -> None:
    lost = [pts for pts, one in zip(clip.times, seen, strict=True) if np.isnan(one.disparity)]
    if lost:
        log.warning(
            "What is followed from %s is lost in %d of %d frames of %s, first at %.2f s: the focus is held.",
            point,
            len(lost),
            len(seen),
            clip.info.path,
            clip.clock.seconds(lost[0]),
        )
