"""Scenes for ``lens_quality.py``: sharp frames, their disparity, and a lens's ground truth.

Our own are ray traced, which takes minutes, so they are kept in a folder. Others are read from folders of
clips, SCENE/ for each: ``meta.json`` with ``name`` and ``settings`` (``name``, ``focus``, ``k``), and of
each frame ``aif_00.png`` (all in focus), ``disp_00.png`` (16 bits) and ``gt_SETTING_00.png``.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from ready_stages import TRUCK, depth_ramp, evening, night_lamps, thin_structures, two_planes
from torch import Tensor

from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.shapes import Bars, Disc, Stroke, Union
from any2bokeh.lab.synthesis.stage import FrameView, Stage
from any2bokeh.optics.transfer import from_linear

WIDTH, HEIGHT, FRAMES_PER_S = 480, 270, 12
SHARP_SAMPLES = 16  # rays per pixel of the picture in focus


@dataclass(frozen=True, kw_only=True)
class Case:
    """The focal planes of a lens in a scene."""

    name: str
    focus_disparity: float
    blur_strength: float = 48


@dataclass(frozen=True, kw_only=True)
class StagedCase(Case):
    """A case of a stage of ours, from ``start_s`` on."""

    make_stage: Callable[[], Stage]
    start_s: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """Frames of a case: picture and ground truth ``T 3 H W`` in code values, disparity ``T 1 H W``."""

    case: Case
    sharp: Tensor
    disparity: Tensor
    ground_truth: Tensor


def sign_before_wall() -> Stage:
    """A board and wires before a wall."""
    wires = (
        Stroke(points=((-0.6, 0.2), (0.6, 0.12)), width_m=0.006),
        Stroke(points=((0.24, 0.4), (0.3, -0.4)), width_m=0.01),
    )
    return two_planes(near_shape=Union(parts=(Disc(radius_m=0.13), *wires)), camera=TRUCK)


def railing_before_board() -> Stage:
    """Bars before a checkered board."""
    stage = two_planes()
    near, far = (plane.texture for plane in stage.planes)
    bars = Bars(period_m=0.3, width_m=0.08, direction_deg=70)
    return two_planes(near_texture=far, far_texture=near, near_shape=bars, camera=TRUCK)


CASES = (
    StagedCase(name="sharp sign, blurred wall", make_stage=sign_before_wall, focus_disparity=0.8),
    StagedCase(name="blurred railing, sharp board", make_stage=railing_before_board, focus_disparity=0.2),
    StagedCase(
        name="floor through all depths", make_stage=partial(depth_ramp, camera=TRUCK), focus_disparity=0.5
    ),
    StagedCase(name="fence, wires, leaves", make_stage=thin_structures, focus_disparity=0.3),
    StagedCase(name="lamps at night", make_stage=night_lamps, focus_disparity=0.605),
    StagedCase(
        name="terrace at dusk",
        make_stage=lambda: evening().with_detail(0.5),
        focus_disparity=0.41,
        start_s=1.5,
    ),
)


def load_take(case: StagedCase, cache: Path, frames: int, samples: int) -> Take:
    """A case's frames, out of the cache or traced and put there."""
    path = cache / f"{case.name.replace(', ', '-').replace(' ', '-')}.{frames}x{samples}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_suffix(".partial.npz")
        np.savez(partial_path, *(values.numpy() for values in trace(case, frames, samples)))
        partial_path.replace(path)
    with np.load(path) as stored:
        sharp, disparity, ground_truth = (torch.from_numpy(stored[f"arr_{i}"]) for i in range(3))
    return Take(case=case, sharp=sharp, disparity=disparity, ground_truth=ground_truth)


def trace(case: StagedCase, frames: int, samples: int) -> tuple[Tensor, ...]:
    """Picture (of 8 bits, as videos are), disparity and ground truth of a case's frames."""
    tracer = RayTracer(case.make_stage())
    focus = Focus(focus_disparity=case.focus_disparity, blur_strength=case.blur_strength)

    def one(frame: int) -> tuple[Tensor, Tensor, Tensor]:
        view = FrameView(time_s=case.start_s + frame / FRAMES_PER_S, width=WIDTH, height=HEIGHT)
        sharp = from_linear(tracer.sharp(view, SHARP_SAMPLES).clamp(0, 1), "srgb")
        ground_truth = from_linear(tracer.refocused(view, focus, samples=samples).clamp(0, 1), "srgb")
        return (sharp * 255).round() / 255, tracer.geometry(view).disparity, ground_truth

    # A thread per frame costs less than several threads for each of the many small steps of one.
    workers = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return tuple(torch.stack(part) for part in zip(*pool.map(one, range(frames)), strict=True))


def read_takes(folder: Path) -> list[Take]:
    """The cases of a folder of clips, in the order of their names."""
    takes = []
    for path in sorted(folder.glob("*/meta.json")):
        meta, scene = json.loads(path.read_text(encoding="utf-8")), path.parent
        sharp, disparity = _read_pictures(scene, "aif"), _read_pictures(scene, "disp")[:, :1]
        for setting in meta["settings"]:
            case = Case(
                name=f"{meta['name']}, {setting['name']}",
                focus_disparity=setting["focus"],
                blur_strength=setting["k"],
            )
            truth = _read_pictures(scene, f"gt_{setting['name']}")
            takes.append(Take(case=case, sharp=sharp, disparity=disparity, ground_truth=truth))
    return takes


def _read_pictures(scene: Path, name: str) -> Tensor:
    """``T C H W`` of the pictures ``NAME_00.png`` and on, in 0..1."""
    frames = []
    for path in sorted(scene.glob(f"{name}_[0-9][0-9].png")):
        codes = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert codes is not None, path
        colors = codes[..., None] if codes.ndim == 2 else codes[..., ::-1]  # B'G'R' as it is read
        frames.append((colors / np.iinfo(codes.dtype).max).astype(np.float32).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(frames))
