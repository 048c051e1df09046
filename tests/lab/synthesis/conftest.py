import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from any2bokeh.lab.synthesis.stage import Camera, Plane, Rgb, Stage, still
from any2bokeh.lab.synthesis.textures import Uniform


@pytest.fixture
def bare_stage() -> Callable[..., Stage]:
    """A stage whose focal length is 1 pixel per pixel of the longer side: field of view 2 atan(1/2)."""

    def make(*planes: Plane, **changes: object) -> Stage:
        camera = Camera(field_of_view_deg=2 * math.degrees(math.atan(0.5)))
        return replace(Stage(camera=camera, planes=planes, near_m=1.0, far_m=10.0), **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def card() -> Callable[..., Plane]:
    """A plane of one color that faces the camera at ``x``, ``y``."""

    def make(
        name: str, depth_m: float, color: Rgb, *, size_m: float = 50.0, x: float = 0.0, y: float = 0.0
    ) -> Plane:
        return Plane(
            name=name,
            size_m=(size_m, size_m),
            texture=Uniform(color),
            position=still(x, y, depth_m),
            texels=1,
        )

    return make


@pytest.fixture
def disc_share() -> Callable[[Tensor, float], Tensor]:
    """The share of a disc of ``radius_px`` that lies farther than ``distance_px`` along one direction.

    Averaged over a pixel around each distance, as the box filter does.
    """

    def share(distance_px: Tensor, radius_px: float) -> Tensor:
        inside = (torch.arange(64) + 0.5) / 64 - 0.5
        t = ((distance_px[:, None] + inside) / radius_px).clamp(-1, 1)
        return (0.5 - (t * (1 - t * t).sqrt() + t.asin()) / math.pi).mean(1)

    return share
