"""Synthetic clips for ``depth_steady.py``: pictures, exact disparity, and the pixels of moving objects.

Ray tracing takes minutes, so the clips are kept in a folder.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ready_stages import CHECKS, TRUCK, evening, night_lamps, thin_structures
from torch import Tensor

from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import Camera, FrameView, Stage, Trajectory, rgb, still
from any2bokeh.lab.synthesis.street import person, tree
from any2bokeh.lab.synthesis.textures import Checks, Noise, Product, Uniform
from any2bokeh.optics.transfer import from_linear

WIDTH, HEIGHT, FRAMES_PER_S = 498, 280, 24  # the working frame of the depth network on a CPU
SAMPLES = 4  # rays per pixel


@dataclass(frozen=True, kw_only=True)
class Case:
    """A stage, what moves in it by itself (planes whose names begin so), and where to focus."""

    name: str
    make_stage: Callable[[], Stage]
    movers: tuple[str, ...] = ()
    focus_disparity: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Pictures ``T 3 H W`` in code values, disparity ``T 1 H W``, and a mask ``T 1 H W`` of what moves."""

    case: Case
    pictures: Tensor
    disparity: Tensor
    moving: Tensor


def street(camera: Camera, velocity: float) -> Stage:
    """Two people who pass each other on paving before a wall and a tree."""
    ground, wall = night_lamps().planes[-2:]
    paving = Checks(first=Uniform((0.5, 0.47, 0.4)), second=Uniform((0.3, 0.28, 0.25)), cell_m=0.5)
    ground, wall = replace(ground, texture=paving), replace(wall, position=still(0.0, 0.0, 12.0))
    plaster = Noise(low=(0.3, 0.25, 0.2), high=(0.6, 0.55, 0.5), scale_m=0.3, octaves=5, seed=3)
    near_coat, far_coat = Product(CHECKS, Uniform(rgb("#d8705f"))), Product(plaster, Uniform(rgb("#5f8ad8")))
    far_walk = Trajectory(start=(1.6, 0.0, 5.5), velocity=(-velocity, 0.0, 0.0))
    near_walk = Trajectory(
        start=(-0.9, 0.0, 3.2), velocity=(velocity, 0.0, 0.0), sway=(0.0, 0.03, 0.0), sway_period_s=0.6
    )
    return Stage(
        camera=replace(camera, position=replace(camera.position, start=(0.0, 1.3, 0.0))),
        planes=(
            person("walker, near", near_walk, near_coat, seed=1),
            person("walker, far", far_walk, far_coat, seed=2),
            *tree("tree", (-2.6, 0.0, 8.0), 4.0, seed=1),
            ground,
            wall,
        ),
        near_m=2.0,
        far_m=30.0,
    )


DOLLY = Camera(position=Trajectory(velocity=(0.0, 0.0, 0.5)))
CASES = (
    Case(
        name="passers-by, camera at rest",
        make_stage=lambda: street(Camera(), 0.9),
        movers=("walker",),
        focus_disparity=0.6,
    ),
    Case(
        name="passers-by, camera trucks",
        make_stage=lambda: street(replace(TRUCK, position=Trajectory(velocity=(0.4, 0.0, 0.0))), 0.9),
        movers=("walker",),
        focus_disparity=0.6,
    ),
    Case(
        name="passers-by, camera dollies in",
        make_stage=lambda: street(DOLLY, 0.6),
        movers=("walker",),
        focus_disparity=0.6,
    ),
    Case(name="terrace at dusk", make_stage=lambda: evening().with_detail(0.5), focus_disparity=0.41),
    Case(
        name="fence, wires, leaves",
        make_stage=thin_structures,
        movers=("leaves", "hair"),
        focus_disparity=0.3,
    ),
)


def load_clip(case: Case, cache: Path, frames: int) -> Clip:
    """A case's frames, out of the cache or traced and put there."""
    path = cache / f"{case.name.replace(', ', '-').replace(' ', '-')}.{frames}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_suffix(".partial.npz")
        np.savez(partial_path, *(values.numpy() for values in trace(case, frames)))
        partial_path.replace(path)
    with np.load(path) as stored:
        pictures, disparity, moving = (torch.from_numpy(stored[f"arr_{i}"]) for i in range(3))
    return Clip(case=case, pictures=pictures.float() / 255, disparity=disparity, moving=moving)


def trace(case: Case, frames: int) -> tuple[Tensor, ...]:
    """Pictures (uint8, as videos are), disparity and mask of a case's frames."""
    stage = case.make_stage()
    tracer = RayTracer(stage)
    movers = torch.tensor(
        [i for i, plane in enumerate(stage.planes) if plane.name.startswith(case.movers)]
        if case.movers
        else [],
        dtype=torch.int16,
    )

    def one(frame: int) -> tuple[Tensor, Tensor, Tensor]:
        view = FrameView(time_s=frame / FRAMES_PER_S, width=WIDTH, height=HEIGHT)
        sharp = from_linear(tracer.sharp(view, SAMPLES).clamp(0, 1), "srgb")
        geometry = tracer.geometry(view)
        return (sharp * 255).round().byte(), geometry.disparity, torch.isin(geometry.objects, movers)

    # A thread per frame costs less than several threads for each of the many small steps of one.
    workers = torch.get_num_threads()
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return tuple(torch.stack(part) for part in zip(*pool.map(one, range(frames)), strict=True))
