"""People: many at once, of solids strung along bones, in any pose."""

import numpy as np

from any2bokeh.lab.compact.scenes.cast import Array, Cast
from any2bokeh.lab.compact.scenes.shading import PAINT, draw_patterns
from any2bokeh.lab.compact.scenes.solids import CONE, SPHERE

DOWN = np.array([0.0, -1.0, 0.0])
# In degrees: pitch of the root, lean, thigh and knee of the left and the right leg, pitch and spread of
# the left and the right arm, elbow of each.
POSES = {
    "stand": (0, 3, 0, 0, 0, 0, 5, 8, 5, 8, 10, 10),
    "walk": (0, 5, 25, 10, -20, 25, -25, 8, 25, 8, 20, 20),
    "cheer": (0, -3, 5, 5, -5, 5, 160, 25, 150, 30, 25, 25),
    "film": (0, 3, 0, 0, 0, 0, 70, 5, 75, 5, 70, 60),
    "folded": (0, 0, 0, 0, 0, 0, 25, 0, 25, 0, 95, 95),
    "crouch": (0, 35, 95, 120, 80, 115, 40, 15, 50, 15, 35, 35),
    "sit": (0, -5, 88, 88, 88, 90, 30, 10, 30, 10, 50, 50),
    "run": (8, 15, 65, 70, -30, 50, -60, 10, 60, 10, 90, 90),
    "reach": (0, 20, 40, 45, -30, 5, 110, 70, 60, 80, 10, 15),
    "handstand": (180, 5, 15, 20, -30, 25, 172, 15, 172, 15, 5, 5),
    "lie": (88, 5, 10, 10, -5, 5, 20, 40, 20, 30, 20, 20),
    "fly": (60, 10, 60, 60, -20, 30, 130, 50, 60, 60, 30, 20),
    "kneel": (0, 15, 10, 95, 85, 90, 25, 15, 35, 15, 40, 40),
}
UPRIGHT = ("stand", "walk", "film", "cheer", "folded", "stand")
WILD = ("crouch", "run", "reach", "handstand", "lie", "fly", "kneel", "cheer")


def _turn(axis: int, degrees: Array) -> Array:
    """Rotations ``P 3 3`` about x, y or z."""
    angle = np.deg2rad(np.atleast_1d(degrees))
    turn = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[:, axis, axis] = 1
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, j, i], turn[:, i, j] = np.sin(angle), -np.sin(angle)
    return turn


def _along(turn: Array, direction: Array) -> Array:
    return turn @ direction


