"""People of triangles and textures, drawn into the picture of a stage, behind its nearer things."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.jit import compiled
from any2bokeh.lab.compact.scenes.avatars import MEAN_CURVE, Avatar, read_avatar
from any2bokeh.lab.compact.scenes.meshes import turn_about
from any2bokeh.lab.synthesis.stage import Camera, FrameView, Light, Stage, camera_pose

FOLDER = Path(__file__).with_name("people")
TEXTURE_SIDE = 512
SUPERSAMPLING = 2  # samples along each side of a pixel
SHADOW_SIDE = 768  # texels of the map of the key light's shadows
SHADOW_BIAS = np.float32(0.012)  # meters that a surface is before itself without shadowing itself
BEYOND_M = np.float32(100)  # farther from the lamp, along its light, than everybody
NEAREST_M = 0.05
NOBODY = -1
Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """Someone posed: corners in meters, ``places V 3``, with ``normals V 3`` and ``uv V 2``."""

    places: Array
    normals: Array
    uv: Array
    triangles: Integers32  # T 3
    materials: Integers32  # T, which texture
    textures: Floats  # M S S 3, linear

    @classmethod
    def of(cls, name: str, pose: dict[str, Array], yaw_deg: float, place: Sequence[float]) -> "Figure":
        """The person of the file ``NAME.npz``, turned about the vertical and standing at ``place``."""
        person = _person(name)
        mesh, _ = person.avatar.posed(pose)
        turned = mesh.moved(turn_about(1, yaw_deg), np.array(place))
        return cls(
            places=turned.positions,
            normals=turned.normals,
            uv=person.uv,
            triangles=mesh.triangles,
            materials=person.materials,
            textures=person.textures,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Person:
    avatar: Avatar
    uv: Array
    materials: Integers32
    textures: Floats


@lru_cache
def _person(name: str) -> _Person:
    path = FOLDER / f"{name}.npz"
    with np.load(path) as data:
        return _Person(
            avatar=read_avatar(path),
            uv=data["uv"].astype(float),
            materials=data["material"].astype(np.int32),
            textures=np.stack([_texture(path.with_name(str(name))) for name in data["material_texture"]]),
        )


def _texture(path: Path) -> Floats:
    """Linear ``S S 3``."""
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    enlarged = cv2.resize(stored, (TEXTURE_SIDE, TEXTURE_SIDE), interpolation=cv2.INTER_LINEAR)
    linear: Floats = ((enlarged / np.float32(255)) ** MEAN_CURVE).astype(np.float32)
    return linear


@dataclass(frozen=True, kw_only=True)
class FigureLight:
    """The light on people: from ``above`` and ``below``, linear; ``key`` is the lamp that casts shadows."""

    above: tuple[float, float, float]
    below: tuple[float, float, float]
    key: Light
    lamps: tuple[Light, ...] = ()


def draw_figures(
    figures: Sequence[Figure],
    light: FigureLight,
    stage: Stage,
    view: FrameView,
    picture: Tensor,
    disparity: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return linear ``picture 3 H W`` and ``disparity 1 H W`` of a stage with the figures in it."""
    joint = _joined(figures)
    inverse = (disparity[0].numpy() - stage.disparity_offset) / stage.disparity_scale_m
    faces, shares, nearest = _seen(joint, stage.camera, view, inverse)
    colors = np.zeros((*faces.shape, 3), np.float32)
    lamps = np.array(
        [[*one.position.at(view.time_s), *one.color, one.radius_m**2] for one in (light.key, *light.lamps)],
        np.float32,
    )
    eye = camera_pose(stage.camera, view.time_s).origin.astype(np.float32)
    _shade(
        (faces, shares, joint.triangles, joint.textures_of),
        (joint.places, joint.normals, joint.uv, joint.textures),
        (lamps, np.array([light.above, light.below], np.float32), eye),
        _shadows(joint, lamps[0, :3]),
        colors,
    )
    n = SUPERSAMPLING
    covered = torch.from_numpy(_mean(faces != NOBODY, n))
    light_of_figures = torch.from_numpy(_mean(colors, n)).permute(2, 0, 1)
    middle = max_pool2d(torch.from_numpy(nearest)[None], n)
    own = (middle * stage.disparity_scale_m + stage.disparity_offset).clamp(0, 1)
    return picture * (1 - covered) + light_of_figures, torch.where(covered >= 0.5, own, disparity)


def _mean(samples: NDArray[Any], n: int) -> Floats:
    """Of each pixel, the mean of its ``n`` by ``n`` samples."""
    small = cv2.resize(samples.astype(np.float32), None, fx=1 / n, fy=1 / n, interpolation=cv2.INTER_AREA)
    mean: Floats = small
    return mean


