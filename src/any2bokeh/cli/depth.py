"""``bokeh depth``: the disparity of a clip as a track file, or in colors for looking."""

from pathlib import Path
from typing import Annotated

import typer

from any2bokeh.atomic import check_target
from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.cli.jobs import check_targets, result_path
from any2bokeh.cli.options import Json, Overwrite
from any2bokeh.cli.progress_bar import show_frames
from any2bokeh.cli.talk import print_json, print_result
from any2bokeh.cli.tracks import with_own_masks
from any2bokeh.settings.depth_settings import TrackSettings
from any2bokeh.video.frame_names import PICTURE_SUFFIXES


def depth_command(
    *,
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video, or pictures.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Track to write: .mkv, or numbered pictures (depth.%04d.png). By default"
            " <stem>.disparity.mkv beside the input.",
        ),
    ] = None,
    colors: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            help="Write disparity in colors, near is bright: a video, or a .png of the first frame.",
        ),
    ] = None,
    settings: TrackSettings,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Estimate disparity once and keep it, or look at it in colors.

    Writes a disparity track for refocus --disparity. With --disparity, converts that track. With --subject or
    --focus-mask, writes the disparity in which that subject is held. With --colors and without -o, writes the
    colors alone.
    """
    track = output or (None if colors else result_path(source, "disparity", ".mkv"))
    if track and track.suffix.lower() not in (".mkv", *PICTURE_SUFFIXES):
        raise UsageError(
            f"The name of a disparity track must end in .mkv, .png or .tif, got {track}.",
            hint="--colors writes a video to look at, with any name.",
        )
    targets = [target for target in (track, colors) if target]
    settings = with_own_masks(settings, source)
    masks = settings.focus.masks if settings.focus else ()
    check_targets(targets, [source, settings.depth.track, *masks])
    for target in targets:  # told before seconds of imports
        if target.suffix.lower() not in PICTURE_SUFFIXES or target.exists():
            check_target(target, overwrite=overwrite)

    from any2bokeh.run import estimate_depth

    with show_frames(source.name, "writing disparity") as on_progress:
        estimate_depth(source, track, settings, on_progress, colors=colors, overwrite=overwrite)
    if as_json:
        print_json({"input": source, "track": track, "colors": colors})
        return
    for target in targets:
        print_result(target)
