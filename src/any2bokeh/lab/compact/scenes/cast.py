"""The solids of one scene, and the camera that sees them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.lab.compact.scenes.prints import prints
from any2bokeh.lab.compact.scenes.shading import PAINT, shade
from any2bokeh.lab.compact.scenes.solids import MISS, WHOLE, trace
from any2bokeh.lab.synthesis.stage import turned_axes

Array = NDArray[np.float64]

SHADOW_SIDE = 224  # samples along each side of the shadow map
NEAR_M = 0.06  # solids that reach nearer than this may fill the picture
_CORNERS = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(8, 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Viewpoint:
    """A camera at ``place`` (meters), turned by pitch (up), yaw (right) and roll.

    ``zoom`` is the focal length over half the picture's longer side; the picture has ``height`` and ``width``
    samples.
    """

    place: Array
    turn_deg: tuple[float, float, float]
    zoom: float
    height: int
    width: int

    def axes(self) -> Array:
        """Rows: right, up and forward in the world."""
        pitch, yaw, roll = self.turn_deg
        return np.stack(turned_axes((yaw, pitch, roll)))

    def rays(self) -> Floats:
        """Origin and directions as ``trace`` takes them; t counts meters along the camera's axis."""
        right, up, forward = self.axes()
        step = 2 / (self.zoom * max(self.height, self.width))
        first = forward - right * step * (self.width - 1) / 2 + up * step * (self.height - 1) / 2
        zero = np.zeros(3)
        return np.stack([self.place, zero, zero, first, right * step, -up * step]).astype(np.float32)


@dataclass(eq=False)
class Lights:
    """The sun (``toward`` it, ``color``), light from above and below, and lamps ``L 6``."""

    toward: Array
    color: Array
    above: Array
    below: Array
    lamps: list[Array] = field(default_factory=list)
    softness: int = 1


@dataclass(eq=False)
class Air:
    """Sky (zenith, horizon, clouds: amount, size, seed, brightness), and haze (color, share per meter)."""

    zenith: Array
    horizon: Array
    clouds: Array
    haze: Array


