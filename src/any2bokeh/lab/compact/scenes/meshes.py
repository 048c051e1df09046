"""Surfaces of triangles with a color at each corner: made, and drawn into a scene."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.jit import compiled
from any2bokeh.lab.compact.scenes.cast import Array
from any2bokeh.lab.compact.scenes.prints import COUNT, SIDE, prints

NEAREST_M = 0.12  # triangles with a corner nearer than this are not drawn
Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Corners ``positions V 3`` in meters (y up), their ``normals``, linear ``colors``; ``triangles T 3``."""

    positions: Array
    normals: Array
    colors: Array
    triangles: Integers32

    def moved(self, turn: Array, shift: Array, scale: float = 1.0) -> "Mesh":
        """The same, scaled, turned by ``3 3`` and then shifted."""
        positions = self.positions * scale @ turn.T + shift
        return replace(self, positions=positions, normals=self.normals @ turn.T)

    def standing(self) -> "Mesh":
        """The same with its lowest corner at height 0."""
        return self.moved(np.eye(3), np.array([0, -self.positions[:, 1].min(), 0]))


def draw_between(rng: Rng, low: float, high: float) -> float:
    """A random number."""
    return float(rng.uniform(low, high))


def at(x: float, y: float, z: float) -> Array:
    """A place or a step, ``3``."""
    return np.array([x, y, z], float)


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Return one mesh of several."""
    starts = np.cumsum([0] + [len(mesh.positions) for mesh in meshes[:-1]])
    return Mesh(
        positions=np.concatenate([mesh.positions for mesh in meshes]),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        colors=np.concatenate([mesh.colors for mesh in meshes]),
        triangles=np.concatenate(
            [mesh.triangles + start for mesh, start in zip(meshes, starts, strict=True)]
        ).astype(np.int32),
    )


def turn_about(axis: int, degrees: float) -> Array:
    """The right-handed rotation ``3 3`` about x, y or z."""
    angle = np.deg2rad(degrees)
    turn = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[j, i], turn[i, j] = np.sin(angle), -np.sin(angle)
    return turn


def skin_of(rng: Rng, *, tint: Array | None = None, contrast: float = 0.6) -> "Skin":
    """A random coat of paint: two colors, and the print that decides between them."""
    base = rng.random() ** 1.4 * rng.uniform(0.7, 1, 3) if tint is None else tint * rng.uniform(0.7, 1.3)
    if tint is None and rng.random() < 0.25:
        base = rng.random(3) ** 1.5
    other = base * rng.uniform(0.3, 1.7) if rng.random() < 0.7 else rng.random(3) ** 1.5
    share = contrast * rng.uniform(0, 1)
    return Skin(
        colors=np.clip(0.015 + 0.85 * np.stack([base, base + share * (other - base)]), 0, 0.95),
        page=int(rng.integers(COUNT)),
        repeats=float(np.exp(rng.normal(0, 0.7))),
        start=rng.integers(0, SIDE, 2),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Skin:
    """Two ``colors`` and a page of the prints, which covers a surface ``repeats`` times."""

    colors: Array
    page: int
    repeats: float
    start: NDArray[np.int64]

    def paint(self, u: Array, v: Array) -> Array:
        """Colors ``... 3`` at places 0..1 of a surface."""
        rows, columns = (
            np.floor(part * SIDE * self.repeats + start).astype(int) % SIDE
            for part, start in ((u, self.start[0]), (v, self.start[1]))
        )
        share = prints()[self.page][rows, columns][..., None]
        result: Array = self.colors[0] * (1 - share) + self.colors[1] * share
        return result


def sheet(positions: Array, skin: Skin, *, is_closed: bool = False) -> Mesh:
    """A mesh of a grid of places ``R C 3``; ``is_closed`` joins its last column to its first."""
    rows, columns = positions.shape[:2]
    if is_closed:
        around = np.concatenate([positions[:, -1:], positions, positions[:, :1]], axis=1)
        across = (around[:, 2:] - around[:, :-2]) / 2
    else:
        across = np.gradient(positions, axis=1)
    normals = np.cross(across, np.gradient(positions, axis=0))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if is_closed else columns - 1), indexing="ij")
    a, b = i * columns + j, i * columns + (j + 1) % columns
    triangles = np.stack([a, b, a + columns, b, b + columns, a + columns], -1).reshape(-1, 3)
    return Mesh(
        positions=positions.reshape(-1, 3),
        normals=normals.reshape(-1, 3),
        colors=skin.paint(u, v).reshape(-1, 3),
        triangles=triangles.astype(np.int32),
    )


def panel(first: Array, second: Array, skin: Skin) -> Mesh:
    """A thin sheet between two edges ``N 3``."""
    steps = np.linspace(0, 1, 9)[:, None, None]
    edges = [
        np.stack([np.interp(np.linspace(0, len(e) - 1, 9), np.arange(len(e)), e[:, k]) for k in range(3)], 1)
        for e in (first, second)
    ]
    return sheet(edges[0][None] * (1 - steps) + edges[1][None] * steps, skin)


def tube(
    path: Array, radii: Array | Sequence[float], skin: Skin, *, corners: int = 16, flatness: float = 1.0
) -> Mesh:
    """A tube along ``path N 3`` with ``radii N``, closed at its ends; ``flatness`` squeezes it sideways."""
    path, radii = np.asarray(path, float), np.asarray(radii, float)
    steps = np.linspace(0, len(path) - 1, 4 * len(path) + 5)
    line = np.stack([np.interp(steps, np.arange(len(path)), path[:, k]) for k in range(3)], 1)
    wide = np.interp(steps, np.arange(len(path)), radii)
    # Round ends: the radius of a ball where the tube begins and where it ends.
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    for ends, at in ((length, radii[0]), (length[-1] - length, radii[-1])):
        inside = np.clip(ends / max(at, 1e-6), 0, 1)
        wide = wide * np.sqrt(1 - (1 - inside) ** 2)
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = np.cross(along, np.where(np.abs(along[:, 1:2]) < 0.9, [[0.0, 1, 0]], [[0.0, 0, 1]]))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(side, along)
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)[None, :, None]
    ring = np.cos(angle) * side[:, None] * flatness + np.sin(angle) * up[:, None]
    return sheet(line[:, None] + wide[:, None, None] * ring, skin, is_closed=True)


def lathe(radii: Array, heights: Array, skin: Skin, *, corners: int = 28) -> Mesh:
    """A turned body around the y axis: ``radii N`` at ``heights N``."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ring = np.stack([np.cos(angle), np.zeros(corners), -np.sin(angle)], 1)
    steps = np.linspace(0, len(radii) - 1, 3 * len(radii) + 8)
    wide, high = (np.interp(steps, np.arange(len(radii)), part) for part in (radii, heights))
    places = wide[:, None, None] * ring[None] + high[:, None, None] * np.array([0.0, 1, 0])
    return sheet(places, skin, is_closed=True)


