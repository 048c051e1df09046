"""People and things put into a scene that is made: on its ground, in its light, behind nearer things."""

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from any2bokeh.arrays import Floats
from any2bokeh.lab.compact.scenes.avatars import POSE_TURNS, Swing, draw_pose, list_avatars, read_avatar
from any2bokeh.lab.compact.scenes.cast import Air, Array, Lights, Viewpoint
from any2bokeh.lab.compact.scenes.creatures import MAKERS
from any2bokeh.lab.compact.scenes.dyes import dyed
from any2bokeh.lab.compact.scenes.meshes import Mesh, Rng, block, draw_mesh, joined, lump, skin_of, turn_about

LEAST_SEEN = 0.004  # of the picture: fewer samples of a thing are not a thing
LEAST_SHARE = 0.35  # of a thing within the picture: more of it may not be occluded
NEAREST_SPOT_M, FARTHEST_SPOT_M = 0.7, 22.0
TRIES = 3  # for a place where it is seen
LEVEL_M = 0.07  # surfaces within this of a height are the ground at that height
POSES = tuple(POSE_TURNS)
DYED = 0.55  # of the people, in part or as a whole
TUMBLED = 0.1  # of the people are turned any way, in the air in half of these
HELMETS = {"ride": 0.8}  # how often, by pose; of all others:
HAT = 0.1
HEAD_M = 0.17  # from the neck to the top
CROWDED, BESIDE = 0.45, 0.3  # of the scenes have a crowd; of those in it stand beside the first thing
GROUPED = 0.33  # of the scenes without people have a group of things
ROWS = 0.12  # of the scenes have things of one kind side by side
POSE_CHANCES = np.array([0.2, 0.15, 0.08, 0.08, 0.05, 0.09, 0.05, 0.05, 0.05, 0.05, 0.06, 0.03, 0.0, 0.06])


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """An addition that was put at ``spot``: its mesh and, of a person, how to draw it again.

    ``person`` is the generator as it was before the drawing, and whether the person is a calm one.
    """

    mesh: Mesh
    spot: Array
    sunshine: float
    person: tuple[Rng, bool] | None = None


@dataclass(eq=False)
class SeenScene:
    """A scene as it is seen: linear ``picture H W 3``, ``inverse`` depth ``H W``, and whose each sample is.

    ``owners H W`` counts the additions from 1, and is 0 elsewhere; ``placed`` holds them in this order.
    """

    picture: Floats
    inverse: Floats
    view: Viewpoint
    lights: Lights
    air: Air
    owners: Floats
    placed: list[Placement] = field(default_factory=list)

    @property
    def camera(self) -> tuple[Array, Array, float]:
        """Where it is, its axes and its focal length in samples."""
        view = self.view
        return view.place, view.axes(), view.zoom * max(view.height, view.width) / 2

    def places(self) -> Array:
        """The places ``H W 3`` in the world that are seen; the sky is far."""
        rays = self.view.rays().astype(float)
        rows, columns = np.arange(self.view.height)[:, None, None], np.arange(self.view.width)[None, :, None]
        distance = 1 / np.maximum(self.inverse, 1e-4)[..., None]
        result: Array = rays[0] + distance * (rays[3] + columns * rays[4] + rows * rays[5])
        return result

    def add(self, placed: Placement, *, however_little: bool = False) -> bool:
        """Draw an addition, unless little of it would be seen; say which."""
        mesh, level_m = placed.mesh.moved(np.eye(3), placed.spot), placed.spot[1]
        sunshine = placed.sunshine
        alone = draw_mesh(
            mesh, mesh.colors, self.camera, np.zeros_like(self.inverse), np.empty_like(self.picture)
        )
        picture, inverse = self.picture.copy(), self.inverse.copy()
        light = _lit(mesh, self, sunshine)
        there = draw_mesh(mesh, light, self.camera, inverse, picture)
        is_little = there.mean() < LEAST_SEEN or there.sum() < LEAST_SHARE * alone.sum()
        if is_little and not however_little:
            return False
        self.placed.append(placed)
        shade = self._shade(mesh, level_m, sunshine)
        self.picture = np.where(there[..., None] > 0, picture, picture * shade[..., None])
        self.inverse = inverse
        self.owners = np.where(there > 0, len(self.placed), self.owners).astype(np.float32)
        return True

    def _shade(self, mesh: Mesh, level_m: float, sunshine: float) -> Floats:
        """How much light is left on the ground ``H W``: the shadow of the sun, and the dark below a thing."""
        left = np.ones_like(self.inverse)
        on_ground = np.abs(self.places()[..., 1] - level_m) < LEVEL_M
        height = np.maximum(mesh.positions[:, 1:2] - level_m, 0)
        toward = self.lights.toward
        for along, strength, blur in (
            (toward / max(toward[1], 0.2), 0.75 * sunshine, 0.002 * self.lights.softness),
            (np.array([0.0, 1.0, 0.0]), 0.45, 0.012),
        ):
            flat = mesh.positions - height * along
            flat[:, 1] = level_m
            shadow = Mesh(positions=flat, normals=mesh.normals, colors=mesh.colors, triangles=mesh.triangles)
            seen = draw_mesh(
                shadow, mesh.colors, self.camera, np.zeros_like(left), np.empty_like(self.picture)
            )
            seen = cv2.GaussianBlur(seen, (0, 0), max(0.5, blur * self.view.width))
            left = left * (1 - np.float32(strength) * seen * on_ground)
        return left.astype(np.float32)


