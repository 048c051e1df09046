"""The options of ``bokeh synthesize``, from a field of its settings to name and help."""

from typing import Any

import typer

from any2bokeh.cli.option import option
from any2bokeh.settings.synthesis_settings import (
    CLIPS,
    FRAMES,
    SAMPLES,
    SEED,
    VERSIONS,
    parse_blur_strengths,
    parse_size,
)

SYNTHESIS_OPTIONS: dict[str, Any] = {
    "clips": option("--clips", help="Clips in the data set.", accepted=CLIPS, kind=int),
    "split": option("--split", help="What it is for: the same seed gives other scenes to train and to test."),
    "scenes": option(
        "--scenes",
        help="Four things before a far background (paper), slopes, thin things, lamps and a camera that"
        " moves (rich), or both.",
    ),
    "size": typer.Option(
        "--size",
        help="Size of the pictures.",
        parser=parse_size,
        metavar="WIDTHxHEIGHT",
    ),
    "frames": option("--frames", help="Frames of a clip.", accepted=FRAMES, kind=int),
    "versions": option(
        "--versions",
        help="Refocused versions of a clip: all but two with fixed K, one with a ramp of K, one with a"
        " pull of focus.",
        accepted=VERSIONS,
        kind=int,
    ),
    "blur_strengths": typer.Option(
        "--k",
        help="What K is drawn from; by default 12,16,20,24,28 to train and 4,8,16,32 to test.",
        parser=parse_blur_strengths,
        metavar="X,...",
    ),
    "motion_blur": option(
        "--motion-blur",
        help="Whether light is gathered for half of a frame's time; mixed: in half the clips.",
    ),
    "samples": option(
        "--samples",
        help="Rays per pixel of a refocused frame.",
        accepted=SAMPLES,
        kind=int,
    ),
    "seed": option("--seed", help="Other seeds give other scenes.", accepted=SEED, kind=int),
    "foregrounds": option(
        "--foregrounds",
        help="Your own things to place: pictures and videos with alpha, or with a mask beside them.",
    ),
    "backgrounds": option("--backgrounds", help="Your own pictures and videos to place behind all."),
}