def add_people(
    cast: Cast,
    rng: np.random.Generator,
    places: Array,
    poses: list[str],
    *,
    height_m: float = 0.0,
    facing_deg: Array | None = None,
    time_s: float = 0.0,
    paints: Array | None = None,
) -> None:
    """Add one person at each of ``places`` ``P 3`` (where it stands) in ``poses``.

    Without a height they are as tall as people are. They move with time: each limb swings by itself.
    ``paints`` ``P 5 PAINT`` are skin, hair, top, trousers and shoes.
    """
    count = len(places)
    if count == 0:
        return
    angles = np.array([POSES[pose] for pose in poses], float).T  # 12 P
    angles += rng.normal(0, 1, angles.shape) * np.array([5, 6, 8, 8, 8, 8, 14, 10, 14, 10, 20, 20])[:, None]
    swing = rng.uniform(0, 25, angles.shape) * np.array([0.5, 0.5, 1, 1, 1, 1, 2, 1, 2, 1, 1, 1])[:, None]
    angles += swing * np.sin(rng.uniform(3, 9, (1, count)) * time_s + rng.uniform(0, 6.28, angles.shape))
    tall = np.full(count, height_m) if height_m else rng.normal(1.72, 0.11, count) * _children(rng, count)
    facing = rng.uniform(0, 360, count) if facing_deg is None else facing_deg
    sideways = rng.normal(0, 4, count)
    is_upside = np.abs(angles[0]) > 30
    sideways = np.where(is_upside, rng.normal(0, 35, count), sideways)

    root = _turn(1, facing) @ _turn(2, sideways) @ _turn(0, angles[0])
    spine = root @ _turn(0, angles[1])
    joints: dict[str, Array] = {"hips": np.zeros((count, 3))}
    joints["neck"] = _along(spine, np.array([0, 0.30, 0]))
    joints["chest"] = _along(spine, np.array([0, 0.19, 0]))
    head_turn = spine @ _turn(1, rng.normal(0, 25, count)) @ _turn(0, rng.normal(5, 12, count))
    joints["head"] = joints["neck"] + _along(head_turn, np.array([0, 0.105, 0.012]))
    joints["hair"] = joints["neck"] + _along(head_turn, np.array([0, 0.122, -0.014]))
    for side, name, row in ((-1, "l", 0), (1, "r", 1)):
        hip = _along(root, np.array([0.052 * side, -0.01, 0]))
        thigh = root @ _turn(0, -angles[2 + 2 * row]) @ _turn(2, side * np.abs(rng.normal(6, 6, count)))
        shin = thigh @ _turn(0, np.maximum(angles[3 + 2 * row], 0))
        knee = hip + _along(thigh, 0.245 * DOWN)
        ankle = knee + _along(shin, 0.235 * DOWN)
        shoulder = _along(spine, np.array([0.105 * side, 0.275, 0]))
        arm = spine @ _turn(0, -angles[6 + 2 * row]) @ _turn(2, side * angles[7 + 2 * row])
        fore = arm @ _turn(0, -np.maximum(angles[10 + row], 0))
        elbow = shoulder + _along(arm, 0.165 * DOWN)
        wrist = elbow + _along(fore, 0.15 * DOWN)
        joints |= {f"hip{name}": hip, f"knee{name}": knee, f"ankle{name}": ankle, f"shoulder{name}": shoulder}
        joints |= {
            f"elbow{name}": elbow,
            f"wrist{name}": wrist,
            f"hand{name}": wrist + _along(fore, 0.05 * DOWN),
        }
        joints[f"heel{name}"] = ankle + _along(shin, np.array([0, -0.02, -0.03]))
        joints[f"toe{name}"] = ankle + _along(shin, np.array([0, -0.03, 0.095]))
    lowest = np.min([joint[:, 1] for joint in joints.values()], axis=0) - 0.02
    lift = np.array([rng.uniform(0.05, 0.5) if pose == "fly" else 0.0 for pose in poses])
    base = np.asarray(places, float) + np.stack([np.zeros(count), lift - lowest * tall, np.zeros(count)], 1)
    where = {name: base + joint * tall[:, None] for name, joint in joints.items()}
    stout = rng.normal(1, 0.13, count).clip(0.75, 1.5)
    _dress(cast, rng, where, tall, stout, spine, head_turn, clothes(rng, count) if paints is None else paints)


def _children(rng: np.random.Generator, count: int) -> Array:
    return np.where(rng.random(count) < 0.12, rng.uniform(0.5, 0.85, count), 1.0)


def clothes(rng: np.random.Generator, count: int) -> Array:
    """Paints ``P 5 PAINT`` of skin, hair, top, trousers and shoes."""
    paints = np.zeros((count, 5, PAINT))
    tone = rng.uniform(0.06, 0.75, (count, 1))
    paints[:, 0, :3] = tone * np.array([1.0, 0.72, 0.56]) * rng.uniform(0.9, 1.1, (count, 3))
    paints[:, 1, :3] = rng.uniform(0.005, 0.06, (count, 1)) * np.array([1.0, 0.8, 0.6])
    fair = rng.random(count) < 0.25
    paints[fair, 1, :3] = rng.uniform(0.1, 0.5, (int(fair.sum()), 1)) * np.array([1.0, 0.75, 0.45])
    for part, dark in ((2, 0.5), (3, 0.7), (4, 0.6)):
        color = rng.random((count, 3)) ** 2 * 0.8
        gray = rng.random((count, 1)) < dark
        paints[:, part, :3] = np.where(gray, rng.random((count, 1)) ** 2.5 * 0.8 + 0.01, color)
        paints[:, part, 3:6] = rng.random((count, 3)) ** 1.5 * 0.8
        paints[:, part, 6] = draw_patterns(rng, count, plain=0.5)
        paints[:, part, 7] = rng.uniform(0.02, 0.2, count)
    paints[:, :, 3:6] = np.where(paints[:, :, 6:7] == 0, paints[:, :, :3], paints[:, :, 3:6])
    paints[:, :, 7] = np.maximum(paints[:, :, 7], 0.02)
    paints[:, :, 8] = rng.integers(0, 9999, (count, 5))
    paints[:, :, 9] = rng.uniform(0, 0.5, (count, 5))  # folds
    paints[:, :, 10] = rng.uniform(0.05, 0.25, (count, 5))
    paints[:, :, 11] = np.where(rng.random((count, 5)) < 0.15, rng.uniform(0, 0.5, (count, 5)), 0)
    paints[:, :, 13] = 1
    return paints