def _lit(mesh: Mesh, scene: SeenScene, sunshine: float) -> Array:
    """Linear light ``V 3`` that the corners of a mesh send to the camera."""
    place, axes, _ = scene.camera
    lights, air = scene.lights, scene.air
    away = mesh.positions - place
    # Both sides of a sheet are lit: that which the camera sees counts.
    normals = np.where((mesh.normals * away).sum(1, keepdims=True) > 0, -mesh.normals, mesh.normals)
    up = 0.5 + 0.5 * normals[:, 1:2]
    direct = np.clip(normals @ lights.toward, 0, None)[:, None]
    light = sunshine * direct * lights.color + up * lights.above + (1 - up) * lights.below
    for lamp in lights.lamps:
        there = lamp[:3] - mesh.positions
        square = (there**2).sum(1, keepdims=True) + 0.05
        facing = np.clip((there * normals).sum(1, keepdims=True) / np.sqrt(square), 0, None)
        light = light + lamp[3:] * (0.15 + facing) / square
    clear = np.exp(-np.clip(away @ axes[2], 0, None) * air.haze[3])[:, None]
    lit: Array = mesh.colors * light * clear + air.haze[:3] * (1 - clear)
    return lit


@dataclass(frozen=True, kw_only=True)
class AdditionSettings:
    """The additions to scenes: ``people`` is a folder of avatars, ``kinds`` are names of ``MAKERS``."""

    people: Path | None = None
    kinds: tuple[str, ...] = tuple(MAKERS)
    every: int = 1  # of the avatars, those whose number leaves ``offset``
    offsets: tuple[int, ...] = (0,)


def add_to(scene: SeenScene, rng: Rng, settings: AdditionSettings) -> None:
    """Add a few people and things to a scene: one or two near, in many scenes a crowd or a row of things."""
    wanted = [_spot(rng, scene, 0.9, 7.0) for _ in range(1 + (rng.random() < 0.35) + (rng.random() < 0.15))]
    # Scenes without people keep the draws that they have had from the start: seeds of them are known.
    alone = len(wanted) if settings.people else 3
    if settings.people and rng.random() < ROWS:
        add_row(scene, rng, settings, wanted[0])
    crowd_of_people = False
    if rng.random() < (CROWDED if settings.people else GROUPED):
        wanted += _crowd(rng, scene, wanted[0]) if settings.people else _group(rng, scene)
        crowd_of_people = rng.random() < (0.8 if settings.people else 0.75)
    for number, first in enumerate(wanted):
        spot, sunshine = first, rng.uniform(0, 1.2)
        in_crowd = number >= alone and crowd_of_people
        person = None
        if settings.people and (in_crowd or rng.random() < 0.5):
            person = deepcopy(rng), in_crowd
            mesh = draw_person(rng, settings, calm=in_crowd)
        elif rng.random() < 0.4 and not in_crowd:
            mesh, spot = _on_surface(rng, scene, settings)
        else:
            mesh = thing(rng, settings)
        for _ in range(TRIES):
            if scene.add(Placement(mesh=mesh, spot=spot, sunshine=sunshine, person=person)) or in_crowd:
                break
            spot = _spot(rng, scene, 0.9, 7.0)


