"""Frames with the frames around them: a window that slides over the clip."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from any2bokeh.motion.camera import CameraMotion, Thumbnail, fit_motion, make_thumbnail
from any2bokeh.optics.coc import CocScale
from any2bokeh.render.lens.neighbours import Neighbour, Places
from any2bokeh.scene import Scene

REACH = 3  # frames to each side: the third adds 0.03 dB


@dataclass(frozen=True, eq=False)
class View:
    """One frame for the lens: linear light, the same un-mixed (``3 H W``), CoC [px], disparity (``H W``)."""

    scene: Scene
    scale: CocScale
    linear: Tensor
    unmixed: Tensor
    coc: Tensor
    disparity: Tensor


def with_neighbours(views: Iterable[View]) -> Iterator[tuple[View, list[Neighbour]]]:
    """Yield each view, in order, with up to ``REACH`` frames of its shot before it and after it.

    At most ``2 REACH + 1`` views are held, and ``REACH`` are read ahead.
    """
    window: list[View] = []
    motions: list[CameraMotion | None] = []  # from each view of the window to the next
    last: Thumbnail | None = None
    here = 0
    for view in views:
        thumbnail = make_thumbnail(view.scene.sharp, view.scene.disparity)
        if last is not None:
            motions.append(fit_motion(last, thumbnail, (view.coc.shape[0], view.coc.shape[1])))
        window.append(view)
        last = thumbnail
        if len(window) - here > REACH:
            yield window[here], _neighbours(window, motions, here)
            here += 1
        if here > REACH:
            del window[0], motions[0]
            here -= 1
    for place in range(here, len(window)):
        yield window[place], _neighbours(window, motions, place)


def _neighbours(window: list[View], motions: list[CameraMotion | None], here: int) -> list[Neighbour]:
    found = []
    for place in range(max(0, here - REACH), min(len(window), here + REACH + 1)):
        path = motions[min(place, here) : max(place, here)]
        if place == here or None in path:
            continue
        known = [motion for motion in path if motion is not None]
        move = partial(_follow, known) if place > here else partial(_follow_back, known)
        other = window[place]
        found.append(Neighbour(other.linear, other.unmixed, other.disparity, abs(place - here), move))
    return found


def _follow(path: list[CameraMotion], x: Tensor, y: Tensor, disparity: Tensor) -> Places:
    for motion in path:
        x, y = motion.forward(x, y, disparity)
    return x, y


def _follow_back(path: list[CameraMotion], x: Tensor, y: Tensor, disparity: Tensor) -> Places:
    for motion in reversed(path):
        x, y = motion.backward(x, y, disparity)
    return x, y
