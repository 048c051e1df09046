"""Batches of pictures with disparity from folders: cropped, mirrored, and aged as cameras and files do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from any2bokeh.arrays import Floats
from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.made_pictures import LARGEST_CODE, list_pictures, read_picture

# Height and width of a batch, in multiples of 32.
SIZES = ((192, 320), (192, 320), (192, 320), (192, 256), (224, 224), (256, 192))
CROP_AREA = (0.35, 1.0)  # of the picture
WRONG_SHAPE = 0.2  # natural logarithm of how much narrower or wider a crop may be than the batch
KNOWN = 0.3  # of a crop: less disparity teaches little
LEAST_RANGE = 0.004  # of disparity within a crop
GRAY = np.array([0.3, 0.59, 0.11], np.float32)
LETTERBOXED = 0.06  # of the pictures
Rng = np.random.Generator
File = TypeVar("File")


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """Folders of pictures and how often each is drawn from, and the length of a batch."""

    folders: tuple[tuple[Path, float], ...]
    seed: int = 0
    length: int = 8


DepthBatch = tuple[Tensor, Tensor, Tensor]


class FolderShares(Generic[File]):
    """The files of the folders of ``settings``, as ``list_files`` finds them, drawn by their shares."""

    def __init__(self, settings: BatchSettings, list_files: Callable[[Path], list[File]]) -> None:
        """Raises ``SettingsError`` without a folder, and what ``list_files`` raises."""
        self._files = [list_files(folder) for folder, _ in settings.folders]
        shares = np.array([share for _, share in settings.folders])
        if not self._files or shares.sum() <= 0:
            raise SettingsError("Training needs a folder of pictures.")
        self._shares = shares / shares.sum()

    def choose(self, rng: Rng) -> list[File]:
        """Draw a folder, and return its files."""
        return self._files[rng.choice(len(self._files), p=self._shares)]


class Batches(Dataset[DepthBatch]):
    """Batch ``step``: pictures ``B 3 H W``, disparity ``B 1 H/2 W/2`` and where it is known, likewise.

    A batch depends on nothing but the settings and its number, so that a resumed run sees the batches that
    it would have seen.
    """

    def __init__(self, settings: BatchSettings, steps: int) -> None:
        self._settings, self._steps = settings, steps
        self._folders = FolderShares(settings, list_pictures)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> DepthBatch:
        """Return one batch."""
        rng = np.random.default_rng((self._settings.seed, step))
        size = SIZES[rng.integers(len(SIZES))]
        samples: list[tuple[Floats, Floats, Floats]] = []
        while len(samples) < self._settings.length:
            files = self._folders.choose(rng)
            codes, disparity = read_picture(files[rng.integers(len(files))])
            sample = cut_sample(codes, disparity, size, rng)
            if sample is not None:
                samples.append(sample)
        pictures, disparities, known = (
            torch.from_numpy(np.stack(part)) for part in zip(*samples, strict=True)
        )
        return pictures.permute(0, 3, 1, 2), disparities[:, None], known[:, None]


def cut_sample(
    codes: NDArray[np.uint8], raw: NDArray[np.uint16], size: tuple[int, int], rng: Rng
) -> tuple[Floats, Floats, Floats] | None:
    """Return an aged crop ``H W 3``, its disparity 0..1 and where that is known, ``H/2 W/2``; or nothing.

    ``codes H W 3`` are R'G'B' and ``raw H W`` codes of disparity, 0 where it is unknown.
    """
    found = _draw_crop(raw, size, rng)
    if found is None:
        return None
    half = size[1] // 2, size[0] // 2
    shrinks = codes[found].shape[1] >= size[1]
    picture = cv2.resize(
        codes[found], size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    part = cv2.resize(raw[found], half, interpolation=cv2.INTER_NEAREST_EXACT)
    known = part > 0
    if known.mean() < KNOWN:
        return None
    disparity = part.astype(np.float32) / LARGEST_CODE
    low, high = np.percentile(disparity[known], [1, 99])
    if high - low < LEAST_RANGE:
        return None
    disparity = np.clip((disparity - low) / (high - low), -0.1, 1.1)
    if rng.random() < 0.5:
        picture, disparity, known = picture[:, ::-1], disparity[:, ::-1], known[:, ::-1]
    aged = age(picture.astype(np.float32) / 255, rng)
    if rng.random() < LETTERBOXED:
        known = _letterbox(aged, known, rng)
    arrays = (aged, disparity.astype(np.float32), known.astype(np.float32))
    first, second, third = (np.ascontiguousarray(part) for part in arrays)
    return first, second, third


def _draw_crop(raw: NDArray[np.uint16], size: tuple[int, int], rng: Rng) -> tuple[slice, slice] | None:
    height, width = raw.shape
    for _ in range(4):
        side = rng.uniform(*CROP_AREA) ** 0.5
        shape = size[1] / size[0] * np.exp(rng.uniform(-WRONG_SHAPE, WRONG_SHAPE))
        wide = min(width, height * shape)
        columns, rows = int(min(width, wide * side)), int(min(height, wide / shape * side))
        left, top = rng.integers(0, width - columns + 1), rng.integers(0, height - rows + 1)
        crop = slice(top, top + rows), slice(left, left + columns)
        if (raw[crop] > 0).mean() > KNOWN:
            return crop
    return None


def _letterbox(picture: Floats, known: NDArray[np.bool_], rng: Rng) -> NDArray[np.bool_]:
    """Black out rows above and below, whose disparity counts no more."""
    rows = int(rng.integers(4, picture.shape[0] // 8)) // 2 * 2
    picture[:rows] = picture[-rows:] = 0
    known = known.copy()
    known[: rows // 2] = known[-rows // 2 :] = False
    return known


def age(picture: Floats, rng: Rng) -> Floats:
    """Return R'G'B' ``H W 3`` in other exposure, white balance, contrast, sharpness, noise, compression."""
    if rng.random() < 0.8:
        picture = picture * rng.uniform(0.6, 1.35)
        mean = picture.mean()
        picture = (picture - mean) * rng.uniform(0.6, 1.4) + mean
        picture = np.clip(picture, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
        balance: Floats = np.exp(rng.normal(0, 0.1, 3)).astype(np.float32)
        picture = picture * balance
        gray = (picture @ GRAY)[..., None]
        picture = (gray + rng.uniform(0.3, 1.6) * (picture - gray)).astype(np.float32)
    if rng.random() < 0.06:
        picture = np.repeat((picture @ GRAY)[..., None], 3, axis=2)
    if rng.random() < 0.04:
        picture = picture[..., rng.permutation(3)]
    picture = np.ascontiguousarray(picture, np.float32)
    if rng.random() < 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 2.0))
    if rng.random() < 0.1:
        scale = rng.uniform(0.3, 0.7)
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, picture.shape[1::-1])
    if rng.random() < 0.35:
        picture = picture + rng.normal(0, rng.uniform(0.005, 0.06), picture.shape).astype(np.float32)
    codes: NDArray[np.uint8] = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        codes = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return codes.astype(np.float32) / np.float32(255)


def depth_batches(
    settings: BatchSettings, first: int, steps: int, *, in_background: bool
) -> Iterator[DepthBatch]:
    """Yield the batches from ``first`` to before ``steps``, read by a second process if so asked."""
    loader = DataLoader(
        Batches(settings, steps),
        batch_size=None,
        sampler=range(first, steps),
        num_workers=1 if in_background else 0,
        prefetch_factor=4 if in_background else None,
    )
    yield from loader
