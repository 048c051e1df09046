"""``bokeh preview``: one frame in four pictures, to choose the focus by."""

from pathlib import Path
from typing import Annotated

import typer

from any2bokeh.cli.errors import UsageError
from any2bokeh.cli.jobs import check_targets, result_path
from any2bokeh.cli.options import Json, Overwrite
from any2bokeh.cli.progress import show_frames
from any2bokeh.cli.results import print_json, print_result
from any2bokeh.cli.tracks import with_own_tracks
from any2bokeh.settings import PreviewSettings


def preview(
    *,
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PNG",
            help="Picture to write; by default <stem>.preview.png beside the input.",
        ),
    ] = None,
    settings: PreviewSettings,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Show the focus in one frame.

    Writes one PNG: above the original and its disparity (near is bright), below what is in focus (tinted)
    and the result. Disparity that has to be estimated is that of the whole range, and kept for refocus.
    """
    target = output or result_path(source, "preview", ".png")
    if target.suffix.lower() != ".png":
        raise UsageError(f"A preview is a PNG: {target} must end in .png.")
    settings = with_own_tracks(settings, source)
    check_targets([target], [source, settings.depth.track, settings.focus.focus_mask])

    from any2bokeh.preview import preview as render
    from any2bokeh.video.still import write_png

    with show_frames(source.name) as on_progress:
        picture = render(source, settings, on_progress)
    write_png(target, picture, overwrite=overwrite)
    if as_json:
        print_json({"input": source, "output": target})
    else:
        print_result(target)
