"""Batches to learn the correction from: crops of two frames in a row, anew for each step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.lens_takes import RIGHT, list_takes, read_take
from any2bokeh.render.small.correction import CELL_PX, lens_view
from any2bokeh.render.small.correction_network import COARSEST, LensView

FRAMES = 2  # in a row: how a correction changes is learned from these
PLACES = 2  # for a crop, of which that is taken where the lens is farther from the truth


@dataclass(frozen=True, kw_only=True)
class CorrectionBatchSettings:
    """``length`` crops of ``crop_px`` squared, from the takes in ``folders``.

    Disparity is right in ``right_share`` of them.
    """

    folders: tuple[Path, ...]
    seed: int = 0
    length: int = 14
    crop_px: int = 96
    right_share: float = 0.45

    def __post_init__(self) -> None:
        if self.crop_px % COARSEST or self.crop_px <= 0 or self.length < 1:
            raise SettingsError(f"Crops must have sides that {COARSEST} divides, and batches at least one.")


@dataclass(frozen=True, eq=False)
class CorrectionBatch:
    """``B`` crops of ``T`` frames: views, of ``B T`` images each, and the ground truth ``B T 3 H W``."""

    view: LensView
    truth: Tensor


Take = dict[str, NDArray[Any]]


def read_takes(folders: Sequence[Path]) -> list[Take]:
    """Return all takes of some folders, in memory; raises ``SettingsError`` and ``DatasetError``."""
    takes = [read_take(path) for folder in folders for path in list_takes(folder)]
    if any(len(take["sharp"]) < FRAMES for take in takes):
        raise SettingsError(f"A take has fewer than {FRAMES} frames.")
    return takes


def correction_batches(
    settings: CorrectionBatchSettings, first: int, steps: int
) -> Iterator[CorrectionBatch]:
    """Yield the batches of steps ``first`` to ``steps``; each depends on the seed and its number alone."""
    takes = read_takes(settings.folders)
    for step in range(first, steps):
        rng = np.random.default_rng((settings.seed, step))
        crops = [_draw(takes, settings, rng) for _ in range(settings.length)]
        codes, *maps = (torch.stack(part) for part in zip(*crops, strict=True))
        sharp, lens, truth = (codes.float() / 255).unbind(1)
        view = lens_view(*(one.float().flatten(0, 1) for one in (sharp, lens, *maps)))
        yield CorrectionBatch(view, truth)


def _draw(takes: list[Take], settings: CorrectionBatchSettings, rng: np.random.Generator) -> list[Tensor]:
    """One crop, turned and mirrored.

    Codes ``3 T 3 H W`` of sharp, lens and ground truth; CoC, rings and evidence, ``T 1 H W`` each.
    """
    take = takes[rng.integers(len(takes))]
    frames, _, height, width = take["sharp"].shape
    start, side = int(rng.integers(frames - FRAMES + 1)), settings.crop_px
    wrong = [name for name in take if name.startswith("lens.") and name != f"lens.{RIGHT}"]
    is_right = not wrong or rng.random() < settings.right_share
    name = RIGHT if is_right else str(rng.choice(wrong)).removeprefix("lens.")
    tops, lefts = (
        rng.integers((whole - side) // CELL_PX + 1, size=PLACES) * CELL_PX for whole in (height, width)
    )
    crops = [
        (slice(start, start + FRAMES), slice(None), slice(top, top + side), slice(left, left + side))
        for top, left in zip(tops, lefts, strict=True)
    ]
    lens, truth = take[f"lens.{name}"], take["truth"]
    crop = max(crops, key=lambda one: float(np.abs(lens[one].astype(np.int16) - truth[one]).sum()))
    codes = np.stack([take["sharp"][crop], lens[crop], truth[crop]])[:, :, rng.permutation(3)]
    maps = [take[f"{what}.{name}"][crop[0], None, crop[2], crop[3]] for what in ("coc", "rings", "evidence")]
    images = [codes, *maps]
    across, down, turned = rng.random(3) < 0.5
    for is_done, axis in ((across, -1), (down, -2)):
        images = [np.flip(image, axis) if is_done else image for image in images]
    if turned:
        images = [image.swapaxes(-1, -2) for image in images]
    return [torch.from_numpy(image.copy()) for image in images]
