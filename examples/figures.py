"""People of triangles and textures, drawn into the picture of a stage, behind its nearer things."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from compiled_figures import fill_samples, shade_samples
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import max_pool2d

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.lab.compact.scenes.avatars import MEAN_CURVE, Avatar, read_avatar
from any2bokeh.lab.compact.scenes.meshes import turn_about
from any2bokeh.lab.synthesis.stage import Camera, FrameView, Light, Stage, camera_pose

FOLDER = Path(__file__).with_name("people")
TEXTURE_SIDE = 512
SUPERSAMPLING = 2  # samples along each side of a pixel
SHADOW_SIDE = 768  # texels of the map of the key light's shadows
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
    shade_samples(
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
    fill_samples(
        np.stack([columns, rows, 1 / z], 1).astype(np.float32), joint.triangles, nearest, faces, shares
    )
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
    fill_samples(corners, joint.triangles, nearest, faces, np.empty((*nearest.shape, 2), np.float32))
    return BEYOND_M - nearest, frame.astype(np.float32)