def block(half: Array, skin: Skin) -> Mesh:
    """A box around the origin with these half sides, its edges sharp."""
    line = np.linspace(-1, 1, 12)
    sides = []
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        for sign in (-1, 1):
            places = np.empty((12, 12, 3))
            places[..., axis] = sign
            places[..., i], places[..., j] = np.meshgrid(line * sign, line)
            sides.append(sheet(places * half, skin))
    return joined(sides)


def lump(rng: Rng, half: Array, skin: Skin, *, rough: float = 0.2) -> Mesh:
    """A ball with these half sides and bumps of several sizes."""
    down, around = np.linspace(0, np.pi, 22), np.linspace(0, 2 * np.pi, 32, endpoint=False)
    a, b = np.meshgrid(down, around, indexing="ij")
    places = np.stack([np.sin(a) * np.cos(b), np.cos(a), -np.sin(a) * np.sin(b)], -1)
    bumps = np.zeros(places.shape[:2])
    for frequency in (1.5, 2.5, 4.5, 8.0):
        bumps += np.sin(places @ rng.normal(0, frequency, 3) + rng.uniform(0, 6)) / frequency
    return sheet(places * (1 + rough * bumps[..., None]) * half, skin, is_closed=True)


def draw_mesh(
    mesh: Mesh, light: Array, camera: tuple[Array, Array, float], inverse: Floats, picture: Floats
) -> Floats:
    """Draw a mesh into linear ``picture H W 3`` and ``inverse`` depth ``H W``; return where it is seen.

    ``light V 3`` is what its corners send to the camera, which is its place, its axes (right, up, forward)
    and its focal length in samples.
    """
    place, axes, focal = camera
    seen = (mesh.positions - place) @ axes.T
    z = np.maximum(seen[:, 2], 1e-3)
    height, width = inverse.shape
    corners = np.stack(
        [
            seen[:, 0] / z * focal + (width - 1) / 2,
            -seen[:, 1] / z * focal + (height - 1) / 2,
            1 / z,
        ],
        1,
    ).astype(np.float32)
    there = np.zeros((height, width), np.float32)
    near = np.float32(1 / NEAREST_M)
    fill_triangles(
        corners, np.ascontiguousarray(light, np.float32), mesh.triangles, near, inverse, picture, there
    )
    return there


@compiled
def fill_triangles(
    corners: Floats,
    colors: Floats,
    triangles: Integers32,
    near: np.float32,
    inverse: Floats,
    picture: Floats,
    there: Floats,
) -> None:
    """Fill triangles whose corners ``V 3`` are column, row and inverse depth where they are the nearest."""
    height, width = inverse.shape
    zero, one = np.float32(0), np.float32(1)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        a, b, c = corners[i], corners[j], corners[k]
        if a[2] > near or b[2] > near or c[2] > near:
            continue
        left, right = min(a[0], b[0], c[0]), max(a[0], b[0], c[0])
        top, bottom = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        if right < zero or bottom < zero or left > width - 1 or top > height - 1:
            continue
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == zero:
            continue
        for row in range(max(0, int(np.ceil(top))), min(height - 1, int(np.floor(bottom))) + 1):
            for column in range(max(0, int(np.ceil(left))), min(width - 1, int(np.floor(right))) + 1):
                x, y = np.float32(column), np.float32(row)
                u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                w = one - u - v
                if u < zero or v < zero or w < zero:
                    continue
                nearness = u * a[2] + v * b[2] + w * c[2]
                if nearness <= inverse[row, column]:
                    continue
                inverse[row, column] = nearness
                there[row, column] = one
                for channel in range(3):
                    picture[row, column, channel] = (
                        u * colors[i, channel] + v * colors[j, channel] + w * colors[k, channel]
                    )
