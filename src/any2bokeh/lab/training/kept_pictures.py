"""A data set's pictures, kept uncompressed for training, and the lens's renderings of them.

Decoding a window takes longer than a GPU takes to learn from it, and so does the lens: both are done once.
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.atomic import partial_file, writes_to
from any2bokeh.errors import SettingsError
from any2bokeh.lab.perturbation import perturb
from any2bokeh.lab.synthesis.dataset_clip import ClipSetting, DatasetClip
from any2bokeh.lab.training.training_settings import TrainingPerturbSettings
from any2bokeh.paths import checked_name
from any2bokeh.render.lens.renderer import LensRenderer, make_lens
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings
from any2bokeh.video.gray import to_uint16
from any2bokeh.video.lossless import to_float, to_uint8

Codes = NDArray[Any]  # of 8 bits; disparity of 16


class KeptPictures:
    """Keeps them in a folder, uncompressed: each is made when it is first asked for."""

    def __init__(self, folder: Path, perturbation: TrainingPerturbSettings) -> None:
        self._folder, self._perturbation = folder, perturbation
        self._lenses: dict[tuple[int, int], LensRenderer] = {}

    def read(self, clip: DatasetClip, setting: ClipSetting, variant: int, frames: slice) -> dict[str, Codes]:
        """Return codes of ``frames``, by the names of ``Batch``.

        ``sharp``, ``target`` and ``through_lens``, ``T 3 H W`` uint8, and the ``disparity`` that the lens was
        given, ``T 1 H W`` uint16. ``variant`` 0 is the true disparity; each other number perturbs it in
        another way.
        """
        perturbed = f"{setting.name}.{variant}"
        paths = {
            "sharp": self._path(clip, "sharp"),
            "target": self._path(clip, f"{setting.name}.target"),
            "disparity": self._path(clip, f"{perturbed}.disparity"),
            "through_lens": self._path(clip, f"{perturbed}.lens"),
        }
        makers: dict[str, Callable[[], Codes]] = {
            "sharp": lambda: to_uint8(clip.sharp()),
            "target": lambda: to_uint8(clip.refocused(setting)),
            "disparity": lambda: self._disparity(clip, setting, variant),
            "through_lens": lambda: self._through_lens(
                clip, setting, np.load(paths["sharp"]), np.load(paths["disparity"])
            ),
        }
        read = {}
        for name, path in paths.items():
            if (kept := _load(path, clip, name)) is None:  # it is missing or damaged, and made anew
                with writes_to(self._folder, SettingsError):
                    self._folder.mkdir(parents=True, exist_ok=True)
                kept = makers[name]()
                with partial_file(path, overwrite=True) as partial:
                    np.save(partial, kept)
            read[name] = kept[frames]
        return read

    def _path(self, clip: DatasetClip, what: str) -> Path:
        """A name that the same clip of another data set does not have."""
        name = f"{clip.name}.{what}.{zlib.crc32(str(clip.folder.resolve()).encode()):08x}.npy"
        return self._folder / checked_name(name, "The name of kept pictures")

    def _disparity(self, clip: DatasetClip, setting: ClipSetting, variant: int) -> Codes:
        if variant:
            seed = zlib.crc32(f"{clip.folder.resolve()}/{setting.name}/{variant}".encode())
            disparity = perturbed_disparity(clip, setting, self._perturbation, seed)
        else:
            disparity = clip.disparity()
        return to_uint16(disparity)

    def _through_lens(self, clip: DatasetClip, setting: ClipSetting, sharp: Codes, disparity: Codes) -> Codes:
        lens = self._lens(clip)
        pictures = []
        for number in range(clip.frames):
            scene = Scene(
                sharp=to_float(sharp[number]),
                disparity=to_float(disparity[number]),
                focus_disparity=setting.focus[number],
                blur_strength=setting.blur_strength[number],
                pts=number,
            )
            pictures.append(lens.refocus(scene))
        return to_uint8(torch.stack(pictures))

    def _lens(self, clip: DatasetClip) -> LensRenderer:
        size = (clip.height, clip.width)
        if size not in self._lenses:
            pictures = PictureFormat(height=clip.height, width=clip.width)
            self._lenses[size] = make_lens(LensSettings(), torch.device("cpu"), pictures)
        return self._lenses[size]


def _load(path: Path, clip: DatasetClip, name: str) -> Codes | None:
    """The codes of a clip's pictures in a file; ``None`` if it holds no such pictures."""
    try:
        kept: Codes = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    channels, kind = (1, np.uint16) if name == "disparity" else (3, np.uint8)
    wanted = (clip.frames, channels, clip.height, clip.width), np.dtype(kind)
    return kept if (kept.shape, kept.dtype) == wanted else None


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