def bone_axes(
    start: Array, end: Array, radius_m: Array | float, flat: float = 1.0, across: Array | None = None
) -> Array:
    """Half axes ``P 3 3`` of solids that reach from ``start`` to ``end``, ``flat`` times as deep as wide."""
    along = (end - start) / 2
    side = np.cross(along, [0.17, 0.11, 0.98]) if across is None else across
    side = side - along * (side * along).sum(1, keepdims=True) / (along**2).sum(1, keepdims=True)
    side = side / np.linalg.norm(side, axis=1, keepdims=True)
    depth = np.cross(side, along)
    depth = depth / np.linalg.norm(depth, axis=1, keepdims=True)
    radius = np.atleast_1d(radius_m)[:, None]
    return np.stack([side * radius, along, depth * radius * flat], 1)


def _dress(
    cast: Cast,
    rng: np.random.Generator,
    where: dict[str, Array],
    tall: Array,
    stout: Array,
    spine: Array,
    head_turn: Array,
    paints: Array,
) -> None:
    """Put flesh and clothes on bones."""
    skin, hair, top, trousers, shoes = (paints[:, part] for part in range(5))
    across = spine[:, :, 0]
    short = rng.random() < 0.3
    sleeve, leg = skin if short else top, skin if rng.random() < 0.15 else trousers

    def limb(start: str, end: str, wide: float, taper: float, paint: Array, flat: float = 1.0) -> None:
        wide_m = wide * tall * stout
        # a cone is wide at y = -1, which is its start
        axes = bone_axes(where[start], where[end], wide_m, flat, across if flat != 1 else None)
        cast.add(CONE, (where[start] + where[end]) / 2, axes, paint, taper=taper)

    def ball(joint: str, wide: float, paint: Array, shape: tuple[float, float, float], turn: Array) -> None:
        axes = turn.transpose(0, 2, 1) * np.array(shape)[:, None] * (wide * tall)[:, None, None]
        cast.add(SPHERE, where[joint], axes, paint)

    limb("hips", "neck", 0.088, -0.12, top, 0.6)
    ball("chest", 0.1, top, (1.0, 1.15, 0.66), spine)
    ball("hips", 0.088, trousers, (1.0, 0.9, 0.75), spine)
    limb("neck", "head", 0.034, 0.0, skin)
    ball("head", 0.058, skin, (0.78, 1.12, 0.95), head_turn)
    ball("hair", 0.06, hair, (0.86, 1.05, 0.98), head_turn)
    for side in "lr":
        limb(f"shoulder{side}", f"elbow{side}", 0.033, 0.2, top)
        limb(f"elbow{side}", f"wrist{side}", 0.027, 0.3, sleeve)
        limb(f"hip{side}", f"knee{side}", 0.054, 0.3, trousers)
        limb(f"knee{side}", f"ankle{side}", 0.038, 0.35, leg)
        limb(f"heel{side}", f"toe{side}", 0.027, 0.2, shoes)
        straight = np.broadcast_to(np.eye(3), (len(tall), 3, 3))
        for joint, wide, paint in (
            ("shoulder", 0.036, top),
            ("elbow", 0.027, sleeve),
            ("knee", 0.038, trousers),
        ):
            ball(f"{joint}{side}", wide, paint, (1, 1, 1), straight)
        ball(f"hand{side}", 0.03, skin, (0.8, 1.2, 0.7), straight)
    if rng.random() < 0.25:
        _add_skirt(cast, where, tall, stout, trousers)


def _add_skirt(cast: Cast, where: dict[str, Array], tall: Array, stout: Array, paint: Array) -> None:
    """Skirts, on every third of them."""
    who = np.arange(len(tall)) % 3 == 0
    hips, hem = where["hips"][who], ((where["kneel"] + where["kneer"]) / 2)[who]
    axes = bone_axes(hips, hem, (0.09 * tall * stout)[who])
    cast.add(CONE, (hips + hem) / 2, axes, paint[who], taper=-0.5)
