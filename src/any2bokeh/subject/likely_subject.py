"""The likeliest subject of a clip: it stands before the rest, moves by itself, is large and central."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.errors import FocusError
from any2bokeh.motion.flow import vector_length
from any2bokeh.settings.focus_settings import Point
from any2bokeh.settings.values import TimePoint
from any2bokeh.subject.click_motion import flow_to, to_units
from any2bokeh.subject.click_network import MOTION_UNIT
from any2bokeh.subject.click_segmenter import SEEN, ClickView, LoadedClickNetwork
from any2bokeh.subject.seen_things import MOST_CUT, Thing, each_once, look_at_places
from any2bokeh.video.clip import Clip
from any2bokeh.video.span import Span

LOOKS = (0.1, 0.4, 0.7)  # of the clip: the frames in which it is looked for
APART = 2  # frames, between which motion is seen
GRID = 5, 7  # rows and columns of places that are tried in each
FULL_AREA = 0.06  # of the frame: beyond, more does not count
RING = 0.04  # of the longer side: how far its surroundings reach
AHEAD = 1.5  # deviations of disparity before its surroundings, beyond which more does not count
MOVING = 0.004  # of the longer side per frame, apart from the camera's motion; beyond, more does not count


@dataclass(frozen=True, eq=False)
class Candidate:
    """A thing that may be the subject, in a frame, by number, and how likely it is, 0..1."""

    thing: Thing
    number: int
    likelihood: float


def find_likeliest(video: Clip, network: LoadedClickNetwork) -> tuple[Point, int]:
    """Return a point well inside the likeliest subject of a clip, and how many things stand out.

    Raises ``FocusError`` where nothing does.
    """
    found = [one for share in LOOKS for one in _candidates(video, network, share)]
    if not found:
        raise FocusError(
            f"Nothing in {video.info.path} stands out as its subject.",
            hint="Point at it: `points` takes X,Y or X,Y@TIME.",
        )
    best = max(found, key=lambda one: one.likelihood)
    x, y = best.thing.inner_point()
    x, y = x * video.info.width, y * video.info.height
    number = bisect_left(video.all_times, video.times[best.number])
    here = sum(one.number == best.number for one in found)
    return Point(float(int(x)), float(int(y)), TimePoint(frame=number)), here


def _candidates(video: Clip, network: LoadedClickNetwork, share: float) -> list[Candidate]:
    """The things that stand out in one frame, each once."""
    times = video.times
    number = int(share * (len(times) - 1))
    later = min(number + APART, len(times) - 1)
    segmenter = network.segmenter()
    with video.shown(Span(times[number], times[later] + 1)) as frames:
        views = [segmenter.view(frame) for frame in islice(frames, APART + 1)]
    if not views:
        return []
    motion = to_units(flow_to(views[0].gray, views[-1].gray)) if len(views) > 1 else None
    found, seen = look_at_places(network, views[0], GRID, motion)
    disparity, speed = _standardized(seen), _speed(motion, views[0])
    likelihoods = {one: one.quality * _prominence(one, disparity, speed) for one in found}
    likely = each_once(found, likelihoods.__getitem__)
    return [Candidate(one, number, likelihoods[one]) for one in likely if likelihoods[one] > 0]


def _standardized(disparity: Tensor) -> Floats:
    values = disparity[0, 0].float().cpu().numpy()
    return np.asarray((values - values.mean()) / (values.std() + 1e-3), np.float32)


def _speed(motion: Floats | None, view: ClickView) -> Floats:
    """How far each pixel ``h w`` moves by itself, in shares of the longer side per frame."""
    if motion is None:
        return np.zeros(view.gray.shape, np.float32)
    length: Floats = vector_length(*cv2.split(motion))
    return length * np.float32(MOTION_UNIT / APART)


def _prominence(thing: Thing, disparity: Floats, speed: Floats) -> float:
    """How much a thing stands out, 0..1."""
    inside = thing.mask > SEEN
    size = inside.shape[::-1]
    disparity = cv2.resize(disparity, size)
    reach = 2 * max(2, round(RING * max(size))) + 1
    ring = (cv2.dilate(inside.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0) & ~inside
    behind = disparity[ring].mean() if ring.any() else disparity.mean()
    ahead = np.clip((disparity[inside].mean() - behind) / AHEAD, 0, 1)
    moves = np.clip(cv2.resize(speed, size)[inside].mean() / MOVING, 0, 1)
    rows, columns = np.nonzero(inside)
    away = np.hypot(rows.mean() / size[1] - 0.5, columns.mean() / size[0] - 0.5)
    large = min(inside.mean() / FULL_AREA, 1) ** 0.5
    within = max(0.0, 1 - thing.cut_share() / MOST_CUT)
    return float(within * large * (0.35 * ahead + 0.3 * moves + 0.35 * (1 - away / 0.71)))
