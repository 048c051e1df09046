"""Windows of a data set's clips, as a network is trained on them."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from any2bokeh.errors import DatasetError
from any2bokeh.lab.perturbation import perturb
from any2bokeh.lab.synthesis.dataset import open_dataset
from any2bokeh.lab.synthesis.dataset_clip import ClipSetting, DatasetClip
from any2bokeh.lab.training.training_settings import TrainingPerturbSettings, TrainingSettings
from any2bokeh.optics.coc import REFERENCE_SIDE_PX

LARGEST_SEED = 1 << 30
CANDIDATES = 2  # places for a crop, of which the one with more to learn is taken


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Windows of ``T`` frames of ``B`` clips.

    ``sharp`` and ``target`` are ``B T 3 H W`` in 0..1, ``disparity`` ``B T 1 H W``, perhaps perturbed;
    ``focus_disparity`` and ``net_blur_strength`` (K in pixels of these frames) ``B T``; ``perturbed`` ``B``.
    """

    sharp: Tensor
    disparity: Tensor
    focus_disparity: Tensor
    net_blur_strength: Tensor
    target: Tensor
    perturbed: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on ``device``."""
        return Batch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


@dataclass(frozen=True)
class Take:
    """One window: which version of which clip, from which frame on, how it is perturbed and shown.

    Without ``perturb_seed`` its disparity is the true one. ``rng`` decides the rest.
    """

    clip: DatasetClip
    setting: ClipSetting
    first: int
    perturb_seed: int | None
    is_flipped: bool
    rng: np.random.Generator


class TrainingWindows(Dataset[dict[str, Tensor]]):
    """Window ``number`` depends on nothing but the seed and its number.

    So a resumed run sees the windows that it would have seen. Every version of every clip comes once
    before any comes again.
    """

    def __init__(self, clips: Sequence[DatasetClip], settings: TrainingSettings, multiple: int) -> None:
        self._settings, self._multiple = settings, multiple
        self.versions = [(clip, setting) for clip in clips for setting in clip.settings]
        self._check()

    def __len__(self) -> int:
        return len(self.versions)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Return one window, by the names of ``Batch``."""
        return self.window(self.take(number))

    def take(self, number: int) -> Take:
        """Which window has this number."""
        settings = self._settings
        epoch, within = divmod(number, len(self.versions))
        order = np.random.default_rng((settings.seed, epoch)).permutation(len(self.versions))
        clip, setting = self.versions[order[within]]
        rng = np.random.default_rng((settings.seed, 1, number))
        first = int(rng.integers(clip.frames - settings.frames + 1))
        # Each has a draw of its own, also where it is not used: so one setting changes one thing.
        is_perturbed, is_flipped = rng.random() < settings.perturbed, rng.random() < settings.flipped
        perturb_seed = int(rng.integers(LARGEST_SEED))
        return Take(clip, setting, first, perturb_seed if is_perturbed else None, is_flipped, rng)

    def window(self, take: Take) -> dict[str, Tensor]:
        """Read a window, perturb it, cut it out and turn it around."""
        span = (take.first, self._settings.frames)
        clip, setting, frames = take.clip, take.setting, slice(take.first, sum(span))
        images = {"sharp": clip.sharp(*span), "target": clip.refocused(setting, *span)}
        images["disparity"] = (
            clip.disparity(*span)
            if take.perturb_seed is None
            else perturbed_disparity(clip, setting, self._settings.perturb, take.perturb_seed, *span)
        )
        window = self._cut(images, take.rng)
        if take.is_flipped:
            window = {name: image.flip(3) for name, image in window.items()}
        scale = max(clip.width, clip.height) / REFERENCE_SIDE_PX
        return {
            **{name: image.contiguous() for name, image in window.items()},
            "focus_disparity": torch.tensor(setting.focus[frames], dtype=torch.float32),
            "net_blur_strength": torch.tensor(setting.blur_strength[frames], dtype=torch.float32) * scale,
            "perturbed": torch.tensor(take.perturb_seed is not None),
        }

    def _cut(self, images: Mapping[str, Tensor], rng: np.random.Generator) -> Mapping[str, Tensor]:
        """A crop of sides that the network takes: of candidates, the one where there is more to learn."""
        height, width = images["sharp"].shape[2:]
        sides = [min(self._settings.crop or side, side) for side in (height, width)]
        rows, columns = (side // self._multiple * self._multiple for side in sides)
        if (rows, columns) == (height, width):
            return images
        places = [
            (int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1)))
            for _ in range(CANDIDATES)
        ]
        crops = [(..., slice(top, top + rows), slice(left, left + columns)) for top, left in places]

        def error(crop: tuple[Any, ...]) -> float:
            return float((images["target"][crop] - images["sharp"][crop]).abs().sum())

        best = max(crops, key=error)
        return {name: image[best] for name, image in images.items()}

    def _check(self) -> None:
        if not self.versions:
            raise DatasetError(
                "The data set has no refocused clip.", hint="Make one with `bokeh synthesize`."
            )
        for clip, _ in self.versions:
            if clip.frames < self._settings.frames:
                raise DatasetError(
                    f"{clip.folder} has {clip.frames} frames, and windows have {self._settings.frames}.",
                    hint="Use shorter windows: `training.frames=N`.",
                )
            shortest = min(clip.height, clip.width, self._settings.crop or clip.height)
            if shortest < self._multiple:
                raise DatasetError(
                    f"{clip.folder} or the crop is {shortest} pixels, and the network takes multiples of"
                    f" {self._multiple}."
                )


def perturbed_disparity(
    clip: DatasetClip,
    setting: ClipSetting,
    perturbation: TrainingPerturbSettings,
    seed: int,
    first: int = 0,
    count: int | None = None,
) -> Tensor:
    """Return a span of a clip's disparity with an estimator's mistakes, ``T 1 H W`` in 0..1."""
    disparity = clip.disparity(first, count)
    mask = None if perturbation.everywhere else clip.focus_mask(setting, first, count)
    focus = torch.tensor(setting.focus[first : first + len(disparity)])
    generator = torch.Generator().manual_seed(seed)
    return perturb(disparity, focus, perturbation.strengths, generator, mask)


def open_clips(folder: Path) -> tuple[DatasetClip, ...]:
    """The clips of a data set; raises ``DatasetError``."""
    return open_dataset(folder).clips


def window_batches(windows: TrainingWindows, numbers: Sequence[list[int]], workers: int) -> Iterator[Batch]:
    """Yield a batch of the windows of each row of ``numbers``, read by so many processes, or by this one."""
    loader = DataLoader(
        windows,
        batch_sampler=numbers,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        collate_fn=default_collate,
        worker_init_fn=end_in_silence,
    )
    for batch in loader:
        yield Batch(**batch)


def end_in_silence(worker: int) -> None:
    """Leave Ctrl-C, which reaches all processes, to the one that trains: it ends the others.

    A process that was asked for a batch when that happened loses its connection, which is no news by then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _tell_all_but_lost_connections


def _tell_all_but_lost_connections(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, error, trace)
