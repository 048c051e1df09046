"""A promenade at dusk with people on it, at three to sixteen meters: the second of the example's scenes."""

import math
from dataclasses import replace

import numpy as np
from evening import promenade_ground, town
from figures import Array, Figure, FigureLight
from tableware import shadow

from any2bokeh.lab.compact.scenes.meshes import turn_about
from any2bokeh.lab.synthesis.stage import Camera, Light, Plane, Stage, Trajectory, Vec3, rgb, still
from any2bokeh.lab.synthesis.street import garland, street_lamp

NEAR_M, FAR_M = 0.8, 80.0
LAMPS = ((-2.9, 0.0, 7.5), (2.7, 0.0, 10.5), (-3.4, 0.0, 15.0), (3.8, 0.0, 21.0), (-0.6, 0.0, 26.0))
STEP_M, STEPS_PER_S = 1.3, 0.95  # of both legs together

AMBIENT = (0.1, 0.115, 0.17)
LIGHT = FigureLight(
    above=(0.16, 0.17, 0.26),
    below=(0.11, 0.075, 0.06),
    key=Light(color=(5.2, 3.5, 2.1), position=still(-1.7, 2.5, 0.6), radius_m=0.8),
    lamps=(
        Light(color=(4.6, 2.9, 1.6), position=still(1.1, 2.5, 3.9), radius_m=0.6),
        Light(color=(2.4, 1.5, 0.8), position=still(-2.2, 2.4, 5.6), radius_m=0.6),
        *(Light(color=(3.4, 2.0, 0.9), position=still(x, 3.0, z), radius_m=0.6) for x, _, z in LAMPS[:3]),
    ),
)


def promenade() -> Stage:
    """The place without its people; the camera trucks slowly to the right."""
    lamps = [street_lamp(f"lamp {i}", place) for i, place in enumerate(LAMPS)]
    planes = (
        *garland("garland near", (-2.6, 2.45, 5.0), (2.7, 2.35, 5.0), 13, 0.3),
        *garland("garland middle", (-3.4, 2.75, 9.0), (3.6, 2.6, 9.0), 15, 0.45),
        *garland("garland far", (-4.6, 3.1, 14.0), (4.8, 2.9, 14.0), 17, 0.6),
        *(_shadow_of(name, walk) for name, walk in WALKS.items()),
        promenade_ground(),
        *(plane for planes, _ in lamps for plane in planes),
        *town(),
    )
    return Stage(
        camera=Camera(
            field_of_view_deg=36,
            position=Trajectory(start=(-0.06, 1.45, 0.0), velocity=(0.05, 0.0, 0.01)),
            turn_deg=Trajectory(start=(1.0, -0.5, 0.0), velocity=(-0.7, 0.0, 0.0)),
        ),
        planes=planes,
        lights=tuple(light for _, light in lamps),
        ambient=AMBIENT,
        sky=rgb("#1b2440"),
        near_m=NEAR_M,
        far_m=FAR_M,
    )


WALKS = {  # who walks: where, and how fast [m/s]
    "White_F_3_Casual": Trajectory(start=(1.02, 0.0, 7.2), velocity=(-0.12, 0.0, -0.6)),
    "MENA_M_1_Casual": Trajectory(start=(1.72, 0.0, 7.5), velocity=(-0.12, 0.0, -0.6)),
    "Hispanic_M_1_Casual": Trajectory(start=(0.1, 0.0, 12.0), velocity=(0.08, 0.0, 0.6)),
}


def figures_at(time_s: float) -> list[Figure]:
    """Everybody at a time."""
    return [
        Figure.of("Asian_F_2_Casual", _standing(time_s), 200, (-0.34, 0.0, 2.5)),
        *(_walking(name, walk, time_s) for name, walk in WALKS.items()),
    ]


def _standing(time_s: float) -> dict[str, Array]:
    """At rest, the weight on one leg; breathing."""
    breath = 0.6 * math.sin(2 * math.pi * time_s / 3.2)
    return {
        "Spine": _turn(("y", 6), ("z", -2)),
        "Spine1": _turn(
            ("x", breath),
        ),
        "Neck": _turn(("y", -9), ("x", 2)),
        "Head": _turn(("y", -12), ("z", 3), ("x", 2 - breath)),
        "LeftArm": _turn(("x", 8), ("z", -78)),
        "LeftForeArm": _turn(
            ("y", -20),
        ),
        "RightArm": _turn(("x", -6), ("z", 79)),
        "RightForeArm": _turn(
            ("y", 28),
        ),
    }


def _walking(name: str, walk: Trajectory, time_s: float) -> Figure:
    speed = math.hypot(walk.velocity[0], walk.velocity[2])
    phase = 2 * math.pi * (speed / STEP_M * time_s + 0.37 * len(name))
    yaw = math.degrees(math.atan2(walk.velocity[0], walk.velocity[2]))
    return Figure.of(name, _stride(phase), yaw, walk.at(time_s))


def _stride(phase: float) -> dict[str, Array]:
    """A moment of walking: a leg swings forward with its knee bent while the other carries."""
    pose = {}
    for side, sign, turn in (("Left", -1, phase), ("Right", 1, phase + math.pi)):
        swing = math.sin(turn)
        lifted = max(0.0, math.cos(turn))  # while the leg comes forward
        pose[f"{side}UpLeg"] = _turn(
            ("x", 4 - 20 * swing - 8 * lifted),
        )
        pose[f"{side}Leg"] = _turn(
            ("x", 6 + 45 * lifted),
        )
        pose[f"{side}Foot"] = _turn(
            ("x", 6 * -swing),
        )
        pose[f"{side}Arm"] = _turn(("x", 20 * swing), ("z", 79 * sign))
        pose[f"{side}ForeArm"] = _turn(
            ("y", (22 - 10 * swing) * sign),
        )
    pose["Spine"] = _turn(("x", 3), ("y", 4 * math.sin(phase)))
    pose["Spine1"] = _turn(
        ("y", -8 * math.sin(phase)),
    )
    return pose


def _turn(*turns: tuple[str, float]) -> Array:
    """Rotations about the axes of the world at rest, the left one last."""
    total = np.eye(3)
    for axis, degrees in turns:
        total = total @ turn_about("xyz".index(axis), degrees)
    return total


def _shadow_of(name: str, walk: Trajectory) -> Plane:
    return replace(
        shadow(f"shadow of {name}", (0.0, 0.0, 0.0), 0.5, 0.6),
        position=replace(walk, start=_on_ground(walk.start)),
    )


def _on_ground(place: Vec3) -> Vec3:
    return place[0], 0.002, place[2]
