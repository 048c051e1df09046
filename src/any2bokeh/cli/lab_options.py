"""The options of the laboratory's commands that no other has, by the field of their settings."""

import re
from pathlib import Path
from typing import Any

import typer

from any2bokeh.cli.option_types import option
from any2bokeh.errors import SettingsError
from any2bokeh.settings.evaluation_settings import LIMIT, METHODS, SHOWN, NamedFolder
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
        raise SettingsError(f"{text!r} is not NAME=FOLDER.")
    if not Path(folder).is_dir():
        raise SettingsError(f"The folder {folder} of {name} does not exist.")
    return NamedFolder(name, Path(folder))


def parse_size(text: object) -> PictureSize:
    """Read ``1024x576``, or a size read already; raises ``SettingsError``."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", str(text).strip())
    if not found:
        raise SettingsError(f"--size must be WIDTHxHEIGHT, such as 1024x576, got {text!r}.")
    width, height = int(found[1]), int(found[2])
    for side in (width, height):
        SIDE.check(side, called="Size")
    return PictureSize(width, height)


def parse_blur_strengths(text: str) -> tuple[float, ...]:
    """Read ``12,16,20``; raises ``SettingsError``."""
    try:
        strengths = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(
            f"--k must be numbers with commas between, such as 12,16,20, got {text!r}."
        ) from error
    for strength in strengths:
        BLUR_STRENGTH.check(strength, called="K")
    return strengths


EVALUATION_OPTIONS: dict[str, Any] = {
    "methods": typer.Option(
        "--methods",
        help=f"Methods to compare, of {', '.join(METHODS)}; auto are those that can run here.",
        parser=parse_methods,
        metavar="A,B",
        show_default="auto",
    ),
    "predictions": typer.Option(
        "--predictions",
        help="Finished clips to compare as well: CLIP/bokeh-SETTING.* or CLIP.SETTING.* of a data set,"
        " <stem>.* of a video. May be repeated.",
        parser=parse_named_folder,
        metavar="NAME=FOLDER",
    ),
    "checkpoints": typer.Option(
        "--checkpoint",
        help="Weights of a network to compare as well, such as RUN/checkpoint of bokeh train."
        " May be repeated.",
        parser=parse_named_folder,
        metavar="NAME=FOLDER",
    ),
    "perturb": option(
        "--perturb", help="Run each method once more, with an estimator's mistakes in its disparity."
    ),
    "ablations": option("--ablations", help="Run networks without some of their parts as well."),
    "limit": option(
        "--limit",
        help="Evaluate no more cases (a clip with a focus), spread over clips and settings.",
        accepted=LIMIT,
        kind=int,
    ),
    "shown": option(
        "--shown",
        help="Cases that the page has pictures of.",
        accepted=SHOWN,
        kind=int,
    ),
}

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
