"""Tiny folders of pictures and a person made for the purpose."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from any2bokeh.lab.compact.made_pictures import write_picture

BONES = ("Hips", "Spine", "LeftArm", "RightArm", "LeftHand", "RightHand", "LeftUpLeg", "RightUpLeg")
PARENTS = (-1, 0, 1, 1, 2, 3, 0, 0)
PLACES = np.array(
    [
        [0, 1.0, 0],
        [0, 1.2, 0],
        [0.2, 1.5, 0],
        [-0.2, 1.5, 0],
        [0.7, 1.5, 0],
        [-0.7, 1.5, 0],
        [0.1, 0.9, 0],
        [-0.1, 0.9, 0],
    ]
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures of one bright square each, nearer than its surroundings, which moves to the right."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        rng = np.random.default_rng(number)
        picture = (rng.random((96, 160, 3)) * 0.3).astype(np.float32)
        disparity = np.zeros((96, 160), np.float32) + np.linspace(0, 0.2, 96, dtype=np.float32)[:, None]
        owners = np.zeros((96, 160), np.uint8)
        square = np.s_[30:80, 20 + 10 * number : 70 + 10 * number]
        picture[square] += 0.6
        disparity[square], owners[square] = 1, 1
        flow = np.zeros((96, 160, 2), np.float32)
        flow[square] = 3, 0
        write_picture(folder / f"{number:06d}", (picture, disparity, owners), flow)
    return folder


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder with one person: a box for the trunk and one for each limb, red above and blue below."""
    folder = tmp_path / "people"
    folder.mkdir()
    limbs = [(0, (0, 1.25, 0), (0.2, 0.45, 0.12))]
    limbs += [(2 + k, (side * 0.45, 1.5, 0), (0.25, 0.06, 0.06)) for k, side in enumerate((1, -1))]
    limbs += [(6 + k, (side * 0.1, 0.45, 0), (0.08, 0.45, 0.08)) for k, side in enumerate((1, -1))]
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    sides = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]])
    sides = np.concatenate([sides, [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]])
    positions = np.concatenate([np.array(middle) + corners * half for _, middle, half in limbs])
    joints = np.zeros((len(positions), 4), np.uint8)
    joints[:, 0] = np.repeat([bone for bone, _, _ in limbs], len(corners))
    weights = np.zeros_like(joints)
    weights[:, 0] = 255
    rest = np.tile(np.eye(4, dtype=np.float32), (len(BONES), 1, 1))
    inverse_bind = rest.copy()
    for bone, parent in enumerate(PARENTS):
        rest[bone, :3, 3] = PLACES[bone] - (PLACES[parent] if parent >= 0 else 0)
        inverse_bind[bone, :3, 3] = -PLACES[bone]
    texture = np.zeros((8, 8, 3), np.uint8)
    texture[:4, :, 2], texture[4:, :, 0] = 255, 255  # as OpenCV has it: red above, blue below
    cv2.imwrite(str(folder / "Anna_0.jpg"), texture)
    np.savez(
        folder / "Anna.npz",
        positions=np.round(positions * 1e4).astype(np.int16),
        position_scale=np.full(3, 1e-4, np.float32),
        position_offset=np.zeros(3, np.float32),
        normals=np.round(127 * np.tile(corners, (len(limbs), 1)) / 3**0.5).astype(np.int8),
        uv=np.stack([np.full(len(positions), 0.5), np.where(positions[:, 1] > 0.9, 0.1, 0.9)], 1).astype(
            np.float16
        ),
        indices=np.concatenate([sides + 8 * k for k in range(len(limbs))]).astype(np.uint16),
        material=np.zeros(12 * len(limbs), np.uint8),
        joints=joints,
        weights=weights,
        bone_names=np.array(BONES),
        bone_parents=np.array(PARENTS, np.int16),
        bone_rest=rest,
        inverse_bind=inverse_bind,
        material_texture=np.array(["Anna_0.jpg"]),
    )
    return folder
