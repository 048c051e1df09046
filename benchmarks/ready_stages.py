"""Ready stages: small scenes, each made around one thing that a lens does."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import torch

from any2bokeh.lab.synthesis.shapes import Bars, Disc, HalfPlane, Stroke, Union
from any2bokeh.lab.synthesis.stage import BASE, Camera, Plane, Shape, Stage, Texture, Trajectory, rgb, still
from any2bokeh.lab.synthesis.strands import Leaves, Strands
from any2bokeh.lab.synthesis.street import garland, lamp, person, street_lamp, tree
from any2bokeh.lab.synthesis.textures import Bricks, Checks, Noise, Product, Uniform, Writing

# A script finds modules in its own folder alone, and the example's stage is measured too.
sys.path.append(str(Path(__file__).parents[1] / "examples"))

from evening import evening as evening

CHECKS = Checks(first=Uniform((0.7, 0.68, 0.6)), second=Uniform((0.08, 0.1, 0.16)), cell_m=0.1)
BRICKS = Bricks(
    tints=((0.36, 0.12, 0.07), (0.3, 0.09, 0.05), (0.42, 0.17, 0.1)),
    joint=(0.5, 0.47, 0.42),
    size_m=(0.22, 0.075),
    joint_m=0.012,
)
PAGE = Writing(ink=(0.03, 0.03, 0.04), paper=(0.75, 0.72, 0.65), line_m=0.06, seed=1)
EDGE = HalfPlane(direction_deg=10)
CAMERA = Camera()
TRUCK = Camera(position=Trajectory(velocity=(0.12, 0.0, 0.0)))


def facing_plane(
    stage: Stage, name: str, disparity: float, texture: Texture, shape: Shape | None = None
) -> Plane:
    """A plane that faces the camera of ``stage`` and spans twice its longer view at a disparity."""
    depth_m = stage.depth_m(disparity)
    side_m = 4 * depth_m * math.tan(math.radians(stage.camera.field_of_view_deg) / 2)
    return Plane(
        name=name,
        size_m=(side_m, side_m),
        texture=texture,
        shape=shape,
        position=still(z=depth_m),
        texels=640,
    )


def two_planes(
    *,
    near_disparity: float = 0.8,
    far_disparity: float = 0.2,
    near_texture: Texture = CHECKS,
    far_texture: Texture = BRICKS,
    near_shape: Shape = EDGE,
    camera: Camera = CAMERA,
) -> Stage:
    """A plane with an edge before another: the smallest scene with an occlusion.

    Both face the camera at rest and take the light as their textures say. Disparity 1 is at 1 m, 0 at
    10 m. ``near_shape`` counts meters on the near plane.
    """
    stage = Stage(camera=camera, planes=(), near_m=1.0, far_m=10.0)
    near = facing_plane(stage, "near", near_disparity, near_texture, near_shape)
    far = facing_plane(stage, "far", far_disparity, far_texture)
    return replace(stage, planes=(near, far))


def depth_ramp(*, texture: Texture = PAGE, camera: Camera = CAMERA) -> Stage:
    """One printed slope from 1 m to 10 m, so that every disparity is there once.

    Disparity is linear over the rows, 1 at the lower edge and 0 at the upper edge of a square picture
    of a camera at rest; a wider picture shows the middle of it.
    """
    edge = math.tan(math.radians(camera.field_of_view_deg) / 2)
    stage = Stage(camera=camera, planes=(), near_m=1.0, far_m=10.0)
    rise_m, run_m = edge * (stage.far_m + stage.near_m), stage.far_m - stage.near_m
    slope = Plane(
        name="slope",
        size_m=(4 * edge * stage.far_m, 1.15 * math.hypot(rise_m, run_m)),
        texture=texture,
        position=still(0.0, edge * run_m / 2, (stage.far_m + stage.near_m) / 2),
        turn_deg=still(y=-math.degrees(math.atan2(run_m, rise_m))),
        texels=1024,
        patch_m=(2.4, 2.4),
    )
    return replace(stage, planes=(slope,))


def thin_structures(*, seed: int = 0, camera: Camera = TRUCK) -> Stage:
    """A fence, wires, grass, hair-thin strands and loose leaves at many depths before a wall."""
    random = torch.rand(5, 3, generator=torch.Generator().manual_seed(seed)).tolist()
    wall = Plane(
        name="wall",
        size_m=(9.0, 6.0),
        texture=BRICKS,
        position=still(z=5.0),
        texels=1024,
        patch_m=(2.64, 1.8),
    )
    planes = (
        _fence(random[0], seed),
        *(_wire(i, random[1 + i]) for i in range(3)),
        *_strands(random[4], seed + 1),
        *(_leaves(i, random[1 + i], seed + 3 + i) for i in range(3)),
        wall,
    )
    return Stage(camera=camera, planes=planes, near_m=1.0, far_m=6.0)


def _fence(random: list[float], seed: int) -> Plane:
    bars = (
        Bars(period_m=0.11 + 0.03 * random[0], width_m=0.012),
        Bars(period_m=0.13, width_m=0.008, direction_deg=20 + 20 * random[1]),
    )
    return Plane(
        name="fence",
        size_m=(4.0, 1.2),
        texture=Noise(low=rgb("#6a675f"), high=rgb("#b9b2a2"), scale_m=0.05, seed=seed),
        shape=Union(parts=bars),
        position=still(0.0, -0.2, 2.4),
        turn_deg=still(x=-18 + 36 * random[2]),
        texels=512,
    )


def _wire(number: int, random: list[float]) -> Plane:
    waves = tuple((x / 4 - 1.5, 0.1 * math.cos(x * math.pi / 6)) for x in range(13))
    return Plane(
        name=f"wire {number}",
        size_m=(3.0, 0.6),
        texture=Uniform(rgb("#1a1a1d")),
        shape=Stroke(points=waves, width_m=0.004 + 0.004 * random[0]),
        position=still(0.0, 0.35 - 0.25 * number + 0.1 * random[1], 1.2 + 0.5 * number),
        turn_deg=Trajectory(start=(0.0, 0.0, 24 * random[2] - 12), sway=(0.0, 0.0, 1.0)),
        texels=1,
    )


def _strands(random: list[float], seed: int) -> tuple[Plane, Plane]:
    """Grass that stands and hair that hangs."""
    grass = Strands(
        roots=((-1.2, -0.35), (1.2, -0.35)),
        count=140,
        length_m=0.6,
        width_m=0.012,
        dark=rgb("#25401c"),
        light=rgb("#a9bd62"),
        seed=seed,
    )
    hair = Strands(
        roots=((-0.08, 0.25), (0.08, 0.25)),
        count=90,
        length_m=0.5,
        width_m=0.004,
        dark=rgb("#2a1a10"),
        light=rgb("#a87445"),
        grow_deg=-90,
        spread_deg=30,
        seed=seed + 1,
    )
    return (
        Plane(
            name="grass",
            size_m=(2.4, 0.7),
            texture=grass,
            position=still(0.0, -0.75, 1.7),
            anchor=BASE,
            texels=1024,
        ),
        Plane(
            name="hair",
            size_m=(0.6, 0.6),
            texture=hair,
            position=still(-0.35 + 0.2 * random[0], 0.05, 1.45),
            turn_deg=Trajectory(sway=(0.0, 0.0, 3.0), sway_period_s=2.1),
            texels=512,
        ),
    )


def _leaves(number: int, random: list[float], seed: int) -> Plane:
    leaves = Leaves(
        crown=Disc(radius_m=0.65),
        extent_m=(1.4, 1.4),
        count=45,
        length_m=0.16,
        dark=rgb("#1f3a20"),
        light=rgb("#86ab58"),
        spread_deg=150,
        seed=seed,
    )
    return Plane(
        name=f"leaves {number}",
        size_m=(1.4, 1.4),
        texture=leaves,
        position=still(0.5 + 0.5 * random[0], 0.3 * random[1], 1.9 + 0.45 * number),
        turn_deg=Trajectory(sway=(0.0, 0.0, 1.5), sway_period_s=3.0, sway_phase=random[2]),
        texels=512,
    )


def night_lamps(*, seed: int = 0, camera: Camera = TRUCK) -> Stage:
    """Someone in a patterned coat under the lamps of a dark street, far lights behind."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(24, 4, generator=generator).tolist()
    tints = tuple(rgb(code) for code in ("#ffb765", "#ffe0b0", "#ff6b52", "#6fd0c8", "#9db8ff"))
    far_lamps = tuple(
        lamp(
            f"far lamp {i}",
            (12 * (right - 0.5), 0.2 + 2.6 * up, 8 + 12 * away),
            0.03 + 0.05 * size,
            4 + 12 * size,
            tints[i % len(tints)],
        )
        for i, (right, up, away, size) in enumerate(places)
    )
    streets = [street_lamp(f"lamp {i}", (x, 0.0, z)) for i, (x, z) in enumerate(((-1.3, 4.6), (1.7, 7.5)))]
    coat = Product(CHECKS, Uniform(rgb("#d8705f")))
    ground = Plane(
        name="ground",
        size_m=(30.0, 24.0),
        texture=Noise(low=(0.05, 0.05, 0.06), high=(0.3, 0.29, 0.27), scale_m=0.4, octaves=5, seed=seed),
        position=still(0.0, 0.0, 0.5),
        turn_deg=still(y=-90),
        anchor=BASE,
        patch_m=(5.0, 5.0),
        texels=512,
    )
    wall = Plane(
        name="wall",
        size_m=(30.0, 12.0),
        texture=BRICKS,
        position=still(0.0, 0.0, 22.0),
        anchor=BASE,
        patch_m=(5.28, 4.5),
        texels=512,
    )
    return Stage(
        camera=replace(camera, position=replace(camera.position, start=(0.0, 1.3, 0.0))),
        planes=(
            person("person", still(0.25, 0.0, 3.2), coat, seed=seed),
            *(plane for planes, _ in streets for plane in planes),
            *garland("garland", (-3.0, 2.4, 6.0), (3.0, 2.3, 6.0), 9),
            *tree("tree", (-3.2, 0.0, 10.0), 4.5, seed=seed),
            *far_lamps,
            ground,
            wall,
        ),
        lights=tuple(light for _, light in streets),
        ambient=(0.05, 0.06, 0.1),
        near_m=2.0,
        far_m=40.0,
    )
