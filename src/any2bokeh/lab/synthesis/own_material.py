"""The user's own pictures and clips as the material of scenes."""

from functools import lru_cache
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from any2bokeh.errors import DatasetError
from any2bokeh.lab.synthesis.cutouts import Cutout
from any2bokeh.lab.synthesis.drawn_scene import ClipFormat, Material
from any2bokeh.lab.synthesis.patterns import whole
from any2bokeh.lab.synthesis.stage import Texture
from any2bokeh.lab.synthesis.textures import Footage, Picture
from any2bokeh.video.matte import has_alpha, read_matted

MASK = ".mask"  # before the suffix of a mask's name: cat.jpg and cat.mask.png
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".mp4", ".mov", ".mkv", ".webm", ".avi")
FILES_KEPT = 8  # read and waiting to be used again


class OwnMaterial(Material):
    """Things and backgrounds from the user's folders; without a folder they are drawn.

    Raises ``DatasetError`` for a folder without pictures, or a thing that says nowhere where it is
    transparent.
    """

    def __init__(self, foregrounds: Path | None, backgrounds: Path | None, clip: ClipFormat) -> None:
        self._clip = clip
        self._foregrounds = _sources(foregrounds) if foregrounds else []
        self._backgrounds = _sources(backgrounds) if backgrounds else []
        for path in self._foregrounds:
            if _mask_of(path) is None and not has_alpha(path):
                raise DatasetError(
                    f"{path} has neither transparency nor a mask.",
                    hint=f"Put a gray picture or video called {path.stem}{MASK}.png (or .mkv) next to it.",
                )
        self._read = lru_cache(FILES_KEPT)(self._read_frames)

    def foreground(self, rng: Generator) -> Cutout:
        """One of the user's things, or a drawn one."""
        if not self._foregrounds:
            return super().foreground(rng)
        path = self._foregrounds[whole(rng, 0, len(self._foregrounds) - 1)]
        frames = self._read(path)
        height, width = frames[0].shape[1:]
        size = width / max(width, height), height / max(width, height)
        return Cutout(name=path.stem, size=size, texture=self._footage(frames, size))

    def background(self, rng: Generator, size_m: tuple[float, float]) -> Texture:
        """One of the user's backgrounds, cut to the shape of the rectangle, or a drawn one."""
        if not self._backgrounds:
            return super().background(rng, size_m)
        path = self._backgrounds[whole(rng, 0, len(self._backgrounds) - 1)]
        frames = [_cropped(frame, size_m[0] / size_m[1]) for frame in self._read(path)]
        opaque = [torch.cat([frame[:3], torch.ones_like(frame[3:])]) for frame in frames]
        return self._footage(opaque, size_m)

    def _footage(self, frames: list[Tensor], size_m: tuple[float, float]) -> Texture:
        pictures = tuple(Picture(pixels=frame, size_m=size_m) for frame in frames)
        return pictures[0] if len(pictures) == 1 else Footage(frames=pictures, rate=self._clip.rate)

    def _read_frames(self, path: Path) -> list[Tensor]:
        """As many frames as a clip has, no larger than a clip."""
        longest = 1.25 * max(self._clip.width, self._clip.height)
        frames = []
        for frame in islice(read_matted(path, _mask_of(path)), self._clip.frames):
            share = longest / max(frame.shape[1:])
            frames.append(_smaller(frame, share) if share < 1 else frame)
        return frames


def _sources(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder of pictures and videos.")
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.stem.endswith(MASK) and not path.name.startswith(".")
    )
    if not files:
        raise DatasetError(f"{folder} contains no pictures or videos.", hint=f"Use {' '.join(SUFFIXES)}.")
    return files


def _mask_of(path: Path) -> Path | None:
    masks = sorted(path.parent.glob(f"{path.stem}{MASK}.*"))
    return masks[0] if masks else None


def _smaller(frame: Tensor, share: float) -> Tensor:
    """The same in fewer pixels; color counts where there is any."""
    weighted = torch.cat([frame[:3] * frame[3:], frame[3:]])
    size = [max(1, round(side * share)) for side in frame.shape[1:]]
    small = F.interpolate(weighted[None], size, mode="area")[0]
    return torch.cat([small[:3] / small[3:].clamp(min=1e-6), small[3:]])


def _cropped(frame: Tensor, aspect: float) -> Tensor:
    """The middle of a picture in the shape ``aspect`` (width by height)."""
    height, width = frame.shape[1:]
    wanted = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - wanted[0]) // 2, (height - wanted[1]) // 2
    return frame[:, top : top + wanted[1], left : left + wanted[0]]
