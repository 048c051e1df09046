"""One clip of a data set: its pictures, read in spans or one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.errors import DatasetError, VideoError
from any2bokeh.lab.synthesis.description import (
    DISPARITY_FILE,
    OBJECTS_FILE,
    SHARP_FILE,
    ClipDescription,
    ClipSetting,
    read_description,
    refocused_file,
)
from any2bokeh.video.lossless import code_values, read_codes


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFrame:
    """One frame of a clip, without its refocused versions.

    ``sharp`` is ``3 H W`` display-referred R'G'B' in 0..1, ``disparity`` ``1 H W`` in 0..1 and
    ``objects`` ``1 H W`` uint8, 0 where there is none.
    """

    sharp: Tensor
    disparity: Tensor
    objects: Tensor


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A complete clip. Pictures are read from ``first`` on, ``count`` of them or all that follow.

    Each reading opens its file anew. Raises ``DatasetError`` where a file lacks frames or is damaged.
    """

    folder: Path
    description: ClipDescription

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.description.name

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.description.frames

    @property
    def width(self) -> int:
        """Width of its pictures in pixels."""
        return self.description.width

    @property
    def height(self) -> int:
        """Height of its pictures in pixels."""
        return self.description.height

    @property
    def settings(self) -> tuple[ClipSetting, ...]:
        """Its refocused versions."""
        return self.description.settings

    def setting(self, name: str) -> ClipSetting:
        """The setting of that name; raises ``DatasetError`` if there is none."""
        for setting in self.settings:
            if setting.name == name:
                return setting
        known = ", ".join(setting.name for setting in self.settings)
        raise DatasetError(f"{self.folder} has no setting {name!r}.", hint=f"It has {known}.")

    def sharp(self, first: int = 0, count: int | None = None) -> Tensor:
        """The all-in-focus pictures, display-referred R'G'B' ``T 3 H W`` float32 in 0..1."""
        return torch.stack(list(self.iter_sharp(first, count)))

    def disparity(self, first: int = 0, count: int | None = None) -> Tensor:
        """Disparity ``T 1 H W`` float32 in 0..1, near is 1."""
        return torch.stack(list(self.iter_disparity(first, count)))

    def objects_map(self, first: int = 0, count: int | None = None) -> Tensor:
        """The number of the object that each pixel's centre sees first, ``T 1 H W`` uint8, 0 for none."""
        return torch.stack(list(self.iter_objects_map(first, count)))

    def refocused(self, setting: ClipSetting, first: int = 0, count: int | None = None) -> Tensor:
        """The pictures through the lens of a setting, display-referred R'G'B' ``T 3 H W`` in 0..1."""
        return torch.stack(list(self.iter_refocused(setting, first, count)))

    def focus_mask(self, setting: ClipSetting, first: int = 0, count: int | None = None) -> Tensor:
        """The visible pixels of the setting's object, ``T 1 H W`` bool; none where there is no object."""
        return self.objects_map(first, count) == (setting.object or -1)

    def iter_sharp(self, first: int = 0, count: int | None = None) -> Iterator[Tensor]:
        """As ``sharp``, one ``3 H W`` after the other."""
        return (code_values(codes) for codes in self._codes(SHARP_FILE, first, count))

    def iter_disparity(self, first: int = 0, count: int | None = None) -> Iterator[Tensor]:
        """As ``disparity``, one ``1 H W`` after the other."""
        return (code_values(codes) for codes in self._codes(DISPARITY_FILE, first, count))

    def iter_objects_map(self, first: int = 0, count: int | None = None) -> Iterator[Tensor]:
        """As ``objects_map``, one ``1 H W`` after the other."""
        return (torch.from_numpy(codes) for codes in self._codes(OBJECTS_FILE, first, count))

    def iter_refocused(
        self, setting: ClipSetting, first: int = 0, count: int | None = None
    ) -> Iterator[Tensor]:
        """As ``refocused``, one ``3 H W`` after the other."""
        file = refocused_file(setting.name)
        return (code_values(codes) for codes in self._codes(file, first, count))

    def iter_frames(self, first: int = 0, count: int | None = None) -> Iterator[ClipFrame]:
        """Sharp, disparity and objects, frame by frame."""
        parts = (reader(first, count) for reader in (self.iter_sharp, self.iter_disparity))
        for sharp, disparity, objects in zip(*parts, self.iter_objects_map(first, count), strict=True):
            yield ClipFrame(sharp=sharp, disparity=disparity, objects=objects)

    def _codes(self, file: str, first: int, count: int | None) -> Iterator[NDArray[Any]]:
        wanted = self.frames - first if count is None else count
        if first < 0 or wanted < 0 or first + wanted > self.frames:
            raise DatasetError(
                f"{self.folder} has {self.frames} frames, not {wanted} from number {first} on."
            )
        path, done = self.folder / file, 0
        if wanted == 0:
            return
        try:
            for codes in islice(read_codes(path, self.description.rate, first), wanted):
                if codes.shape[1:] != (self.height, self.width):
                    size = f"{codes.shape[2]}x{codes.shape[1]}"
                    raise DatasetError(f"{path} is {size}, and its clip {self.width}x{self.height}.")
                yield codes
                done += 1
        except VideoError as error:
            raise DatasetError(error.message, error.hint) from error
        if done < wanted:
            raise DatasetError(f"{path} ends after {first + done} of {self.frames} frames.")


def open_clip(folder: Path) -> Clip:
    """Return the clip in ``folder``; raises ``DatasetError`` where it lacks a file or contradicts itself."""
    description = read_description(folder)
    for name in description.files:
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} lacks {name}.")
    return Clip(folder=folder, description=description)