@dataclass(frozen=True, kw_only=True, eq=False)
class _Joint:
    """All figures as one mesh; ``textures_of`` each triangle names one of ``textures``."""

    places: Floats
    normals: Floats
    uv: Floats
    triangles: Integers32
    textures_of: Integers32
    textures: Floats


def _joined(figures: Sequence[Figure]) -> _Joint:
    starts = np.cumsum([0] + [len(one.places) for one in figures[:-1]])
    firsts = np.cumsum([0] + [len(one.textures) for one in figures[:-1]])
    moved = [one.triangles + start for one, start in zip(figures, starts, strict=True)]
    owners = [one.materials + first for one, first in zip(figures, firsts, strict=True)]
    return _Joint(
        places=np.concatenate([one.places for one in figures]).astype(np.float32),
        normals=np.concatenate([one.normals for one in figures]).astype(np.float32),
        uv=np.concatenate([one.uv for one in figures]).astype(np.float32),
        triangles=np.concatenate(moved).astype(np.int32),
        textures_of=np.concatenate(owners).astype(np.int32),
        textures=np.concatenate([one.textures for one in figures]),
    )


def _seen(
    joint: _Joint, camera: Camera, view: FrameView, inverse: Array
) -> tuple[Integers32, Floats, Floats]:
    """Triangle, shares of two of its corners, and inverse depth of each sample, where a figure is nearest.

    ``inverse H W`` is the inverse depth of the stage [1/m], along the camera's axis as all depths are.
    """
    n = SUPERSAMPLING
    pose = camera_pose(camera, view.time_s)
    seen = (joint.places - pose.origin) @ np.stack([pose.across, pose.up, pose.forward]).T
    z = np.maximum(seen[:, 2], NEAREST_M)
    focal = camera.focal_length_px(view) * n
    height, width = view.height * n, view.width * n
    columns, rows = (width - 1) / 2 + seen[:, 0] / z * focal, (height - 1) / 2 - seen[:, 1] / z * focal
    nearest = np.repeat(np.repeat(inverse, n, 0), n, 1).astype(np.float32)
    faces, shares = np.full((height, width), NOBODY, np.int32), np.zeros((height, width, 2), np.float32)
    _fill(np.stack([columns, rows, 1 / z], 1).astype(np.float32), joint.triangles, nearest, faces, shares)
    return faces, shares, nearest


def _shadows(joint: _Joint, lamp: Floats) -> tuple[Floats, Floats]:
    """How near to the lamp the nearest surface is, and the frame ``3 4`` that leads into that map.

    The lamp is far enough away for its light to fall in parallel: rows give column and row in texels and
    the distance along the light in meters.
    """
    middle = joint.places.mean(0)
    along = (middle - lamp) / np.linalg.norm(middle - lamp)
    across = np.cross([0, 1, 0], along)
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(along, across), along])
    seen = joint.places @ axes.T
    scale = np.array([1, 1, 0]) * (SHADOW_SIDE - 3) / np.ptp(seen[:, :2], axis=0).max() + [0, 0, 1]
    frame = np.concatenate([axes, -seen.min(0)[:, None]], 1) * scale[:, None]
    frame[:2, 3] += 1
    placed = joint.places @ frame[:, :3].T + frame[:, 3]
    # The nearest to the lamp is kept where _fill keeps the largest third coordinate.
    corners = np.stack([placed[:, 0], placed[:, 1], BEYOND_M - placed[:, 2]], 1).astype(np.float32)
    nearest = np.zeros((SHADOW_SIDE, SHADOW_SIDE), np.float32)
    faces = np.full(nearest.shape, NOBODY, np.int32)
    _fill(corners, joint.triangles, nearest, faces, np.empty((*nearest.shape, 2), np.float32))
    return BEYOND_M - nearest, frame.astype(np.float32)


@compiled
def _fill(corners: Floats, triangles: Integers32, inverse: Floats, faces: Integers32, shares: Floats) -> None:
    """Fill triangles whose corners ``V 3`` are column, row and inverse depth where they are the nearest.

    ``shares`` are how much of the first and the second corner is in a sample, as the surface has it.
    """
    height, width = inverse.shape
    zero, one = np.float32(0), np.float32(1)
    for t in range(triangles.shape[0]):
        a, b, c = corners[triangles[t, 0]], corners[triangles[t, 1]], corners[triangles[t, 2]]
        left, right = min(a[0], b[0], c[0]), max(a[0], b[0], c[0])
        top, bottom = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == zero or right < zero or bottom < zero or left > width - 1 or top > height - 1:
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
                faces[row, column] = t
                # Shares are linear on the surface, not in the picture: 1/z weighs them.
                shares[row, column, 0] = u * a[2] / nearness
                shares[row, column, 1] = v * b[2] / nearness


