"""One clip of a data set: drawn, traced and written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator

from any2bokeh.device import choose_device
from any2bokeh.lab.synthesis.compiled_tracer import CompiledRayTracer
from any2bokeh.lab.synthesis.dataset import write_clip
from any2bokeh.lab.synthesis.dataset_clip import ClipFrame
from any2bokeh.lab.synthesis.description import ClipDescription, ClipObject, ClipSetting
from any2bokeh.lab.synthesis.drawn import ClipFormat, DrawnScene, Material
from any2bokeh.lab.synthesis.focus_draws import draw_settings
from any2bokeh.lab.synthesis.paper_scenes import paper_scene
from any2bokeh.lab.synthesis.raytrace import RayTracer
from any2bokeh.lab.synthesis.rich_scenes import rich_scene
from any2bokeh.optics.transfer import from_linear
from any2bokeh.settings.synthesis_settings import SynthesisSettings

SHARP_SAMPLES = 32
SHUTTER = 0.5  # of a frame's time, as of a film camera at 180 degrees
VISIBLE_SHARE = 0.003  # of the picture that an object must fill in the middle of the clip to be in focus
PLACES = 6  # after the point, of disparities in scene.json: finer than their 16 bits


def clip_name(number: int) -> str:
    """The name of a clip by its number."""
    return f"{number:06d}"


def clip_format(settings: SynthesisSettings) -> ClipFormat:
    """Size and length of the clips."""
    return ClipFormat(width=settings.size.width, height=settings.size.height, frames=settings.frames)


def make_clip(
    folder: Path,
    settings: SynthesisSettings,
    number: int,
    material: Material,
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Make a clip of the data set in ``folder``; ``on_frame`` is called before each frame, and may raise.

    It depends on ``settings`` and ``number`` alone.
    """
    rng = np.random.default_rng([settings.seed, number, int(settings.split == "test")])
    is_blurred = rng.random() < {"off": 0.0, "mixed": 0.5, "on": 1.0}[settings.motion_blur]
    clip = replace(clip_format(settings), exposure=SHUTTER if is_blurred else 0.0)
    scene = _draw_scene(rng, settings, clip, material)
    tracer = _tracer(scene, settings)
    description = _describe(rng, scene, tracer, settings, clip, number)
    numbers = torch.from_numpy(scene.numbers())
    with write_clip(folder, description) as writer:
        for i in range(clip.frames):
            on_frame()
            view = clip.view(i)
            geometry = tracer.geometry(view)
            frame = ClipFrame(
                sharp=_displayed(tracer.sharp(view, SHARP_SAMPLES)),
                disparity=geometry.disparity.cpu(),
                objects=numbers[geometry.objects.cpu().long()],
            )
            refocused = {
                setting.name: _displayed(
                    tracer.refocused(view, setting.at(i), samples=settings.samples, seed=number)
                )
                for setting in description.settings
            }
            writer.write(frame, refocused)


def _draw_scene(
    rng: Generator, settings: SynthesisSettings, clip: ClipFormat, material: Material
) -> DrawnScene:
    is_paper = rng.random() < {"paper": 1.0, "mixed": 0.5, "rich": 0.0}[settings.scenes]
    return paper_scene(rng, clip, material) if is_paper else rich_scene(rng, clip, material)


def _tracer(scene: DrawnScene, settings: SynthesisSettings) -> RayTracer:
    device = choose_device(settings.device)
    return CompiledRayTracer(scene.stage) if device.type == "cpu" else RayTracer(scene.stage, device)


def _describe(
    rng: Generator,
    scene: DrawnScene,
    tracer: RayTracer,
    settings: SynthesisSettings,
    clip: ClipFormat,
    number: int,
) -> ClipDescription:
    """Draw what is in focus, and say all that is known of the clip."""
    times_s = [clip.view(i).time_s for i in range(clip.frames)]
    tracks = [
        tuple(round(scene.disparity(i, time_s), PLACES) for time_s in times_s)
        for i in range(1, len(scene.objects) + 1)
    ]
    middle = tracer.geometry(clip.view(clip.frames // 2)).objects.cpu().long()
    seen = torch.from_numpy(scene.numbers())[middle].flatten().bincount(minlength=len(tracks) + 1)
    is_seen = [int(count) > VISIBLE_SHARE * middle.numel() for count in seen[1:]]
    able = [track if ok or not any(is_seen) else () for track, ok in zip(tracks, is_seen, strict=True)]
    drawn: tuple[ClipSetting, ...] = draw_settings(rng, able, settings.drawn_from, settings.versions)
    return ClipDescription(
        name=clip_name(number),
        seed=settings.seed,
        split=settings.split,
        width=clip.width,
        height=clip.height,
        frames=clip.frames,
        rate=clip.rate,
        objects=tuple(
            ClipObject(index=i, name=thing.name, disparity=tracks[i - 1])
            for i, thing in enumerate(scene.objects, start=1)
        ),
        settings=drawn,
        made_by={
            "scene": scene.kind,
            "number": number,
            "samples": settings.samples,
            "exposure": clip.exposure,
            "near_m": scene.stage.near_m,
            "far_m": scene.stage.far_m if scene.stage.far_m < float("inf") else None,
        },
    )


def _displayed(linear: torch.Tensor) -> torch.Tensor:
    """Display-referred sRGB 0..1: what is brighter than white is clipped, as in any video."""
    return from_linear(linear.clamp(0, 1), "srgb").cpu()
