"""``bokeh mask``: the mask of a subject that was pointed at, as a track to look at, mend and give back."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from any2bokeh.atomic import check_target
from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.cli.jobs import check_targets, result_path
from any2bokeh.cli.options import Json, Overwrite, SkipExisting
from any2bokeh.cli.progress_bar import show_frames
from any2bokeh.cli.talk import print_json, print_result
from any2bokeh.cli.tracks import with_own_track
from any2bokeh.settings.mask_settings import MaskSettings

log = logging.getLogger(__name__)


def mask_command(
    *,
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="MKV",
            help="Track to write; by default <stem>.mask.mkv beside the input.",
        ),
    ] = None,
    settings: MaskSettings,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    as_json: Json = False,
) -> None:
    """Write the mask of a subject.

    Follows the subject at --subject through the video, forwards and backwards, and writes a track that is
    white on the subject: look at it, mend it elsewhere, and give it to refocus with --focus-mask.
    """
    target = output or result_path(source, "mask", ".mkv")
    if target.suffix.lower() != ".mkv":
        raise UsageError(f"The name of a mask must end in .mkv, got {target}.")
    if overwrite and skip_existing:
        raise UsageError("Conflicting options: --overwrite and --skip-existing. Give one.")
    settings = replace(settings, depth=with_own_track(settings.depth, source))
    check_targets([target], [source, settings.depth.track])
    skipped = skip_existing and target.exists()
    if skipped:
        log.info("%s is skipped: %s exists.", source, target)
    else:
        check_target(target, overwrite=overwrite)  # told before seconds of imports
        from any2bokeh.run import grow_subject

        with show_frames(source.name, "writing the mask") as on_progress:
            grow_subject(source, target, settings, on_progress, overwrite=overwrite)
    if as_json:
        print_json({"input": source, "output": target, "status": "skipped" if skipped else "done"})
    else:
        print_result(target)
