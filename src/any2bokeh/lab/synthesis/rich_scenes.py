"""Scenes nearer to life: ground and walls that slope, things that stand on them, thin things, lamps.

The camera moves through, so that the near passes the far.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from any2bokeh.lab.synthesis.cutouts import draw_thin
from any2bokeh.lab.synthesis.drawn_scene import ClipFormat, DrawnScene, Material, SceneObject
from any2bokeh.lab.synthesis.patterns import between, color, either, grain, pattern, scale, whole
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import (
    BASE,
    Camera,
    FrameView,
    Light,
    Plane,
    Rgb,
    Stage,
    Trajectory,
    dimmed,
    still,
)
from any2bokeh.lab.synthesis.street import lamp
from any2bokeh.lab.synthesis.textures import Product, Uniform

EYES_M = 1.45
NEAREST_M, FARTHEST_M = 1.3, 9.0  # of things that stand
PROBE = 48  # pixels along the longer side of the pictures that tell the range of depth
PROBES = 5
MARGIN = 0.97
MOST_DRAWS = 6  # then the last is taken as it is
MOST_FILLED, LEAST_SEEN = 0.55, 0.01  # shares of the picture


def rich_scene(rng: Generator, clip: ClipFormat, material: Material) -> DrawnScene:
    """Draw one in which nothing fills the picture, and more than one thing is seen."""
    for _ in range(MOST_DRAWS):
        scene, shares = _measured(_draw(rng, clip, material), clip)
        if max(shares) < MOST_FILLED and sum(share > LEAST_SEEN for share in shares) > 1:
            break
    return scene


def _draw(rng: Generator, clip: ClipFormat, material: Material) -> DrawnScene:
    is_night = rng.random() < 0.35
    wall_m = scale(rng, 5, 30)
    things = [
        *_standing(rng, clip, material, wall_m),
        *(_thin(rng, clip) for _ in range(whole(rng, 0, 2))),
    ]
    lamps = list(_lamps(rng, wall_m, whole(rng, 3, 12) if is_night else whole(rng, 0, 3) * whole(rng, 0, 1)))
    named = tuple(replace(plane, name=f"{plane.name} {i + 1}") for i, plane in enumerate(things))
    stage = Stage(
        camera=_camera(rng, clip),
        planes=(*named, *lamps, *_room(rng, clip, material, wall_m)),
        lights=tuple(_light_of(plane) for plane in lamps[:4]) if is_night else (),
        ambient=dimmed(color(rng, 1.0), 0.15) if is_night else (1.0, 1.0, 1.0),
        sky=dimmed(color(rng), 0.1) if is_night else color(rng, 1.5),
        near_m=0.1,
    )
    objects = tuple(SceneObject(name=plane.name, planes=(i,)) for i, plane in enumerate(named))
    return DrawnScene(kind="rich", stage=stage, objects=objects)


def _measured(scene: DrawnScene, clip: ClipFormat) -> tuple[DrawnScene, list[float]]:
    """The scene with disparity 1 at the nearest thing that is seen and 0 at the farthest.

    And the share of the picture that each object fills.
    """
    longer_px, stage = max(clip.width, clip.height), scene.stage
    tracer = RayTracer(stage.with_detail(0.1))
    depths, seen = [], np.zeros(len(scene.objects) + 1)
    for i in range(PROBES):
        view = FrameView(
            time_s=clip.duration_s * i / (PROBES - 1),
            width=math.ceil(PROBE * clip.width / longer_px),
            height=math.ceil(PROBE * clip.height / longer_px),
        )
        geometry = tracer.geometry(view)
        disparities = geometry.disparity.max(), geometry.disparity.min()
        depths += [stage.depth_m(float(value)) for value in disparities]
        seen += np.bincount(scene.numbers()[geometry.objects.numpy()].ravel(), minlength=len(seen))
    stage = replace(stage, near_m=MARGIN * min(depths), far_m=max(depths) / MARGIN)
    return replace(scene, stage=stage), list(seen[1:] / seen.sum())


def _camera(rng: Generator, clip: ClipFormat) -> Camera:
    pace = clip.pace
    return Camera(
        field_of_view_deg=between(rng, 32, 55),
        position=Trajectory(
            start=(0.0, EYES_M + either(rng, 0, 0.2), 0.0),
            velocity=(either(rng, 0, 0.35) * pace, either(rng, 0, 0.05) * pace, either(rng, 0, 0.25) * pace),
            sway=(either(rng, 0, 0.02), either(rng, 0, 0.02), 0.0),
            sway_period_s=between(rng, 0.5, 2) / pace,
        ),
        turn_deg=Trajectory(
            start=(either(rng, 0, 8), between(rng, -12, 0), either(rng, 0, 2)),
            velocity=(either(rng, 0, 2.5) * pace, either(rng, 0, 1) * pace, 0.0),
        ),
    )


def _seen_px(clip: ClipFormat, size_m: float, depth_m: float) -> float:
    """How many pixels long something looks at most, with the widest angle but a little nearer."""
    return 1.2 * max(clip.width, clip.height) * size_m / max(depth_m - 0.3, 0.3)


def _standing(rng: Generator, clip: ClipFormat, material: Material, wall_m: float) -> Iterator[Plane]:
    """Three to six things on the ground, spread over inverse depth."""
    count, pace = whole(rng, 3, 6), clip.pace
    near, far = 1 / NEAREST_M, 1 / min(FARTHEST_M, 0.8 * wall_m)
    for i in range(count):
        depth_m = 1 / (far + (near - far) * (i + between(rng, 0, 1)) / count)
        thing = material.foreground(rng)
        size_m = between(rng, 0.5, 1.0) * max(1.75, 0.45 * depth_m) / max(thing.size[1], 0.5)
        aside_m = either(rng, 0, 0.33) * depth_m
        hangs = 0.0 if rng.random() < 0.75 else between(rng, 0.1, 1.2)
        plane = thing.as_plane(
            size_m,
            _seen_px(clip, size_m, depth_m),
            position=Trajectory(
                start=(aside_m, hangs, depth_m),
                velocity=(either(rng, 0, 0.3) * pace, 0.0, either(rng, 0, 0.12) * pace),
                sway=(either(rng, 0, 0.04), 0.0, 0.0),
                sway_period_s=between(rng, 0.5, 2) / pace,
            ),
            turn_deg=Trajectory(
                start=(either(rng, 0, 40), either(rng, 0, 6), either(rng, 0, 4)),
                sway=(either(rng, 0, 5), 0.0, either(rng, 0, 3)),
                sway_period_s=between(rng, 0.5, 2) / pace,
            ),
        )
        yield replace(plane, anchor=BASE)


def _thin(rng: Generator, clip: ClipFormat) -> Plane:
    """Something that is mostly holes, before the rest."""
    thing, depth_m = draw_thin(rng), between(rng, 0.9, 3.0)
    size_m = between(rng, 0.6, 1.5) * depth_m
    aside = either(rng, 0, 0.25) * depth_m, EYES_M + either(rng, 0, 0.2) * depth_m - 0.1
    return thing.as_plane(
        size_m,
        _seen_px(clip, size_m, depth_m),
        position=still(aside[0], aside[1], depth_m),
        turn_deg=Trajectory(
            start=(either(rng, 0, 45), either(rng, 0, 10), either(rng, 0, 25)),
            sway=(0.0, 0.0, either(rng, 0, 2)),
            sway_period_s=between(rng, 0.5, 2) / clip.pace,
        ),
    )


def _lamps(rng: Generator, wall_m: float, count: int) -> Iterator[Plane]:
    """Bright globes, most of them far: far brighter than white, so that they clip in any picture."""
    for i in range(count):
        depth_m = scale(rng, 2, 0.95 * wall_m)
        tint = color(rng)
        bright = dimmed(tint, 1 / max(tint))
        place = (either(rng, 0, 0.45) * depth_m, EYES_M + between(rng, -0.1, 0.3) * depth_m, depth_m)
        yield lamp(f"lamp {i}", place, scale(rng, 0.006, 0.02) * depth_m, scale(rng, 2, 25), bright)


def _light_of(plane: Plane) -> Light:
    glow: Rgb = dimmed((1.0, 0.8, 0.55), 2.5)
    return Light(color=glow, position=plane.position, radius_m=0.5)


def _room(rng: Generator, clip: ClipFormat, material: Material, wall_m: float) -> Iterator[Plane]:
    """The ground, a wall behind or nothing but a backdrop, and a wall aside or none."""
    tile_m = between(rng, 1.5, 4)
    ground = Product(pattern(rng, tile_m / 2), grain(rng, tile_m / 20)) if rng.random() < 0.3 else None
    yield Plane(
        name="ground",
        size_m=(90.0, 70.0),
        texture=ground or pattern(rng, tile_m / 2),
        position=still(0.0, 0.0, -5.0),
        turn_deg=Trajectory(start=(either(rng, 0, 30), -90.0 + either(rng, 0, 2), 0.0)),
        anchor=BASE,
        patch_m=(tile_m, tile_m),
        texels=max(64, math.ceil(0.5 * max(clip.width, clip.height))),
    )
    size_m = (1.7 * wall_m, 0.9 * wall_m)
    yield Plane(
        name="wall",
        size_m=size_m,
        texture=material.background(rng, size_m),
        position=still(0.0, -0.1 * wall_m, wall_m),
        turn_deg=still(either(rng, 0, 25)),
        anchor=BASE,
        texels=math.ceil(1.4 * max(clip.width, clip.height)),
    )
    if rng.random() < 0.5:
        side = 1 if rng.random() < 0.5 else -1
        yield Plane(
            name="side wall",
            size_m=(2.5 * wall_m, 4.0),
            texture=Product(pattern(rng, 1.5), Uniform((0.8, 0.8, 0.8))),
            position=still(side * between(rng, 1.2, 3.5), 0.0, 0.6 * wall_m),
            turn_deg=still(side * between(rng, 65, 88)),
            anchor=BASE,
            patch_m=(3.0, 4.0),
            texels=max(64, math.ceil(0.7 * max(clip.width, clip.height))),
        )
