"""What the lens makes of a data set's clips, with true and with perturbed disparity, worked out once."""

import os
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from any2bokeh.render.lens.make import make_lens
from any2bokeh.render.lens.reference import LensRenderer
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings import LensSettings
from any2bokeh.synth.clip import Clip
from any2bokeh.synth.description import ClipSetting
from any2bokeh.training.perturb import perturb
from any2bokeh.training.settings import TrainingPerturbSettings

LARGEST_CODE, LARGEST_DISPARITY_CODE = 255, 65535


class LensPictures:
    """Keeps them in a folder: a clip is rendered when it is first asked for."""

    def __init__(self, folder: Path, perturbation: TrainingPerturbSettings) -> None:
        self._folder, self._perturbation = folder, perturbation
        self._lenses: dict[tuple[int, int], LensRenderer] = {}

    def read(self, clip: Clip, setting: ClipSetting, variant: int, frames: slice) -> tuple[Tensor, Tensor]:
        """Return the disparity of ``frames``, ``T 1 H W``, and the lens's pictures with it, ``T 3 H W`` 0..1.

        ``variant`` 0 is the true disparity; each other number perturbs it in another way.
        """
        stem = f"{clip.name}.{setting.name}.{variant}.{_seed(clip, setting, variant):08x}"
        paths = [self._folder / f"{stem}.{what}.npy" for what in ("disparity", "lens")]
        if not all(path.is_file() for path in paths):
            self._make(clip, setting, variant, paths)
        disparity, pictures = (np.load(path, mmap_mode="r")[frames].astype(np.float32) for path in paths)
        return (
            torch.from_numpy(disparity) / LARGEST_DISPARITY_CODE,
            torch.from_numpy(pictures) / LARGEST_CODE,
        )

    def _make(self, clip: Clip, setting: ClipSetting, variant: int, paths: list[Path]) -> None:
        disparity = clip.disparity()
        if variant:
            disparity = self._perturb(clip, setting, variant, disparity)
        codes = (disparity * LARGEST_DISPARITY_CODE).round()
        lens = self._lens(clip)
        pictures = []
        for number, sharp in enumerate(clip.iter_sharp()):
            scene = Scene(
                sharp=sharp,
                disparity=codes[number] / LARGEST_DISPARITY_CODE,
                focus_disparity=setting.focus[number],
                blur_strength=setting.blur_strength[number],
                pts=number,
            )
            pictures.append((lens.refocus(scene) * LARGEST_CODE).round().to(torch.uint8))
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays = codes.numpy().astype(np.uint16), torch.stack(pictures).numpy()
        for path, array in zip(paths, arrays, strict=True):
            partial = path.with_suffix(f".{os.getpid()}.partial.npy")
            np.save(partial, array)
            partial.replace(path)

    def _perturb(self, clip: Clip, setting: ClipSetting, variant: int, disparity: Tensor) -> Tensor:
        mask = None
        if not self._perturbation.everywhere:
            mask = clip.focus_mask(setting)
        generator = torch.Generator().manual_seed(_seed(clip, setting, variant))
        return perturb(disparity, torch.tensor(setting.focus), self._perturbation.strengths, generator, mask)

    def _lens(self, clip: Clip) -> LensRenderer:
        size = (clip.height, clip.width)
        if size not in self._lenses:
            pictures = PictureFormat(height=clip.height, width=clip.width)
            self._lenses[size] = make_lens(LensSettings(), torch.device("cpu"), pictures)
        return self._lenses[size]


def _seed(clip: Clip, setting: ClipSetting, variant: int) -> int:
    """A number for a version of a clip: of the same name in another data set, it is another."""
    return zlib.crc32(f"{clip.folder.resolve()}/{setting.name}/{variant}".encode())
