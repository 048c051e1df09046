"""People read from a folder of rigged avatars, in poses that people take.

The folder holds ``NAME.npz`` with ``NAME_k.jpg`` beside them: positions, uv, triangles, four bones and
weights for each corner, and the bones' tree (docs/compact.md lists the arrays).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Integers32
from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.scenes.cast import Array
from any2bokeh.lab.compact.scenes.dyes import zone_of
from any2bokeh.lab.compact.scenes.meshes import Mesh, Rng, turn_about

FULL_WEIGHT = 255
KEPT = 24  # avatars that stay in memory
MEAN_CURVE = 2.2  # of textures, to linear light

Turns = dict[str, tuple[tuple[str, float], ...]]

# Rotations about the axes of the world at rest, in degrees, the left factor last: of both sides alike
# (mirrored) where no side is named.
POSE_TURNS: dict[str, Turns] = {
    "stand": {"Arm": (("z", -72),), "ForeArm": (("y", -15),)},
    "walk": {
        "LeftArm": (("x", 25), ("z", -72)),
        "RightArm": (("x", -25), ("z", 72)),
        "ForeArm": (("y", -25),),
        "LeftUpLeg": (("x", -25),),
        "RightUpLeg": (("x", 15),),
        "LeftLeg": (("x", 8),),
        "RightLeg": (("x", 35),),
        "Spine": (("x", 3),),
    },
    "run": {
        "LeftArm": (("x", 38), ("z", -72)),
        "RightArm": (("x", -55), ("z", 72)),
        "ForeArm": (("y", -85),),
        "LeftUpLeg": (("x", -65),),
        "RightUpLeg": (("x", 22),),
        "LeftLeg": (("x", 70),),
        "RightLeg": (("x", 55),),
        "Spine": (("x", 14),),
    },
    "sit": {
        "UpLeg": (("z", 6), ("x", -88)),
        "Leg": (("x", 88),),
        "Spine": (("x", 5),),
        "Arm": (("x", -35), ("z", -70)),
        "ForeArm": (("y", -45),),
    },
    "kneel": {
        "LeftUpLeg": (("x", -90),),
        "RightUpLeg": (("x", 5),),
        "LeftLeg": (("x", 90),),
        "RightLeg": (("x", 95),),
        "RightFoot": (("x", 20),),
        "Arm": (("x", -25), ("z", -70)),
        "ForeArm": (("y", -40),),
    },
    "dance": {
        "Shoulder": (("z", 15),),
        "LeftArm": (("y", -25), ("z", 55)),
        "RightArm": (("y", 25), ("z", 10)),
        "ForeArm": (("y", -40),),
        "LeftUpLeg": (("z", 18), ("x", -50)),
        "RightUpLeg": (("z", -18), ("x", -5)),
        "LeftLeg": (("x", 70),),
        "RightLeg": (("x", 10),),
        "Spine1": (("z", -8), ("y", 15)),
        "Head": (("y", 25),),
    },
    "reach": {
        "LeftArm": (("x", -92), ("z", -72)),
        "ForeArm": (("y", -12),),
        "RightArm": (("z", 72),),
        "Spine": (("x", 10),),
    },
    "phone": {
        "RightArm": (("x", -12), ("z", 74)),
        "RightForeArm": (("y", 100), ("x", -35)),
        "LeftArm": (("z", -74),),
        "LeftForeArm": (("y", -15),),
        "Neck": (("x", 12),),
        "Head": (("x", 18),),
    },
    "cheer": {"Shoulder": (("z", 25),), "Arm": (("z", 58),), "ForeArm": (("y", -20),)},
    "crouch": {
        "UpLeg": (("z", 12), ("x", -105)),
        "Leg": (("x", 125),),
        "Foot": (("x", -18),),
        "Spine": (("x", 20),),
        "Arm": (("x", -60), ("z", -70)),
        "ForeArm": (("y", -40),),
    },
    "handstand": {
        "Hips": (("x", 180),),
        "Shoulder": (("z", 25),),
        "Arm": (("z", 62),),
        "UpLeg": (("z", 5),),
        "Foot": (("x", 40),),
        "Neck": (("x", -20),),
    },
    "lie": {"Hips": (("x", -88),), "Arm": (("z", -60),), "ForeArm": (("y", -10),), "LeftLeg": (("x", 30),)},
    "ride": {
        "UpLeg": (("z", 8), ("x", -72)),
        "Leg": (("x", 80),),
        "Spine": (("x", 16),),
        "Spine1": (("x", 8),),
        "Arm": (("x", -62), ("z", -74)),
        "ForeArm": (("y", -25),),
        "Neck": (("x", -14),),
    },
    "handstand_split": {
        "Hips": (("x", 180),),
        "Shoulder": (("z", 25),),
        "Arm": (("z", 62),),
        "LeftUpLeg": (("z", 35), ("x", -55)),
        "RightUpLeg": (("z", -25), ("x", 15)),
        "RightLeg": (("x", 45),),
        "Spine1": (("y", 15),),
    },
}
LIMP = {
    "Arm": 9,
    "ForeArm": 14,
    "UpLeg": 7,
    "Leg": 8,
    "Spine": 4,
    "Spine1": 4,
    "Neck": 7,
    "Head": 9,
    "Hips": 4,
}


@dataclass(frozen=True, kw_only=True)
class Swing:
    """Limbs that swing: each by angles of its own, drawn from ``seed``, times ``amount`` (-1 to 1)."""

    seed: int
    amount: float

    def apply(self, pose: dict[str, Array]) -> dict[str, Array]:
        """Return a pose with its limbs swung."""
        rng = np.random.default_rng(self.seed)
        swung = dict(pose)
        for bone, spread in LIMP.items():
            for side in ("Left", "Right") if _has_sides(bone) else ("",):
                turn = np.eye(3)
                for axis, degrees in enumerate(rng.normal(0, 2.2 * spread, 3)):
                    turn = turn @ turn_about(axis, self.amount * degrees)
                swung[side + bone] = turn @ pose.get(side + bone, np.eye(3))
        return swung


@dataclass(frozen=True, kw_only=True, eq=False)
class Avatar:
    """One person at rest: corners with their colors, and the bones that move them."""

    positions: Array
    normals: Array
    colors: Array
    triangles: Integers32
    bones: tuple[str, ...]
    parents: NDArray[np.int16]
    rest: Array  # B 4 4, relative to the parent
    inverse_bind: Array
    joints: NDArray[np.uint8]
    weights: Array

    def zones(self) -> NDArray[np.uint8]:
        """Return which clothes each corner belongs to, by the bone that moves it most; see ``dyes``."""
        strongest = np.take_along_axis(self.joints, self.weights.argmax(1)[:, None], 1)[:, 0]
        return np.array([zone_of(bone) for bone in self.bones], np.uint8)[strongest]

    def skeleton(self, pose: dict[str, Array]) -> Array:
        """World matrices of the bones, ``B 4 4``; a pose turns them about the axes of the world at rest."""
        at_rest, posed = np.empty((len(self.bones), 4, 4)), np.empty((len(self.bones), 4, 4))
        for bone, (name, parent, local) in enumerate(zip(self.bones, self.parents, self.rest, strict=True)):
            above = np.eye(3) if parent < 0 else at_rest[parent, :3, :3]
            turned = local.copy()
            if name in pose:
                turned[:3, :3] = above.T @ pose[name] @ above @ local[:3, :3]
            at_rest[bone] = local if parent < 0 else at_rest[parent] @ local
            posed[bone] = turned if parent < 0 else posed[parent] @ turned
        return posed

    def posed(self, pose: dict[str, Array]) -> tuple[Mesh, dict[str, Array]]:
        """Return the person in a pose, soles at height 0, and where the bones are."""
        world = self.skeleton(pose)
        skins = (world @ self.inverse_bind)[:, :3]  # B 3 4
        blend = np.zeros((len(self.positions), 3, 4))
        for weights, joints in zip(self.weights.T, self.joints.T, strict=True):
            blend += weights[:, None, None] * skins[joints]
        positions = np.einsum("vij,vj->vi", blend[:, :, :3], self.positions) + blend[:, :, 3]
        normals = np.einsum("vij,vj->vi", blend[:, :, :3], self.normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        lift = np.array([0, -positions[:, 1].min(), 0])
        mesh = Mesh(positions=positions + lift, normals=normals, colors=self.colors, triangles=self.triangles)
        return mesh, {name: matrix[:3, 3] + lift for name, matrix in zip(self.bones, world, strict=True)}


def list_avatars(folder: Path) -> list[Path]:
    """Return the avatars of a folder by name; raises ``SettingsError`` if there are none."""
    found = sorted(folder.glob("*.npz"))
    if not found:
        raise SettingsError(f"{folder} holds no avatars (NAME.npz).")
    return found


@lru_cache(maxsize=KEPT)
def read_avatar(path: Path) -> Avatar:
    """Return the person of ``NAME.npz`` and its textures."""
    with np.load(path) as data:
        triangles = data["indices"].astype(np.int32)
        material = np.zeros(len(data["positions"]), np.uint8)
        material[triangles] = data["material"][:, None]
        colors = np.empty((len(material), 3))
        for number, name in enumerate(data["material_texture"]):
            texture = cv2.imread(str(path.with_name(str(name))), cv2.IMREAD_COLOR_RGB)
            if texture is None:
                raise SettingsError(f"{path.with_name(str(name))} is missing or no picture.")
            mine = material == number
            size = np.array(texture.shape[1::-1])
            columns, rows = np.clip((data["uv"][mine].astype(float) * size).astype(int), 0, size - 1).T
            colors[mine] = (texture[rows, columns] / 255.0) ** MEAN_CURVE
        return Avatar(
            positions=data["positions"] * data["position_scale"].astype(float) + data["position_offset"],
            normals=data["normals"] / 127.0,
            colors=colors,
            triangles=triangles,
            bones=tuple(str(name) for name in data["bone_names"]),
            parents=data["bone_parents"],
            rest=data["bone_rest"].astype(float),
            inverse_bind=data["inverse_bind"].astype(float),
            joints=data["joints"],
            weights=data["weights"] / float(FULL_WEIGHT),
        )


def draw_pose(rng: Rng, name: str) -> dict[str, Array]:
    """Return the rotations of a pose, each limb a little different each time, mirrored in half of them."""
    pose: dict[str, Array] = {}
    for bone, turns in POSE_TURNS[name].items():
        for side in ("Left", "Right") if _has_sides(bone) else ("",):
            turn = np.eye(3)
            for axis, degrees in turns:
                mirrored = side == "Right" and axis != "x"
                turn = turn @ turn_about("xyz".index(axis), -degrees if mirrored else degrees)
            pose[side + bone] = turn
    for bone, spread in LIMP.items():
        for side in ("Left", "Right") if _has_sides(bone) else ("",):
            loose = [turn_about(axis, rng.normal(0, spread) * (1, 0.7, 0.5)[axis]) for axis in range(3)]
            pose[side + bone] = loose[0] @ loose[1] @ loose[2] @ pose.get(side + bone, np.eye(3))
    if rng.random() < 0.5:
        flip = np.diag([-1.0, 1, 1])
        pose = {_other_side(bone): flip @ turn @ flip for bone, turn in pose.items()}
    return pose


def _has_sides(bone: str) -> bool:
    return bone in ("Shoulder", "Arm", "ForeArm", "UpLeg", "Leg", "Foot")


def _other_side(bone: str) -> str:
    for mine, other in (("Left", "Right"), ("Right", "Left")):
        if bone.startswith(mine):
            return other + bone.removeprefix(mine)
    return bone
