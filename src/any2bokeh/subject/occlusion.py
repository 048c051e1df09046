"""Occluders of the subject: nearer things at which its mask is cut.

That something is nearer is not enough, since estimators err: in doubt it stands behind. So two things must
come together: disparity says that it is nearer, by a step along the border that it shares with the mask;
and the mask is cut there. That shows in time, where the subject's own motion brings the mask of neighboring
frames to a place that it does not fill in this one; and in space, where a nearer thing lies between two
parts of the mask.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from any2bokeh.arrays import Bytes, Flags, Floats
from any2bokeh.motion.flow import FlowPreset, dense_flow
from any2bokeh.subject.hold import Standing, grown

REACH = 6  # frames to each side whose masks are brought here
NEARER = 0.06  # disparity by which a thing is before the subject: more than a depth of field
CUT_SHARE = 0.4  # of the border with the mask, along which the mask must be cut
BORDER_PX = 4  # of the small picture: the width of the border around the mask
SMALLEST_PX = 16  # a side below this holds too little for the motion of all of a subject
LEAST_PX = 24  # of such a border
BETWEEN_SHARE = 0.5  # of a thing's border, that lies between two parts of the mask


@dataclass(frozen=True, eq=False)
class SubjectView:
    """One frame, small, as the subject is looked for in it.

    ``gray`` is ``h w`` uint8, ``inside`` ``h w`` bool, ``disparity`` ``h w`` float32; ``standing`` is
    ``None`` where the subject is not there. A frame that ``starts_shot`` has nothing to do with those
    before. Where its mask ``is_carried``, it comes from other frames.
    """

    gray: Bytes
    inside: Flags
    disparity: Floats
    standing: Standing | None
    starts_shot: bool = False
    is_carried: bool = False


def find_occluders(views: Iterable[SubjectView]) -> Iterator[Flags | None]:
    """Yield for each frame where something covers the subject, ``h w`` bool, or ``None`` where nothing does.

    ``REACH`` frames are held back.
    """
    window: deque[SubjectView] = deque()
    steps: deque[tuple[float, float] | None] = deque()  # the subject's motion to the next frame of the window
    here = 0
    for view in views:
        if window:
            steps.append(None if view.starts_shot else _subject_motion(window[-1], view))
        window.append(view)
        if len(window) - here > REACH:
            yield _occluders(window, steps, here)
            here += 1
        if here > REACH:
            window.popleft()
            steps.popleft()
            here -= 1
    for place in range(here, len(window)):
        yield _occluders(window, steps, place)


def _occluders(
    window: deque[SubjectView], steps: deque[tuple[float, float] | None], here: int
) -> Flags | None:
    view = window[here]
    if view.standing is None:
        return None
    nearer = (view.disparity > view.standing.disparity + NEARER) & ~view.inside & _above_feet(view)
    if not nearer.any():
        return None
    border = nearer & grown(torch.from_numpy(view.inside), BORDER_PX).numpy()
    cut = _expected(window, steps, here) & ~view.inside
    between = _between(view.inside)
    found = np.zeros_like(nearer)
    for part in _parts(nearer):
        at_border = part & border
        size = at_border.sum()
        if size < LEAST_PX:
            continue
        is_cut = (at_border & cut).sum() > CUT_SHARE * size
        if is_cut or (at_border & between).sum() > BETWEEN_SHARE * size:
            found |= part
    return found if found.any() else None


def _subject_motion(first: SubjectView, second: SubjectView) -> tuple[float, float] | None:
    """How the subject moves from one frame to the next: the median flow inside its mask [px] (x, y)."""
    if not (first.inside.any() and second.inside.any()) or min(first.gray.shape) < SMALLEST_PX:
        return None
    shift = dense_flow(first.gray, second.gray, FlowPreset.UNREFINED)[first.inside]
    x, y = np.median(shift, axis=0)
    return float(x), float(y)


def _expected(window: deque[SubjectView], steps: deque[tuple[float, float] | None], here: int) -> Flags:
    """Where the masks of neighboring frames are, brought here by the subject's motion: ``h w`` bool."""
    expected = np.zeros_like(window[here].inside)
    for direction in (1, -1):
        x = y = 0.0
        place = here
        while 0 <= place + direction < len(window) and abs(place + direction - here) <= REACH:
            step = steps[place if direction > 0 else place - 1]
            if step is None:
                break
            x, y = x + direction * step[0], y + direction * step[1]
            place += direction
            expected |= _moved(window[place].inside, -x, -y)
    return expected


def _moved(inside: Flags, x: float, y: float) -> Flags:
    """The mask, moved by so many pixels to the right and down; nothing comes in from outside."""
    height, width = inside.shape
    right, down = round(x), round(y)
    moved = np.zeros_like(inside)
    if abs(right) >= width or abs(down) >= height:
        return moved
    source = inside[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    moved[max(0, down) : height - max(0, -down), max(0, right) : width - max(0, -right)] = source
    return moved


def _between(inside: Flags) -> Flags:
    """The pixels between two parts of the mask, along a row or a column."""

    def along(axis: int) -> Flags:
        before = np.logical_or.accumulate(inside, axis)
        after = np.flip(np.logical_or.accumulate(np.flip(inside, axis), axis), axis)
        return before & after

    return (along(0) | along(1)) & ~inside


def _above_feet(view: SubjectView) -> Flags:
    """The pixels above the line where the subject meets the ground, which may be nearer than it."""
    assert view.standing is not None
    height, width = view.inside.shape
    rows = view.standing.line_at(width).numpy() * height
    above: Flags = np.arange(height)[:, None] < rows[None]
    return above


def _parts(chosen: Flags) -> Iterator[Flags]:
    """The connected parts of a set."""
    count, labels = cv2.connectedComponents(chosen.view(np.uint8), connectivity=4)
    for label in range(1, count):
        yield labels == label