def _group(rng: Rng, scene: SeenScene) -> list[Array]:
    """Places of a few things behind each other."""
    distance = rng.uniform(3, 12)
    return [_spot(rng, scene, distance, distance * rng.uniform(1.1, 2)) for _ in range(rng.integers(2, 9))]


def _crowd(rng: Rng, scene: SeenScene, first: Array) -> list[Array]:
    """Places of a crowd: behind each other, some of them beside the first thing of the scene."""
    distance = rng.uniform(2, 12)
    count = rng.integers(2, 9) if rng.random() < 0.7 else rng.integers(8, 16)
    deep = rng.uniform(1.1, 2)
    spots = [_spot(rng, scene, distance, distance * deep) for _ in range(count)]
    return [first + rng.normal(0, 0.75, 3) * [1, 0, 1] if rng.random() < BESIDE else spot for spot in spots]


def add_row(scene: SeenScene, rng: Rng, settings: AdditionSettings, first: Array) -> None:
    """Add things of one kind side by side, as vehicles are parked."""
    kind = str(rng.choice(settings.kinds))
    turn = turn_about(1, rng.uniform(0, 360))
    shift, sunshine = np.zeros(3), rng.uniform(0, 1.2)
    along = turn @ [0, 0, 1] if rng.random() < 0.6 else turn @ [1, 0, 0]
    for _ in range(rng.integers(2, 6)):
        mesh = MAKERS[kind][0](rng).moved(turn @ turn_about(1, rng.normal(0, 6)), np.zeros(3)).standing()
        wide = float(np.ptp(mesh.positions @ along))
        scene.add(Placement(mesh=mesh, spot=first + shift, sunshine=sunshine))
        shift = shift + along * wide * rng.uniform(1.0, 1.5)


def _spot(rng: Rng, scene: SeenScene, near_m: float, far_m: float) -> Array:
    """A place on the ground before the camera, as often near as far in the picture."""
    place, axes, _ = scene.camera
    forward = axes[2] * [1, 0, 1]
    forward /= max(np.linalg.norm(forward), 1e-6)
    right = np.array([forward[2], 0, -forward[0]])
    z = 1 / rng.uniform(1 / far_m, 1 / near_m)
    reach = 0.85 * scene.view.width / max(scene.view.width, scene.view.height) / scene.view.zoom
    spot: Array = place * [1, 0, 1] + forward * z + right * rng.uniform(-reach, reach) * z
    return spot


def _on_surface(rng: Rng, scene: SeenScene, settings: AdditionSettings) -> tuple[Mesh, Array]:
    """A thing of a size that can be seen, and a place for it on a level surface of the picture."""
    places = scene.places()
    down = places[2:, 1:-1] - places[:-2, 1:-1]
    level = np.abs(down[..., 1]) < 0.08 * np.linalg.norm(down, axis=-1)
    near = scene.inverse[1:-1, 1:-1] > 1 / FARTHEST_SPOT_M
    found = np.argwhere(level & near)
    mesh = thing(rng, settings)
    if not len(found):
        return mesh, _spot(rng, scene, 1, 6)
    row, column = found[rng.integers(len(found))] + 1
    spot = places[row, column]
    distance = 1 / scene.inverse[row, column]
    size = np.ptp(mesh.positions, axis=0).max()
    wanted = distance / scene.view.zoom * rng.uniform(0.15, 1.1)
    # Things keep about their size: a car on a table would be a toy, which there are too.
    scale = float(np.clip(wanted / size, 0.25, 2.0)) if rng.random() < 0.8 else float(wanted / size)
    return mesh.moved(np.eye(3), np.zeros(3), scale), spot


def thing(rng: Rng, settings: AdditionSettings) -> Mesh:
    """An animal, a vehicle, a plant or an object, turned any way; two-wheelers have a rider in most."""
    chances = np.array([MAKERS[kind][1] for kind in settings.kinds])
    kind = settings.kinds[rng.choice(len(chances), p=chances / chances.sum())]
    mesh = MAKERS[kind][0](rng)
    if kind == "two_wheeled" and settings.people and rng.random() < 0.75:
        rider, bones = _posed(rng, settings, "ride")
        rider = joined([rider, *headgear(rng, bones, HELMETS["ride"])])
        shift = np.array([-0.16, 0.86, 0]) - turn_about(1, 90) @ bones["Hips"]
        mesh = joined([mesh, rider.moved(turn_about(1, 90), shift)])
    lean = turn_about(0, rng.normal(0, 8)) if rng.random() < 0.3 else np.eye(3)
    return mesh.moved(turn_about(1, rng.uniform(0, 360)) @ lean, np.zeros(3)).standing()


