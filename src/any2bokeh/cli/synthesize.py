"""``bokeh synthesize``: synthetic video with its ground truth, to train and to measure with."""

import os
from pathlib import Path
from typing import Annotated

import typer

from any2bokeh.cli.option_types import option
from any2bokeh.cli.options import Json
from any2bokeh.cli.progress_bar import show_progress
from any2bokeh.cli.talk import print_json, print_result
from any2bokeh.settings.synthesis_settings import JOBS, SynthesisSettings


def synthesize_command(
    *,
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of the data set; created if missing.")
    ],
    settings: SynthesisSettings,
    jobs: Annotated[
        int | None,
        option("--jobs", help="Number of processes; by default one per core.", accepted=JOBS, kind=int),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make synthetic video with its ground truth.

    Each clip is a random scene, or one of your own pictures, traced through a thin lens: sharp pictures,
    disparity, objects, and refocused versions. After an interruption the same command goes on.
    """
    from any2bokeh.lab.synthesis.dataset_maker import synthesize

    with show_progress(folder.name, "clips") as report:
        made = synthesize(
            folder, settings, jobs or os.cpu_count() or 1, lambda done, total: report("making", done, total)
        )
    if as_json:
        print_json({"folder": folder, "made": made.made, "complete": made.complete})
        return
    print_result(folder)
