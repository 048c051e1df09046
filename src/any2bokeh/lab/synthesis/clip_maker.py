"""One clip of a data set: drawn at random, focused, traced and written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator

from any2bokeh.device import choose_device
from any2bokeh.lab.synthesis.compiled_tracer import CompiledRayTracer
from any2bokeh.lab.synthesis.dataset import write_clip
from any2bokeh.lab.synthesis.dataset_clip import ClipDescription, ClipFrame, ClipObject, ClipSetting
from any2bokeh.lab.synthesis.drawn_scene import ClipFormat, DrawnScene, Material
from any2bokeh.lab.synthesis.paper_scenes import paper_scene
from any2bokeh.lab.synthesis.patterns import whole
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.rich_scenes import rich_scene
from any2bokeh.optics.transfer import from_linear
from any2bokeh.progress import ignore
from any2bokeh.settings.focus_settings import BLUR_STRENGTH
from any2bokeh.settings.synthesis_settings import SynthesisSettings

SHARP_SAMPLES = 32
SHUTTER = 0.5  # of a frame's time, as of a film camera at 180 degrees
VISIBLE_SHARE = 0.003  # of the picture that an object must fill in the middle of the clip to be in focus
PLACES = 6  # after the point, of disparities in scene.json: finer than their 16 bits

# The paper's ramps of K begin here and grow by 1 per frame, or run the other way.
RAMP_START = (1, 7)


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
    on_frame: Callable[[], None] = ignore,
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
    """Draw the settings of focus and K, and describe the clip."""
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
    """Display-referred sRGB 0..1: light brighter than white is clipped, as in any video."""
    return from_linear(linear.clamp(0, 1), "srgb").cpu()


def draw_settings(
    rng: Generator, tracks: Sequence[Sequence[float]], blur_strengths: Sequence[float], count: int
) -> tuple[ClipSetting, ...]:
    """Draw ``count`` settings: mostly fixed K, each on another object, then a ramp of K, and a pull.

    ``tracks`` are the disparities of the objects per frame, of those that may be in focus; an empty one is
    an object that may not. With one setting it is fixed, with two there is a ramp of either kind.
    """
    able = [i for i, track in enumerate(tracks, start=1) if track]
    order = [able[i] for i in rng.permutation(len(able))]
    ramps = min(2, count - 1)
    settings = [_fixed(rng, i, order[i % len(order)], tracks, blur_strengths) for i in range(count - ramps)]
    makers = [_blur_ramp, _focus_ramp] if rng.random() < 0.5 else [_focus_ramp, _blur_ramp]
    for maker in makers[:ramps]:
        settings.append(maker(rng, able, tracks, blur_strengths))
    return tuple(settings)


def _pick(rng: Generator, values: Sequence[float]) -> float:
    return float(values[whole(rng, 0, len(values) - 1)])


def _fixed(
    rng: Generator,
    number: int,
    thing: int,
    tracks: Sequence[Sequence[float]],
    blur_strengths: Sequence[float],
) -> ClipSetting:
    strength, focus = _pick(rng, blur_strengths), tuple(tracks[thing - 1])
    return ClipSetting(
        name=f"{number}-object{thing}-k{strength:g}",
        kind="fixed",
        focus=focus,
        blur_strength=(strength,) * len(focus),
        object=thing,
    )


def _blur_ramp(
    rng: Generator, able: Sequence[int], tracks: Sequence[Sequence[float]], blur_strengths: Sequence[float]
) -> ClipSetting:
    """K grows by 1 from frame to frame, or shrinks, on one object."""
    thing = able[whole(rng, 0, len(able) - 1)]
    focus = tuple(tracks[thing - 1])
    start = whole(rng, *RAMP_START)
    ramp = [min(float(start + i), BLUR_STRENGTH.high) for i in range(len(focus))]
    if rng.random() < 0.5:
        ramp.reverse()
    return ClipSetting(
        name="blur-ramp", kind="blur-ramp", focus=focus, blur_strength=tuple(ramp), object=thing
    )


def _focus_ramp(
    rng: Generator, able: Sequence[int], tracks: Sequence[Sequence[float]], blur_strengths: Sequence[float]
) -> ClipSetting:
    """The focal plane moves at one speed from the nearest object to the farthest, or back."""
    sizes = [(math.fsum(tracks[thing - 1]), thing) for thing in able]
    first, last = max(sizes)[1], min(sizes)[1]
    if rng.random() < 0.5:
        first, last = last, first
    start, end = tracks[first - 1][0], tracks[last - 1][-1]
    frames = len(tracks[first - 1])
    steps = [i / max(frames - 1, 1) for i in range(frames)]
    return ClipSetting(
        name="focus-ramp",
        kind="focus-ramp",
        focus=tuple(start + step * (end - start) for step in steps),
        blur_strength=(_pick(rng, blur_strengths),) * frames,
    )
