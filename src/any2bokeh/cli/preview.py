"""``bokeh preview``: stills, sheets or a page to choose the focus by."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from any2bokeh.atomic import check_target
from any2bokeh.cli.command_line import as_options, focus_options, quoted
from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.cli.jobs import check_targets, result_path
from any2bokeh.cli.options import Json, Overwrite
from any2bokeh.cli.progress_bar import show_frames
from any2bokeh.cli.talk import is_quiet, print_json, print_result, say
from any2bokeh.cli.tracks import with_own_tracks
from any2bokeh.settings.preview_settings import PreviewSettings

if TYPE_CHECKING:
    from any2bokeh.preview.moments import Moment, OnMoment


def preview_command(
    *,
    source: Annotated[Path, typer.Argument(metavar="IN", help="A video, or pictures.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PNG",
            help="Picture to write. By default <stem>.preview.png beside the input.",
        ),
    ] = None,
    contact: Annotated[bool, typer.Option("--contact", help="Make a sheet of moments over time.")] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Make a sheet of one moment over focal planes.")
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="HTML", help="Write a page for any browser: click on what should be sharp."
        ),
    ] = None,
    settings: PreviewSettings,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find the focus first: stills, sheets, or an HTML page.

    A still shows a moment, its disparity, the parts in focus, and the result. A page lets you click on what
    should be sharp, and shows the command line. Estimated disparity is cached: refocus finds it there.
    """
    if contact + sweep + (page is not None) > 1:
        raise UsageError("Conflicting options: --contact, --sweep and --html. Give one.")
    if page and output:
        raise UsageError("Conflicting options: --html and -o. --html names the page.")
    if sweep and len(settings.at) > 1:
        raise UsageError(f"--sweep shows one moment, not {len(settings.at)}.")
    target = page or output or result_path(source, "preview", ".png")
    _check_suffix(target, "page" if page else "picture")
    settings = with_own_tracks(settings, source)
    check_targets([target], [source, settings.depth.track, *settings.focus.masks])
    check_target(target, overwrite=overwrite)  # before much is rendered
    moments: list[dict[str, object]] = []

    def on_moment(moment: "Moment") -> None:
        moments.append(
            {
                "frame": moment.number,
                "seconds": float(moment.time_s),
                "focus": moment.focus.focus_disparity,
                "k": moment.focus.blur_strength,
                "focus_m": moment.focus.focus_m,
                "subject": moment.subject_box(),
            }
        )

    if page:
        _write_page(source, target, settings, on_moment, overwrite=overwrite)
    else:
        from any2bokeh.preview import pictures
        from any2bokeh.video.png import write_png

        make = pictures.contact_sheet if contact else pictures.sweep if sweep else pictures.moment_sheet
        with show_frames(source.name) as on_progress:
            picture = make(source, settings, on_progress, on_moment)
        write_png(target, picture, overwrite=overwrite)
    if as_json:
        print_json({"input": source, "output": target, "moments": moments})
    else:
        print_result(target)


def _check_suffix(target: Path, what: Literal["page", "picture"]) -> None:
    """Raise ``UsageError`` for a name that says it is something else."""
    suffixes = {"page": (".html", ".htm"), "picture": (".png",)}[what]
    if target.suffix.lower() not in suffixes:
        raise UsageError(f"The name of a {what} must end in {suffixes[0]}, got {target}.")


def _write_page(
    source: Path, target: Path, settings: PreviewSettings, on_moment: "OnMoment", *, overwrite: bool
) -> None:
    from any2bokeh.preview.page import PAGE_BYTES, CommandLine, write_page

    def say_counts(moments: int, renderings: int) -> None:
        if not is_quiet():
            size = f"{PAGE_BYTES / 1e6:g} MB"
            say(f"{source.name}: a page of {moments} moments in {renderings} renderings, at most {size}.")

    name = f"./{source}" if str(source).startswith("-") else str(source)
    shown = replace(
        settings.focus.depth_of_field, dof_range=0.0
    )  # the page says the range that is chosen on it
    kept = (settings.depth, shown, settings.render, settings.time_range)
    options = [word for group in kept for word in as_options(group)]
    command = CommandLine(
        before=quoted(["bokeh", "refocus", name]),
        focus=quoted(focus_options(settings.focus)),
        after=quoted(options),
    )
    with show_frames(source.name) as on_progress:
        write_page(
            source,
            target,
            settings,
            command,
            on_progress,
            on_moment=on_moment,
            on_counted=say_counts,
            overwrite=overwrite,
        )
