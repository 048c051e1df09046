"""The options of ``bokeh evaluate`` that no other command has, by the field of its settings."""

from pathlib import Path
from typing import Any

import typer

from any2bokeh.cli.option import option
from any2bokeh.errors import SettingsError
from any2bokeh.settings.evaluation_settings import LIMIT, METHODS, SHOWN, NamedFolder


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


EVALUATION: dict[str, Any] = {
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