@compiled
def _shade(
    seen: tuple[Integers32, Floats, Integers32, Integers32],
    corners: tuple[Floats, Floats, Floats, Floats],
    lights: tuple[Floats, Floats, Floats],
    shadowing: tuple[Floats, Floats],
    colors: Floats,
) -> None:
    """Write the linear light of each sample of a figure to ``colors H W 3``; others stay as they are."""
    faces, shares, triangles, textures_of = seen
    places, normals, uv, textures = corners
    lamps, around, eye = lights
    shadows, frame = shadowing
    side = textures.shape[1]
    one, half = np.float32(1), np.float32(0.5)
    place, normal, toward, light = (
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
    )
    for row in range(faces.shape[0]):
        for column in range(faces.shape[1]):
            t = faces[row, column]
            if t < 0:
                continue
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v = shares[row, column, 0], shares[row, column, 1]
            w = one - u - v
            facing, length, distance = np.float32(0), np.float32(0), np.float32(0)
            for axis in range(3):
                place[axis] = u * places[i, axis] + v * places[j, axis] + w * places[k, axis]
                normal[axis] = u * normals[i, axis] + v * normals[j, axis] + w * normals[k, axis]
                toward[axis] = eye[axis] - place[axis]
                length += normal[axis] ** 2
                distance += toward[axis] ** 2
            for axis in range(3):
                normal[axis] /= np.sqrt(length)
                toward[axis] /= np.sqrt(distance)
                facing += normal[axis] * toward[axis]
            if facing < 0:  # the inner side of a hem
                normal *= -one
                facing = -facing
            # Sky above, ground below; the outline catches more of both, as cloth and skin do.
            up = half + half * normal[1]
            rim = one + np.float32(1.5) * (one - facing) ** 3
            for axis in range(3):
                light[axis] = (around[0, axis] * up + around[1, axis] * (one - up)) * rim
            glance = np.float32(0)
            for number in range(lamps.shape[0]):
                square, along, mirrored, size = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                for axis in range(3):
                    away = lamps[number, axis] - place[axis]
                    square += away * away
                    along += away * normal[axis]
                reach = np.sqrt(square)
                for axis in range(3):
                    between = (lamps[number, axis] - place[axis]) / reach + toward[axis]
                    mirrored += between * normal[axis]
                    size += between * between
                lit = one if number else _lit(shadows, frame, place)
                # Light of a large lamp, and light below the skin, reach a little beyond the terminator.
                wrapped = max(along / reach + np.float32(0.2), np.float32(0)) / np.float32(1.2) * lit
                falloff = one / max(square, lamps[number, 6])
                shine = np.float32(0.03) * lit * max(mirrored / np.sqrt(size), np.float32(0)) ** 24
                for axis in range(3):
                    light[axis] += lamps[number, 3 + axis] * wrapped * falloff
                glance += shine * falloff * lamps[number, 4]
            x = (u * uv[i, 0] + v * uv[j, 0] + w * uv[k, 0]) * side - half
            y = (u * uv[i, 1] + v * uv[j, 1] + w * uv[k, 1]) * side - half
            p, q = min(max(int(x), 0), side - 2), min(max(int(y), 0), side - 2)
            a = min(max(x - np.float32(p), np.float32(0)), one)
            b = min(max(y - np.float32(q), np.float32(0)), one)
            texture = textures[textures_of[t]]
            for axis in range(3):
                high = texture[q, p, axis] * (one - a) + texture[q, p + 1, axis] * a
                low = texture[q + 1, p, axis] * (one - a) + texture[q + 1, p + 1, axis] * a
                colors[row, column, axis] = (high * (one - b) + low * b) * light[axis] + glance


@compiled
def _lit(shadows: Floats, frame: Floats, place: Floats) -> np.float32:
    """Whether the key light reaches a place, 0..1: the mean of 25 samples of the map."""
    side = shadows.shape[0]
    column = frame[0, 0] * place[0] + frame[0, 1] * place[1] + frame[0, 2] * place[2] + frame[0, 3]
    row = frame[1, 0] * place[0] + frame[1, 1] * place[1] + frame[1, 2] * place[2] + frame[1, 3]
    along = frame[2, 0] * place[0] + frame[2, 1] * place[1] + frame[2, 2] * place[2] + frame[2, 3]
    seen = np.float32(0)
    for k in range(-2, 3):
        for m in range(-2, 3):
            i, j = min(max(int(row) + k, 0), side - 1), min(max(int(column) + m, 0), side - 1)
            seen += np.float32(shadows[i, j] > along - SHADOW_BIAS)
    return seen / np.float32(25)
