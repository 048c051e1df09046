"""Pairs of frames with their exact disparity, made when they are asked for."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from any2bokeh.arrays import Floats
from any2bokeh.lab.compact.scenes.cast import render
from any2bokeh.lab.compact.scenes.film import develop
from any2bokeh.lab.compact.scenes.maker import build_scene
from any2bokeh.motion.parallax import motion_between

PERCENTILES = (1.0, 98.5)  # of a pair's inverse depth: they become 0 and 1
SAMPLES_PER_PIXEL = 1.5  # along each axis, before the picture is brought to its size
GAPS_S = (0.03, 0.4)  # between the frames of a pair
SINGLE_SHARE = 0.2  # of the pairs, whose frames are shown as if no other were known
SCENES, USES = 64, 6  # so many scenes are shown, each once, and then again in another light
TRAINING, VALIDATION = 0, 1 << 40  # where the seeds begin

# Height and width in multiples of 32: wide, narrow, upright.
SHAPES = ((5, 9), (5, 8), (6, 8), (4, 9), (6, 7), (8, 6), (9, 5))
SHAPE_SHARES = (0.4, 0.15, 0.12, 0.08, 0.08, 0.07, 0.1)


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """``pairs`` in a batch, and how large their frames are: the share of ``SHAPES`` up to which step.

    Small frames first: the layout of a scene is learned from them, several times as fast.
    """

    seed: int = 0
    pairs: int = 4
    scales: tuple[tuple[float, int], ...] = ((1.0, 0),)  # the last holds from there on

    def scale(self, step: int) -> float:
        """Return the share at a step."""
        return next((scale for scale, end in self.scales if step < end), self.scales[-1][0])


PairBatch = tuple[Tensor, Tensor, Tensor]


class Pairs(Dataset[PairBatch]):
    """Batch ``step``: pictures ``2P 3 H W``, two frames of each scene, motion ``2P 5 H/4 W/4``, disparity.

    A batch depends on nothing but the seed and its number, so that a resumed run sees
    the batches that it would have seen.
    """

    def __init__(self, settings: DataSettings, steps: int) -> None:
        self._settings, self._steps = settings, steps
        self._kept: OrderedDict[tuple[int, int, int], list[tuple[Floats, Floats]]] = OrderedDict()

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> PairBatch:
        """Return one batch."""
        pairs = self._settings.pairs
        size = batch_size(step, self._settings)
        made = [self._pair(step * pairs + number, size) for number in range(pairs)]
        pictures, motions, disparities = (torch.cat([pair[part] for pair in made]) for part in range(3))
        return pictures, motions, disparities

    def _pair(self, number: int, size: tuple[int, int]) -> PairBatch:
        round_, within = divmod(number, SCENES * USES)
        scene = round_ * SCENES + within % SCENES
        seed = self._settings.seed * 1_000_003 + TRAINING + scene
        key = (seed, *size)
        if key not in self._kept:
            self._kept[key] = render_pair(seed, size)
            if len(self._kept) > SCENES:
                self._kept.popitem(last=False)
        return develop_pair(self._kept[key], size, seed * USES + within // SCENES)


def batch_size(step: int, settings: DataSettings) -> tuple[int, int]:
    """Return height and width of the frames of a batch: one of ``SHAPES``, kept while scenes are kept."""
    round_ = step * settings.pairs // (SCENES * USES)
    rng = np.random.default_rng((settings.seed, round_))
    rows, columns = SHAPES[rng.choice(len(SHAPES), p=SHAPE_SHARES)]
    scale = settings.scale(step)
    return round(rows * scale) * 32, round(columns * scale) * 32


def render_pair(seed: int, size: tuple[int, int]) -> list[tuple[Floats, Floats]]:
    """Return linear color and inverse depth of a scene at two moments."""
    height, width = (round(side * SAMPLES_PER_PIXEL) for side in size)
    later_s = float(np.exp(np.random.default_rng((seed, 1)).uniform(*np.log(GAPS_S))))
    return [render(*build_scene(seed, time_s, height, width)) for time_s in (0.0, later_s)]


def develop_pair(frames: list[tuple[Floats, Floats]], size: tuple[int, int], seed: int) -> PairBatch:
    """Return pictures ``2 3 H W``, motion ``2 5 H/4 W/4`` and disparity ``2 1 H W`` in 0..1 of two frames.

    They are mirrored or not, and the motion is found in the pictures, or not known.
    """
    pictures = np.stack([develop(*frame, size, seed=seed, frame=i) for i, frame in enumerate(frames)])
    inverse = [cv2.resize(frame[1], size[::-1], interpolation=cv2.INTER_NEAREST_EXACT) for frame in frames]
    low, high = np.percentile(inverse, PERCENTILES)
    disparity = np.clip((np.stack(inverse) - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    rng = np.random.default_rng((seed, 2))
    if rng.random() < 0.5:
        pictures, disparity = pictures[:, :, ::-1], disparity[:, :, ::-1]
    seen = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    motion = torch.stack(motion_between(*seen))
    if rng.random() < SINGLE_SHARE:
        motion = torch.zeros_like(motion)
    return seen, motion, torch.from_numpy(np.ascontiguousarray(disparity))[:, None]


def pair_batches(
    settings: DataSettings, first: int, steps: int, *, in_background: bool
) -> Iterator[PairBatch]:
    """Yield the batches from ``first`` to before ``steps``, made by a second process if so asked."""
    loader = DataLoader(
        Pairs(settings, steps),
        batch_size=None,
        sampler=range(first, steps),
        num_workers=1 if in_background else 0,
        prefetch_factor=6 if in_background else None,
    )
    yield from loader