def draw_person(
    rng: Rng, settings: AdditionSettings, *, calm: bool = False, swing: Swing | None = None
) -> Mesh:
    """Someone in a pose that people take, with something to sit on or to hold where it belongs."""
    name = (
        "stand"
        if calm and rng.random() < 0.6
        else str(rng.choice(POSES, p=POSE_CHANCES / POSE_CHANCES.sum()))
    )
    mesh, bones = _posed(rng, settings, name, swing)
    parts = [mesh, *headgear(rng, bones, HELMETS.get(name, HAT))]
    if name == "sit":
        half = np.array([rng.uniform(0.22, 0.9), (bones["Hips"][1] - 0.1) / 2, rng.uniform(0.2, 0.35)])
        parts.append(
            block(half, skin_of(rng)).moved(np.eye(3), bones["Hips"] * [1, 0, 1] + [0, half[1], -0.1])
        )
    if rng.random() < 0.25:
        held = MAKERS[str(rng.choice(["vessel", "rock", "machine", "plant"]))][0](rng)
        size = rng.uniform(0.1, 0.5) / np.ptp(held.positions, axis=0).max()
        hand = bones[str(rng.choice(["LeftHand", "RightHand"]))]
        turn = turn_about(1, rng.uniform(0, 360)) @ turn_about(0, rng.uniform(0, 180))
        parts.append(held.moved(turn, hand, float(size)))
    facing = rng.normal(180, 55) if rng.random() < 0.7 else rng.uniform(0, 360)
    person = joined(parts).moved(turn_about(1, facing), np.zeros(3))
    if calm or rng.random() > TUMBLED:
        return person
    turn = np.linalg.qr(rng.normal(0, 1, (3, 3)))[0]
    turned = person.moved(turn * np.linalg.det(turn), np.zeros(3)).standing()
    return turned.moved(np.eye(3), np.array([0, max(0.0, rng.normal(0, 0.6)), 0]))


def headgear(rng: Rng, bones: dict[str, Array], chance: float) -> list[Mesh]:
    """A helmet around the head, a cap on it, or nothing."""
    is_worn, is_helmet = rng.random() < chance, chance > HAT or rng.random() < 0.4
    skin, half = skin_of(rng, contrast=1.0), rng.uniform([0.12, 0.13, 0.13], [0.15, 0.16, 0.17])
    if not is_worn or "HeadEnd" not in bones:
        return []
    if not is_helmet:
        half = half * [0.9, 0.5, 0.9]
    up = bones["HeadEnd"] - bones["Head"]
    size, height = float(np.linalg.norm(up)) / HEAD_M, 0.5 if is_helmet else 0.95
    return [lump(rng, half * size, skin, rough=0.02).moved(np.eye(3), bones["Head"] + height * up)]


def _posed(
    rng: Rng, settings: AdditionSettings, name: str, swing: Swing | None = None
) -> tuple[Mesh, dict[str, Array]]:
    """One of the avatars in a pose, a little taller or shorter, its clothes tinted in half of them."""
    assert settings.people is not None
    files = list_avatars(settings.people)
    mine = [file for number, file in enumerate(files) if number % settings.every in settings.offsets]
    avatar, pose = read_avatar(mine[rng.integers(len(mine))]), draw_pose(rng, name)
    mesh, bones = avatar.posed(swing.apply(pose) if swing else pose)
    colors = mesh.colors
    if rng.random() < DYED:
        colors = dyed(colors, avatar.positions, avatar.zones(), rng)
    scale = float(rng.uniform(0.88, 1.08)) * (1.0 if rng.random() < 0.85 else rng.uniform(0.55, 0.85))
    tint = np.exp(rng.normal(0, 0.3, 3) * (rng.random() < 0.5) + rng.normal(0, 0.25))
    colors = np.clip(colors * tint, 0.005, 0.95)
    tinted = Mesh(positions=mesh.positions, normals=mesh.normals, colors=colors, triangles=mesh.triangles)
    return tinted.moved(np.eye(3), np.zeros(3), scale), {bone: at * scale for bone, at in bones.items()}
