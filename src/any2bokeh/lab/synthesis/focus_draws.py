"""What a made-up clip is focused on, and how strongly it is blurred, drawn at random."""

import math
from collections.abc import Sequence

from numpy.random import Generator

from any2bokeh.lab.synthesis.description import ClipSetting
from any2bokeh.lab.synthesis.patterns import whole
from any2bokeh.settings.focus_settings import BLUR_STRENGTH

# The paper's ramps of K begin here and grow by 1 per frame, or run the other way.
RAMP_START = (1, 7)


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
