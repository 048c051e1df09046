"""Takes in a folder, to learn the correction of the lens from: pictures, ground truth, the lens's guesses.

``NAME.npz`` holds ``sharp`` and ``truth``, ``T 3 H W`` codes of 8 bits, and for each map of disparity, right
or wrong, the lens's picture ``lens.MAP``, likewise, and ``T H W``: ``coc.MAP`` float16, the signed radius of
the circle of confusion in pixels, edges aligned; ``rings.MAP`` int8 and ``evidence.MAP`` float16, see
``look_at_edges``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.atomic import partial_file
from any2bokeh.depth.edge_alignment import look_at_edges
from any2bokeh.errors import DatasetError, SettingsError
from any2bokeh.lab.compact.wrong_disparity import disturb
from any2bokeh.lab.synthesis.dataset_clip import DatasetClip
from any2bokeh.optics.coc import CocScale
from any2bokeh.render.base import aligned_scene
from any2bokeh.render.lens.model import EDGE_STEP_PX
from any2bokeh.render.lens.renderer import LensRenderer, make_lens
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import LensSettings
from any2bokeh.video.lossless import to_uint8

RIGHT, WRONG = "exact", ("a", "b")  # the map that is the scene's own, and others
OF_A_MAP = ("lens", "coc", "rings", "evidence")
LEAST_BLUR_STRENGTH = 12
SUFFIX = ".npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class LensTake:
    """Some frames of a clip, with a focal plane and K each.

    ``sharp`` and ``truth`` are ``T 3 H W`` in 0..1, ``disparity`` is ``T 1 H W``.
    """

    sharp: Tensor
    truth: Tensor
    disparity: Tensor
    focus_disparity: Sequence[float]
    blur_strength: Sequence[float]


def takes_of(clip: DatasetClip) -> Iterator[LensTake]:
    """Yield the versions of a clip of a data set that are blurred enough to learn from."""
    for setting in clip.settings:
        if max(setting.blur_strength) >= LEAST_BLUR_STRENGTH:
            yield LensTake(
                sharp=clip.sharp(),
                truth=clip.refocused(setting),
                disparity=clip.disparity(),
                focus_disparity=setting.focus,
                blur_strength=setting.blur_strength,
            )


def take_name(number: int, version: int) -> str:
    """The name of a take's file: of which clip it is, and which of its versions."""
    return f"{number:06d}-{version}{SUFFIX}"


def write_take(path: Path, take: LensTake, seed: tuple[int, ...]) -> None:
    """Write a take with the lens's pictures of it, with its own disparity and with wrong ones."""
    arrays: dict[str, NDArray[Any]] = {"sharp": to_uint8(take.sharp), "truth": to_uint8(take.truth)}
    rng = np.random.default_rng(seed)
    for name in (RIGHT, *WRONG):
        disparity = take.disparity
        if name != RIGHT:
            disparity = disturb(disparity, take.sharp, take.focus_disparity[0], rng)
        views = [
            _view(Scene(sharp=sharp, disparity=one, focus_disparity=focus, blur_strength=k, pts=0))
            for sharp, one, focus, k in zip(
                take.sharp, disparity, take.focus_disparity, take.blur_strength, strict=True
            )
        ]
        lens, coc, rings, evidence = (torch.cat(part) for part in zip(*views, strict=True))
        arrays[f"lens.{name}"] = to_uint8(lens)
        arrays[f"coc.{name}"], arrays[f"evidence.{name}"] = coc.half().numpy(), evidence.half().numpy()
        arrays[f"rings.{name}"] = rings.numpy().astype(np.int8)
    with partial_file(path, overwrite=True) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


@cache
def _lens_for(pictures: PictureFormat) -> LensRenderer:
    return make_lens(LensSettings(), torch.device("cpu"), pictures)


def _view(scene: Scene) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The lens's picture ``1 3 H W``, and ``1 H W``: CoC [px] with its edges aligned, rings and evidence."""
    height, width = scene.sharp.shape[1:]
    pictures = PictureFormat(height=height, width=width)
    scene = aligned_scene(scene, pictures)
    coc = CocScale.of(scene.focus_disparity, scene.blur_strength, pictures.longer_side_px).coc(
        scene.disparity
    )
    return _lens_for(pictures).refocus(scene)[None], coc, *look_at_edges(-coc, scene.sharp, EDGE_STEP_PX)


def list_takes(folder: Path) -> list[Path]:
    """Return the files of a folder's takes; raises ``SettingsError`` if there are none."""
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if not found:
        raise SettingsError(f"{folder} holds no takes (NAME{SUFFIX}).")
    return found


def read_take(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a take; raises ``DatasetError`` for a file that is damaged or lacks any."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, BadZipFile, KeyError) as error:
        raise DatasetError(f"{path} cannot be read as a take.") from error
    maps = [name.partition(".")[2] for name in arrays if name.startswith("lens.")]
    missing = {"sharp", "truth", *(f"{what}.{name}" for name in (RIGHT, *maps) for what in OF_A_MAP)} - set(
        arrays
    )
    if missing:
        raise DatasetError(f"{path} lacks {min(missing)}.")
    return arrays
