"""Scenes as the paper trains on: four flat things that move before a background far away.

Their depths are spread evenly over 1..5 and the background is at 100..200, so that disparity, 1 / depth, is
0.2..1 and at most 0.01. The paper moves each depth by up to 0.25 anew in every frame; here depth sways by
as much in one smooth motion, as things do.
"""

import math
from dataclasses import replace

from numpy.random import Generator

from any2bokeh.lab.synthesis.drawn_scene import ClipFormat, DrawnScene, Material, SceneObject
from any2bokeh.lab.synthesis.patterns import between, either
from any2bokeh.lab.synthesis.stage import Camera, Plane, Stage, Trajectory

FOREGROUNDS = 4
NEAREST, FARTHEST = 1.0, 5.0
JITTER = 0.25
BACKGROUND = (100.0, 200.0)
FIT = (0.5, 0.8)  # of a foreground in the picture
TURN_DEG = 10.0
CAMERA = Camera()


def paper_scene(rng: Generator, clip: ClipFormat, material: Material) -> DrawnScene:
    """Draw one; sizes and motion count the picture, so that they look the same at every depth."""
    step = (FARTHEST - NEAREST) / (FOREGROUNDS - 1)
    planes = tuple(_foreground(rng, clip, material, NEAREST + i * step) for i in range(FOREGROUNDS))
    named = tuple(replace(plane, name=f"{plane.name} {i + 1}") for i, plane in enumerate(planes))
    stage = Stage(camera=CAMERA, planes=(*named, _background(rng, clip, material)), near_m=NEAREST)
    objects = tuple(SceneObject(name=plane.name, planes=(i,)) for i, plane in enumerate(named))
    return DrawnScene(kind="paper", stage=stage, objects=objects)


def _seen_m(clip: ClipFormat, depth_m: float) -> tuple[float, float]:
    """Width and height that the picture shows at a depth."""
    longer_m = 2 * depth_m * math.tan(math.radians(CAMERA.field_of_view_deg) / 2)
    longer_px = max(clip.width, clip.height)
    return longer_m * clip.width / longer_px, longer_m * clip.height / longer_px


def _foreground(rng: Generator, clip: ClipFormat, material: Material, depth_m: float) -> Plane:
    thing = material.foreground(rng)
    sway_m = between(rng, 0, JITTER / 2)
    depth_m += either(rng, 0, JITTER - sway_m)
    depth_m = min(max(depth_m, NEAREST + sway_m), FARTHEST - sway_m)
    width_m, height_m = _seen_m(clip, depth_m)
    size_m = between(rng, *FIT) * min(width_m / thing.size[0], height_m / thing.size[1])
    moves = tuple(either(rng, 0, 0.3) * side for side in (width_m, height_m * 0.5))
    pace = clip.pace
    start = tuple(
        either(rng, 0, 0.35) * side - move * pace * clip.duration_s / 2
        for side, move in zip((width_m, height_m), moves, strict=True)
    )
    return thing.as_plane(
        size_m,
        size_m * max(clip.width, clip.height) / max(width_m, height_m),
        position=Trajectory(
            start=(start[0], start[1], depth_m),
            velocity=(moves[0] * pace, moves[1] * pace, 0.0),
            sway=(either(rng, 0, 0.05) * width_m, either(rng, 0, 0.05) * height_m, sway_m),
            sway_period_s=between(rng, 0.7, 3) / pace,
            sway_phase=between(rng, 0, 1),
        ),
        turn_deg=Trajectory(
            start=(0.0, 0.0, either(rng, 0, TURN_DEG)),
            sway=(0.0, 0.0, either(rng, 0, 4)),
            sway_period_s=between(rng, 0.7, 3) / pace,
            sway_phase=between(rng, 0, 1),
        ),
    )


def _background(rng: Generator, clip: ClipFormat, material: Material) -> Plane:
    depth_m, pace = between(rng, *BACKGROUND), clip.pace
    width_m, height_m = _seen_m(clip, depth_m)
    moves = tuple(either(rng, 0, 0.1) * side for side in (width_m, height_m))
    size_m = (1.25 * width_m, 1.25 * height_m)
    return Plane(
        name="background",
        size_m=size_m,
        texture=material.background(rng, size_m),
        position=Trajectory(
            start=(-moves[0] / 2, -moves[1] / 2, depth_m), velocity=(moves[0] * pace, moves[1] * pace, 0.0)
        ),
        texels=math.ceil(1.25 * max(clip.width, clip.height)),
    )
