"""A scene drawn at random for one clip: a stage, its objects to focus on, and the backdrop."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from any2bokeh.lab.synthesis.cutouts import Cutout, draw_cutout
from any2bokeh.lab.synthesis.patterns import (
    between,
    bricks,
    color,
    either,
    grain,
    pattern,
    scale,
    whole,
    worn,
)
from any2bokeh.lab.synthesis.shapes import Box, HalfPlane
from any2bokeh.lab.synthesis.stage import FrameView, Stage, Texture, camera_pose, plane_pose
from any2bokeh.lab.synthesis.textures import Gradient, Moved, Over, Product, Scaled, Stencil


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """Size in pixels, length in frames and frames per second of a clip.

    ``exposure`` is the share of a frame's time during which light is gathered, 0 for none: no motion blur.
    """

    width: int = 1024
    height: int = 576
    frames: int = 25
    rate: Fraction = Fraction(25)
    exposure: float = 0.0

    @property
    def duration_s(self) -> float:
        """From the first frame to the last."""
        return float((self.frames - 1) / self.rate)

    @property
    def pace(self) -> float:
        """By how much things move per second: a clip of a second or more shows a motion's whole length."""
        return 1 / max(self.duration_s, 1.0)

    def view(self, frame: int) -> FrameView:
        """A frame."""
        return FrameView(
            time_s=float(frame / self.rate),
            width=self.width,
            height=self.height,
            exposure_s=float(self.exposure / self.rate),
        )


class Material:
    """Where the things of a scene come from; this one draws them."""

    def foreground(self, rng: Generator) -> Cutout:
        """Something that stands before the background."""
        return draw_cutout(rng)

    def background(self, rng: Generator, size_m: tuple[float, float]) -> Texture:
        """The backdrop behind all else, of a size."""
        return draw_backdrop(rng, size_m)


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """A thing to focus on: places in ``stage.planes``, of which the first is where it is in focus."""

    name: str
    planes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class DrawnScene:
    """A stage and its objects, which are numbered from 1 on."""

    kind: str
    stage: Stage
    objects: tuple[SceneObject, ...]

    def disparity(self, number: int, time_s: float) -> float:
        """Disparity of the middle of an object, 0..1."""
        plane = self.stage.planes[self.objects[number - 1].planes[0]]
        pose = plane_pose(plane, time_s).seen_from(camera_pose(self.stage.camera, time_s))
        return float(np.clip(self.stage.disparity(max(float(pose.origin[2]), 1e-3)), 0, 1))

    def numbers(self) -> NDArray[np.uint8]:
        """The object that each plane belongs to, 0 for none; the last entry is the sky's."""
        numbers = np.zeros(len(self.stage.planes) + 1, np.uint8)
        for i, thing in enumerate(self.objects, start=1):
            numbers[list(thing.planes)] = i
        return numbers


def draw_backdrop(rng: Generator, size_m: tuple[float, float]) -> Texture:
    """A picture of a size (width, height): far and coarse things, nearer and finer ones over them."""
    width_m, height_m = size_m
    layers = [_thing(rng, size_m) for _ in range(whole(rng, 3, 9))]
    if rng.random() < 0.5:
        horizon_m = either(rng, 0, 0.2) * height_m
        ground = Stencil(
            texture=Product(pattern(rng, height_m / 2), worn(rng, height_m / 8)),
            shape=HalfPlane(direction_deg=90 + either(rng, 0, 4), offset_m=horizon_m),
        )
        layers += [_house(rng, size_m, horizon_m) for _ in range(whole(rng, 0, 6))]
        layers.append(ground)
    stops = tuple((height_m * (i / 3 - 0.5), color(rng)) for i in range(4))
    sky = Product(Gradient(stops=stops, direction_deg=between(rng, 60, 120)), worn(rng, width_m / 10))
    behind = sky if rng.random() < 0.6 else Product(grain(rng, width_m / 20), worn(rng, width_m / 100))
    return Over((*layers, behind))


def _thing(rng: Generator, size_m: tuple[float, float]) -> Texture:
    thing = draw_cutout(rng)
    large = Scaled(texture=thing.texture, factor=scale(rng, 0.1, 0.8) * size_m[1])
    place = either(rng, 0, 0.5) * size_m[0], either(rng, 0, 0.5) * size_m[1]
    return Moved(texture=large, center=place, turn_deg=either(rng, 0, 25))


def _house(rng: Generator, size_m: tuple[float, float], base_m: float) -> Texture:
    """A front with windows."""
    width_m, height_m = scale(rng, 0.08, 0.35) * size_m[0], scale(rng, 0.15, 0.7) * size_m[1]
    place = either(rng, 0, 0.5) * size_m[0], base_m - 0.1 * size_m[1] + height_m / 2
    front = Product(bricks(rng, height_m * between(rng, 0.03, 0.15)), worn(rng, height_m / 10))
    return Stencil(
        texture=Moved(texture=front, center=place), shape=Box(size_m=(width_m, height_m), center=place)
    )
