"""The options of the laboratory's commands that no other has, by the field of their settings."""

import re
from pathlib import Path
from typing import Any

import typer

from any2bokeh.cli.option_types import option
from any2bokeh.errors import SettingsError, shown
from any2bokeh.settings.evaluation_settings import LIMIT, METHODS, ON_REQUEST, SHOWN, NamedFolder
from any2bokeh.settings.focus_settings import BLUR_STRENGTH
from any2bokeh.settings.synthesis_settings import (
    CLIPS,
    FRAMES,
    SAMPLES,
    SEED,
    SIDE,
    VERSIONS,
    PictureSize,
)


def parse_methods(text: str) -> tuple[str, ...] | None:
    """Read names of methods between commas; ``auto`` is ``None``."""
    return None if text == "auto" else tuple(name for name in text.replace(" ", "").split(",") if name)


def parse_named_folder(text: str) -> NamedFolder:
    """Read ``NAME=FOLDER``."""
    name, is_there, folder = text.partition("=")
    if not (is_there and name and folder):
        raise SettingsError(f"{shown(text)} is not NAME=FOLDER.")
    if not Path(folder).is_dir():
        raise SettingsError(f"The folder {folder} of {name} does not exist.")
    return NamedFolder(name, Path(folder))


def parse_size(text: object) -> PictureSize:
    """Read ``1024x576``, or a size read already; raises ``SettingsError``."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(text).strip())
    if not found:
        raise SettingsError(f"--size must be WIDTHxHEIGHT, such as 1024x576, got {shown(text)}.")
    width, height = int(found[1]), int(found[2])
    for side in (width, height):
        SIDE.check(side, called="--size")
    return PictureSize(width, height)


def parse_blur_strengths(text: str) -> tuple[float, ...]:
    """Read ``12,16,20``; raises ``SettingsError``."""
    try:
        strengths = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(
            f"--k must be numbers between commas, such as 12,16,20, got {shown(text)}."
        ) from error
    for strength in strengths:
        BLUR_STRENGTH.check(strength, called="--k")
    return strengths


EVALUATION_OPTIONS: dict[str, Any] = {
    "methods": typer.Option(
        "--methods",
        help=f"Methods to compare, of {', '.join(METHODS)}; auto takes all that can run here,"
        f" but for {', '.join(ON_REQUEST)}.",
        parser=parse_methods,
        metavar="A,B",
        show_default="auto",
    ),
    "predictions": typer.Option(
        "--predictions",
        help="Finished clips to compare as well, videos (.mkv, .mp4, ...; FFV1 in .mkv loses nothing):"
        " CLIP/bokeh-SETTING.* or CLIP.SETTING.* of a data set, <stem>.* of a video; repeatable.",
        parser=parse_named_folder,
        metavar="NAME=FOLDER",
    ),
    "checkpoints": typer.Option(
        "--checkpoint",
        help="Weights of a network to compare as well, such as RUN/checkpoint of bokeh train; repeatable.",
        parser=parse_named_folder,
        metavar="NAME=FOLDER",
    ),
    "perturb": option(
        "--perturb", help="Run each method again with the errors of an estimator in its disparity."
    ),
    "ablations": option("--ablations", help="Also run networks without some of their parts."),
    "limit": option(
        "--limit",
        help="Largest number of cases (a clip with a focus), spread over clips and settings; try 12.",
        accepted=LIMIT,
        kind=int,
    ),
    "shown": option(
        "--shown",
        help="Number of cases that the page shows in pictures.",
        accepted=SHOWN,
        kind=int,
    ),
}

SYNTHESIS_OPTIONS: dict[str, Any] = {
    "clips": option("--clips", help="Number of clips in the data set.", accepted=CLIPS, kind=int),
    "split": option(
        "--split", help="Purpose of the data set; with one seed, train and test have different scenes."
    ),
    "scenes": option(
        "--scenes",
        help="Kind of scenes: paper, four objects in front of a far background; rich, slopes, thin objects,"
        " lamps and a moving camera; mixed, both.",
    ),
    "size": typer.Option(
        "--size",
        help="Size of the pictures in pixels.",
        parser=parse_size,
        metavar="WIDTHxHEIGHT",
    ),
    "frames": option("--frames", help="Number of frames in a clip.", accepted=FRAMES, kind=int),
    "versions": option(
        "--versions",
        help="Number of refocused versions of a clip: one with a ramp of K, one with a pull of focus, the"
        " others with fixed K.",
        accepted=VERSIONS,
        kind=int,
    ),
    "blur_strengths": typer.Option(
        "--k",
        help="Values that K is drawn from; by default 12,16,20,24,28 to train and 4,8,16,32 to test.",
        parser=parse_blur_strengths,
        metavar="X,...",
    ),
    "motion_blur": option(
        "--motion-blur",
        help="Motion blur of half a frame's duration; mixed: in half of the clips.",
    ),
    "samples": option(
        "--samples",
        help="Number of rays per pixel of a refocused frame.",
        accepted=SAMPLES,
        kind=int,
    ),
    "seed": option(
        "--seed", help="Seed of the random scenes; another seed makes other scenes.", accepted=SEED, kind=int
    ),
    "foregrounds": option(
        "--foregrounds",
        help="Your own foreground objects: pictures and videos with alpha, or with a mask beside them.",
        metavar="FOLDER",
    ),
    "backgrounds": option("--backgrounds", help="Your own background pictures and videos.", metavar="FOLDER"),
}
