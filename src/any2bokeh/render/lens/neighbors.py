"""Neighboring frames' view of regions that are occluded, or outside the picture, in this one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from any2bokeh.motion.camera import CameraMotion, Thumbnail, fit_motion, make_thumbnail
from any2bokeh.optics.coc import CocScale
from any2bokeh.render.lens.model import EDGE_STEP_PX
from any2bokeh.scene import Scene

REACH = 3  # frames to each side: the third adds 0.03 dB
AGREE_PX = 0.7  # circles of confusion of one surface, seen in two frames
# Code values between the views of one point and their mean, or one alone and the background around.
UNLIKE = 0.25
SETTLING_ROUNDS = 4  # of looking up the disparity at the place that the disparity itself decides

Places = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Neighbor:
    """Another frame: its light ``3 H W``, the same with edges matted, its disparity ``H W``.

    ``move`` takes positions x, y [px] and disparities of points in this frame to positions in the
    other; ``distance`` counts the frames between them.
    """

    linear: Tensor
    matted: Tensor
    disparity: Tensor
    distance: int
    move: Callable[[Tensor, Tensor, Tensor], Places]


@dataclass(frozen=True, eq=False)
class PreparedFrame:
    """One frame for the lens: ``linear`` light ``3 H W``, CoC [px] and disparity ``H W``.

    ``matted`` is the light without the share of nearer surfaces in edge pixels. ``coc`` has steps where the
    estimated disparity had ramps, and ``disparity`` is that of ``coc``.
    """

    scene: Scene
    scale: CocScale
    linear: Tensor
    matted: Tensor
    coc: Tensor
    disparity: Tensor


def with_neighbors(frames: Iterable[PreparedFrame]) -> Iterator[tuple[PreparedFrame, list[Neighbor]]]:
    """Yield each frame, in order, with up to ``REACH`` frames of its shot before it and after it.

    At most ``2 REACH + 1`` frames are held, and ``REACH`` are read ahead.
    """
    window: list[PreparedFrame] = []
    motions: list[CameraMotion | None] = []  # from each frame of the window to the next
    last: Thumbnail | None = None
    here = 0
    for frame in frames:
        thumbnail = make_thumbnail(frame.scene.sharp, frame.scene.disparity)
        if last is not None:
            motions.append(fit_motion(last, thumbnail, (frame.coc.shape[0], frame.coc.shape[1])))
        window.append(frame)
        last = thumbnail
        if len(window) - here > REACH:
            yield window[here], _neighbors(window, motions, here)
            here += 1
        if here > REACH:
            del window[0], motions[0]
            here -= 1
    for place in range(here, len(window)):
        yield window[place], _neighbors(window, motions, place)


def _neighbors(window: list[PreparedFrame], motions: list[CameraMotion | None], here: int) -> list[Neighbor]:
    """The other frames of the window whose motion from frame ``here`` is known."""
    found = []
    for place in range(max(0, here - REACH), min(len(window), here + REACH + 1)):
        path = motions[min(place, here) : max(place, here)]
        if place == here or None in path:
            continue
        known = [motion for motion in path if motion is not None]
        move = partial(_follow, known) if place > here else partial(_follow_back, known)
        other = window[place]
        found.append(Neighbor(other.linear, other.matted, other.disparity, abs(place - here), move))
    return found


def _follow(path: list[CameraMotion], x: Tensor, y: Tensor, disparity: Tensor) -> Places:
    for motion in path:
        x, y = motion.forward(x, y, disparity)
    return x, y


def _follow_back(path: list[CameraMotion], x: Tensor, y: Tensor, disparity: Tensor) -> Places:
    for motion in reversed(path):
        x, y = motion.backward(x, y, disparity)
    return x, y


def recall_points(
    x: Tensor, y: Tensor, linear: Tensor, coc: Tensor, neighbors: list[Neighbor], scale: CocScale
) -> tuple[Tensor, Tensor]:
    """Light ``3 P`` and CoC [px] of P points that a frame occludes, as frames around saw them, else as given.

    Each point (``x``, ``y`` in pixels of the frame) is looked up where its surface has moved to. Its color
    there is taken if the disparity is that of the surface; frames count by the inverse square of their
    distance. Where all of them saw something at least ``EDGE_STEP_PX`` farther instead, that is the
    occluded surface. Things that move by themselves are somewhere else in each frame: where frames do not
    agree on a color, or one alone saw another than the one given, the point stays as given.
    """
    disparity = scale.disparity(coc)
    x, y = x.to(disparity.dtype), y.to(disparity.dtype)
    tolerance = AGREE_PX / scale.px
    neighbors = sorted(neighbors, key=lambda other: other.distance)
    seen = torch.zeros_like(x, dtype=torch.bool)
    for other in neighbors:
        seen |= (
            _sample(other.matted, other.disparity, other.move(x, y, disparity), disparity, tolerance)[0] > 0
        )
    for other in neighbors:
        settled = _settle(other, x, y, disparity)
        there = other.move(x, y, settled)
        agreement = _sample(other.matted, other.disparity, there, settled, tolerance)[0]
        farther = (agreement > 0) & ((disparity - settled) * scale.px >= EDGE_STEP_PX) & ~seen
        disparity = torch.where(farther, settled, disparity)
        seen |= farther
    colors, weights = linear.new_zeros(len(neighbors), *linear.shape), x.new_zeros(len(neighbors), len(x))
    for number, other in enumerate(neighbors):
        there = other.move(x, y, disparity)
        agreement, colors[number] = _sample(other.matted, other.disparity, there, disparity, tolerance)
        weights[number] = agreement / other.distance**2
    light = (colors * weights[:, None]).sum(0) / weights.sum(0).clamp(min=1e-9)
    is_seen = weights > 0
    agrees = (_difference(colors, light) <= UNLIKE) | ~is_seen
    believed = (is_seen.sum(0) > 1) | (_difference(light, linear) <= UNLIKE)
    seen = is_seen.any(0) & agrees.all(0) & believed
    return torch.where(seen, light, linear), torch.where(seen, scale.coc(disparity), coc)


def _difference(one: Tensor, other: Tensor) -> Tensor:
    """How much linear light ``... 3 P`` differs in any channel, about in code values: ``... P``."""
    return (one.clamp(min=0).pow(1 / 2.2) - other.clamp(min=0).pow(1 / 2.2)).abs().amax(-2)


def recall_outside(
    linear: Tensor, disparity: Tensor, neighbors: list[Neighbor], scale: CocScale, margin: int
) -> tuple[Tensor, Tensor]:
    """A picture ``3 H W`` and its disparity ``H W``, the ``margin`` around the frame filled where seen.

    A point outside the frame is looked up with the disparity that it is given, again with the one found
    there, and so on: where that settles, the neighbor has seen it.
    """
    height, width = disparity.shape
    outside = torch.ones_like(disparity, dtype=torch.bool)
    outside[margin : height - margin, margin : width - margin] = False
    rows, columns = outside.nonzero(as_tuple=True)
    x, y = (columns - margin).to(disparity.dtype), (rows - margin).to(disparity.dtype)
    found = disparity[rows, columns]
    colors, known = linear[:, rows, columns], torch.zeros_like(found, dtype=torch.bool)
    tolerance = AGREE_PX / scale.px
    for other in sorted(neighbors, key=lambda neighbor: neighbor.distance):
        guess = _settle(other, x, y, found)
        there = other.move(x, y, guess)
        agreement, color = _sample(other.linear, other.disparity, there, guess, tolerance)
        new = (agreement > 0) & ~known
        found, colors = torch.where(new, guess, found), torch.where(new, color, colors)
        known |= new
    linear, disparity = linear.clone(), disparity.clone()
    linear[:, rows, columns], disparity[rows, columns] = colors, found
    return linear, disparity


def _settle(other: Neighbor, x: Tensor, y: Tensor, disparity: Tensor) -> Tensor:
    """The disparity that P points have in another frame, at the place that this disparity itself decides."""
    for _ in range(SETTLING_ROUNDS):
        disparity = _nearest(other.disparity, other.move(x, y, disparity), disparity)
    return disparity


def _nearest(image: Tensor, places: Places, outside: Tensor) -> Tensor:
    """``image`` ``H W`` at the pixels nearest to P places; ``outside`` where they are not in it."""
    height, width = image.shape
    columns, rows = (place.round().long() for place in places)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return torch.where(inside, image[rows.clamp(0, height - 1), columns.clamp(0, width - 1)], outside)


def _sample(
    linear: Tensor, disparity: Tensor, places: Places, wanted: Tensor, tolerance: float
) -> tuple[Tensor, Tensor]:
    """How well P places show a surface of the ``wanted`` disparity, 0 to 1, and its color there (``3 P``).

    Of the four pixels around a place those count whose disparity is within ``tolerance``, as in bilinear
    interpolation; less than a quarter in all is not enough.
    """
    height, width = disparity.shape
    x, y = places
    left, top = x.floor(), y.floor()
    inside = (left >= 0) & (left < width - 1) & (top >= 0) & (top < height - 1)
    columns, rows = left.clamp(0, width - 2).long(), top.clamp(0, height - 2).long()
    along_x, along_y = x - left, y - top
    total, weights = torch.zeros(3, len(x), device=x.device), torch.zeros_like(x)
    for dy in (0, 1):
        for dx in (0, 1):
            share = (along_x if dx else 1 - along_x) * (along_y if dy else 1 - along_y)
            same = (disparity[rows + dy, columns + dx] - wanted).abs() <= tolerance
            share = share * same
            total += linear[:, rows + dy, columns + dx] * share
            weights += share
    seen = inside & (weights >= 0.25)
    return torch.where(seen, weights, 0), total / weights.clamp(min=1e-6)
