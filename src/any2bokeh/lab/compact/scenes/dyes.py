"""Clothes in other colors: the trunk, the legs and the feet of an avatar are dyed apart.

So one person looks like several things, and a network learns to keep them together.
"""

import numpy as np
from numpy.typing import NDArray

from any2bokeh.lab.compact.scenes.cast import Array
from any2bokeh.lab.compact.scenes.meshes import Rng, skin_of

BARE, TOP, TROUSERS, SHOES = range(4)
_ZONES = (
    (TOP, ("Spine", "Shoulder", "Arm", "ForeArm")),
    (TROUSERS, ("Hips", "UpLeg", "Leg")),
    (SHOES, ("Foot", "Toe")),
)
DYED = {TOP: 0.8, TROUSERS: 0.8, SHOES: 0.5}  # how often each is, of a person whose clothes are dyed
PLAIN = 0.55  # of the dyes have a single color
RELIEF = (0.3, 3.0)  # of folds and seams, times the median brightness of the texture


def zone_of(bone: str) -> int:
    """Return which clothes are worn around a bone of an avatar."""
    name = bone.removeprefix("Left").removeprefix("Right")
    return next((zone for zone, starts in _ZONES if name.startswith(starts)), BARE)


def dyed(colors: Array, positions: Array, zones: NDArray[np.uint8], rng: Rng) -> Array:
    """Return linear ``colors V 3`` with some of the clothes dyed, plain or printed.

    The texture's folds stay. ``positions V 3`` are the corners at rest in meters: prints lie flat on them.
    """
    result = colors.copy()
    across = positions @ np.array([1.0, 0, 0.6])
    for zone, chance in DYED.items():
        skin = skin_of(rng, contrast=0.0 if rng.random() < PLAIN else 1.5)
        depth, is_dyed, mine = rng.uniform(0.3, 1.0), rng.random() < chance, zones == zone
        if not (is_dyed and mine.any()):
            continue
        brightness = colors[mine].mean(1, keepdims=True)
        relief = (brightness / max(float(np.median(brightness)), 1e-3)).clip(*RELIEF) ** depth
        result[mine] = skin.paint(across[mine], positions[mine, 1]) * relief
    return np.clip(result, 0.004, 0.95)
