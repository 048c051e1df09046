"""A scene drawn at random for one clip: a stage, and which of its planes are things to focus on."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from any2bokeh.lab.synthesis.backdrops import draw_backdrop
from any2bokeh.lab.synthesis.cutouts import Cutout, draw_cutout
from any2bokeh.lab.synthesis.pose import camera_pose, plane_pose
from any2bokeh.lab.synthesis.scenes import Stage, Texture, View


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

    def view(self, frame: int) -> View:
        """A frame."""
        return View(
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
        """What fills the picture behind all else, of a size."""
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