class Cast:
    """Solids collected one group after the other."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[np.int32], Array, Array, Array, Array]] = []

    def add(
        self,
        kind: int,
        centers: Array,
        axes: Array,
        paints: Array,
        *,
        taper: float | Array = 0.0,
        cut: tuple[int, float, float, float] = (WHOLE, 1.0, 1.0, 0.0),
    ) -> None:
        """Add solids of one kind, at ``centers`` ``N 3``.

        ``axes`` are ``N 3 3``, whose rows are the half axes in the world, ``paints`` ``N PAINT``, and
        ``cut`` is the pattern of their cutouts, its rate, share and seed.
        """
        centers, axes = np.atleast_2d(centers), np.asarray(axes).reshape(-1, 3, 3)
        count = len(centers)
        kinds = np.tile(np.array([[kind, cut[0]]], np.int32), (count, 1))
        forms = np.empty((count, 4))
        forms[:, 0], forms[:, 1:] = taper, cut[1:]
        paints = np.broadcast_to(np.asarray(paints).reshape(-1, PAINT), (count, PAINT))
        self._parts.append((kinds, centers, np.broadcast_to(axes, (count, 3, 3)), forms, paints))

    def solids(self) -> tuple[Integers32, Array, Array, Array, Array]:
        """All of them: kinds, centers, axes, forms and paints."""
        kinds, centers, axes, forms, paints = (
            np.concatenate(part) for part in zip(*self._parts, strict=True)
        )
        return kinds, centers, axes, forms, paints


# As ``shade`` takes them: kinds, frames, forms, half sizes, paints.
Solids = tuple[Integers32, Floats, Floats, Floats, Floats]


def render(cast: Cast, view: Viewpoint, lights: Lights, air: Air) -> tuple[Floats, Floats]:
    """Return linear color ``H W 3`` and inverse depth ``H W`` (1/m, sky 0) of a scene."""
    return LitCast(cast, view, lights, air).look()


class LitCast:
    """The solids of a scene in their light, to be looked at from the camera and from places beside it."""

    def __init__(self, cast: Cast, view: Viewpoint, lights: Lights, air: Air) -> None:
        self._solids, self._corners = _packed(cast)
        self._view = view
        self._axes, self._rays = view.axes(), view.rays()
        self._shadows = _shadows(self._solids, self._corners, view, lights)
        sun = np.stack([lights.toward, lights.color, lights.above, lights.below]).astype(np.float32)
        lamps = np.array(lights.lamps, np.float32).reshape(-1, 6)
        sky = np.zeros((3, 4), np.float32)
        sky[0, :3], sky[1, :3], sky[2] = air.zenith, air.horizon, air.clouds
        self._light, self._air = (sun, lamps, *self._shadows), (sky, air.haze.astype(np.float32))

    def look(
        self,
        beside_m: tuple[float, float] = (0.0, 0.0),
        inverse_focus: float = 0.0,
        shift_px: tuple[float, float] = (0.0, 0.0),
    ) -> tuple[Floats, Floats]:
        """Return linear color ``H W 3`` and inverse depth ``H W`` (1/m, sky 0).

        They are seen from a point of the lens, ``beside_m`` (right, up) of its middle, through samples
        that lie ``shift_px`` (right, down) of the pixels' centers. Surfaces at the inverse depth
        ``inverse_focus`` are where they are for the middle.
        """
        view = self._view
        aside = beside_m[0] * self._axes[0] + beside_m[1] * self._axes[1]
        rays = self._rays.copy()
        rays[0] += aside.astype(np.float32)
        rays[3] += shift_px[0] * rays[4] + shift_px[1] * rays[5] - (aside * inverse_focus).astype(np.float32)
        scale = view.zoom * max(view.height, view.width) / 2
        in_focus_px = beside_m[0] * inverse_focus * scale, -beside_m[1] * inverse_focus * scale
        moved_px = in_focus_px[0] - shift_px[0], in_focus_px[1] - shift_px[1]
        windows, distance = _windows(self._corners, view, view.place + aside, moved_px)
        visible = np.flatnonzero((windows[:, 1] > windows[:, 0]) & (windows[:, 3] > windows[:, 2]))
        order = visible[np.argsort(distance[visible])]  # near ones first hide the others cheaply
        kinds, frames, forms, halves, paints = self._solids
        seen = (kinds[order], frames[order], forms[order], halves[order], paints[order])
        depth = np.empty((view.height, view.width), np.float32)
        owner = np.empty((view.height, view.width), np.int32)
        trace(*seen[:3], windows[order], rays, depth, owner)
        picture = np.empty((view.height, view.width, 3), np.float32)
        shade(seen, rays, (depth, owner), self._light, self._air, prints(), picture)
        return picture, np.where(owner < 0, np.float32(0), 1 / depth)


def _packed(cast: Cast) -> tuple[Solids, Array]:
    """The solids as compiled code takes them, and the corners ``N 8 3`` of the boxes around them."""
    kinds, centers, axes, forms, paints = cast.solids()
    halves = np.linalg.norm(axes, axis=2)
    frames = np.empty((len(centers), 3, 4))
    frames[:, :, :3] = np.linalg.inv(axes.transpose(0, 2, 1))
    frames[:, :, 3] = -np.einsum("nij,nj->ni", frames[:, :, :3], centers)
    corners = centers[:, None] + np.einsum("ck,nkj->ncj", _CORNERS, axes)
    frames_, forms_, halves_, paints_ = (part.astype(np.float32) for part in (frames, forms, halves, paints))
    return (kinds, frames_, forms_, halves_, paints_), corners


def _windows(
    corners: Array, view: Viewpoint, place: Array, moved_px: tuple[float, float]
) -> tuple[Integers32, Array]:
    """Rows and columns ``N 4`` where solids with these corners ``N 8 3`` may be seen, and their distance.

    They are seen from ``place``; all that the picture shows is moved by ``moved_px`` (right, down).
    """
    seen = (corners - place) @ view.axes().T
    nearest = seen[:, :, 2].min(1)
    behind = seen[:, :, 2].max(1) < NEAR_M
    z = np.maximum(seen[:, :, 2], NEAR_M)
    scale = view.zoom * max(view.height, view.width) / 2
    columns = seen[:, :, 0] / z * scale + (view.width - 1) / 2 + moved_px[0]
    rows = -seen[:, :, 1] / z * scale + (view.height - 1) / 2 + moved_px[1]
    windows = np.stack([rows.min(1), rows.max(1) + 1, columns.min(1), columns.max(1) + 1], 1)
    windows[nearest < NEAR_M] = (0, view.height, 0, view.width)
    ends = np.array([view.height, view.height, view.width, view.width])
    windows = np.clip(np.floor(windows + np.array([0, 1, 0, 1])), 0, ends)
    windows[behind] = 0
    return windows.astype(np.int32), nearest


def _shadows(solids: Solids, corners: Array, view: Viewpoint, lights: Lights) -> tuple[Floats, Floats]:
    """The shadow map, depths from the sun ``SIDE SIDE``, and the frame ``4 4`` from the world to it.

    The last row of the frame holds the slack and how far apart looks are. Rooms and grounds throw no shadow.
    """
    kinds, frames, forms, halves, _ = solids
    forward = view.axes()[2]
    reach = 9.0
    middle = view.place + forward * 5.5
    down = -lights.toward
    right = np.cross([0.31, 0.2, 0.93], down)
    right /= np.linalg.norm(right)
    up = np.cross(down, right)
    step = 2 * reach / SHADOW_SIDE
    start = middle - down * 60 - (right + up) * step * (SHADOW_SIDE - 1) / 2
    rays = np.stack([start, right * step, up * step, down, np.zeros(3), np.zeros(3)]).astype(np.float32)

    places = (corners - start) @ np.stack([up, right]).T / step
    low, high = np.floor(places.min(1)), np.ceil(places.max(1)) + 1
    windows = np.clip(np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], 1), 0, SHADOW_SIDE).astype(
        np.int32
    )
    throws = np.flatnonzero(
        (halves.max(1) < reach) & (windows[:, 1] > windows[:, 0]) & (windows[:, 3] > windows[:, 2])
    )
    shadows = np.empty((SHADOW_SIDE, SHADOW_SIDE), np.float32)
    owner = np.empty((SHADOW_SIDE, SHADOW_SIDE), np.int32)
    trace(kinds[throws], frames[throws], forms[throws], windows[throws], rays, shadows, owner)
    shadows[owner < 0] = MISS

    light_frame = np.zeros((4, 4))
    for row, axis, scale in ((0, right, step), (1, up, step), (2, down, 1.0)):
        light_frame[row, :3] = axis / scale
        light_frame[row, 3] = -axis @ start / scale + (0.5 if row < 2 else 0)
    light_frame[3, :2] = 1.2 * step * lights.softness, lights.softness
    return shadows, light_frame.astype(np.float32)
