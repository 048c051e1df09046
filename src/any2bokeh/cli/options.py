"""The options of every command: one table, from a settings field to its name and help.

Types, defaults and ranges are those of the settings; nothing of them is said again here.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace
from functools import wraps
from typing import Annotated, Any, TypeGuard, TypeVar, get_type_hints

import typer

from any2bokeh import settings
from any2bokeh.cli.batch import BatchOptions
from any2bokeh.cli.talk import Verbosity
from any2bokeh.errors import SettingsError
from any2bokeh.settings import Range, TimePoint

Number = TypeVar("Number", int, float)
Group = TypeVar("Group")


def number(option_name: str, accepted: Range, kind: type[Number]) -> Callable[[str], Number]:
    """Return the parser of one number, whose complaint names the option, the unit and the range."""

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError as error:
            raise SettingsError(f"{option_name} must be {accepted}, got {text!r}.") from error
        replace(accepted, name=option_name).check(value)
        return value

    return parse


def option(*names: str, help: str, accepted: Range | None = None, kind: type[Any] = float) -> Any:
    """An option; with ``accepted``, a number whose help ends in its unit and range."""
    if accepted is None:
        return typer.Option(*names, help=help)
    return typer.Option(
        *names,
        help=f"{help} ({accepted})",
        parser=number(names[0], accepted, kind),
        metavar="N" if kind is int else "X",
    )


def parse_time_option(text: str) -> TimePoint:
    """Read TIME; the parser is loaded when it is needed."""
    from any2bokeh.video.time import parse_time

    return parse_time(text)


def time_option(name: str, help: str) -> Any:
    """An option that takes a moment of the video."""
    return typer.Option(
        name, help=f"{help} (2.5, 2.5s, 00:01:02.5 or f120)", parser=parse_time_option, metavar="TIME"
    )


OVERWRITE = option("-y", "--overwrite", help="Replace a result that exists.")
DEVICE = option("--device", help="Where to compute; auto takes the fastest there is.")
DTYPE = option("--dtype", help="Precision of the depth network; auto follows the device.")

Overwrite = Annotated[bool, OVERWRITE]
Json = Annotated[bool, option("--json", help="Print one JSON document.")]

OPTIONS: dict[object, dict[str, Any]] = {
    settings.FocusSettings: {
        "focus_disparity": option(
            "--focus", help="What stays sharp: near is 1, far is 0.", accepted=settings.FOCUS_DISPARITY
        ),
        "blur_strength": option(
            "--k",
            help="Blur strength: radius of the blur per unit of disparity, at 1024 pixels of width"
            " (the longer side).",
            accepted=settings.BLUR_STRENGTH,
        ),
    },
    settings.DepthSettings: {
        "track": option(
            "--disparity",
            help="Disparity track to use: a gray video, a folder of PNGs, .npy or .npz;"
            " or a folder that holds the track of each input as <stem>.*",
        ),
        "kind": option(
            "--disparity-kind", help="What the values of --disparity mean: inverted is 1 - disparity."
        ),
        "model": option("--depth", help="Network that estimates disparity where none is given."),
        "size": option(
            "--depth-size",
            help="Shorter side of the picture that the network sees; by default it follows the device.",
            accepted=settings.DEPTH_SIZE,
            kind=int,
        ),
        "steady": option(
            "--steady/--no-steady",
            help="Take flicker out of disparity; by default out of estimated, not out of given.",
        ),
        "use_cache": option("--cache/--no-cache", help="Keep estimated disparity for the next run."),
    },
    settings.RenderSettings: {
        "renderer": option("--renderer", help="How defocus is drawn; auto is lens."),
        "device": DEVICE,
        "dtype": DTYPE,
    },
    settings.LensSettings: {
        "aperture": option("--aperture", help="Shape of a point of light out of focus."),
        "blades": option("--blades", help="Sides of the polygon.", accepted=settings.BLADES, kind=int),
        "rotation_deg": option(
            "--rotation", help="Turn of the polygon, counter-clockwise.", accepted=settings.ROTATION_DEG
        ),
        "highlights": option(
            "--highlights",
            help="How much brighter than white clipped lights become before they are blurred, so that"
            " discs of them stay bright; 2 is a good start, 0 is off.",
            accepted=settings.HIGHLIGHTS,
        ),
        "highlight_threshold": option(
            "--highlight-threshold",
            help="From where on a pixel counts as a clipped light.",
            accepted=settings.HIGHLIGHT_THRESHOLD,
        ),
        "quality": option(
            "--quality", help="With best, what things hide is looked for in the frames around; slower."
        ),
    },
    settings.TimeRange: {
        "start": time_option("--start", "First moment to work on; by default the beginning."),
        "end": time_option("--end", "End of the work, exclusive; by default the end."),
    },
    settings.EncodeSettings: {
        "codec": option("--codec", help="Video encoder, such as libx264; by default it follows the source."),
        "crf": option(
            "--crf",
            help="Quality, lower is better; by default one whose losses are not seen.",
            accepted=settings.CRF,
        ),
        "preset": option("--preset", help="Preset of the encoder, such as slow."),
        "pixel_format": option("--pix-fmt", help="Pixel format, such as yuv444p; by default the source's."),
        "lossless": option("--lossless/--lossy", help="Write FFV1 in the source's own pixel format."),
        "audio": option("--audio/--no-audio", help="Copy the audio."),
    },
    settings.TrackSettings: {"device": DEVICE, "dtype": DTYPE},
    settings.PreviewSettings: {"at": time_option("--at", "The moment to look at.")},
    settings.Settings: {},
    BatchOptions: {
        "overwrite": OVERWRITE,
        "skip_existing": option("-n", "--skip-existing", help="Leave out inputs whose result exists."),
        "fail_fast": option("--fail-fast", help="Stop at the first input that fails."),
        "dry_run": option("--dry-run", help="Show frames, size, memory and time of each; write nothing."),
    },
    Verbosity: {
        "quiet": option("-q", "--quiet", help="Say nothing but errors."),
        "verbose": option("-v", "--verbose", help="Say more of what is done."),
        "debug": option("--debug", help="Say everything, and show the traceback of an error."),
    },
}


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command of the program: say how much is asked for, and take options for settings.

    Each parameter of ``command`` that is a group of ``OPTIONS`` becomes one option per field.
    """
    parameters = inspect.signature(command).parameters
    spread: list[inspect.Parameter] = []
    for parameter in parameters.values():
        group = parameter.annotation
        spread.extend(_parameters(group) if _is_group(group) else [parameter])
    spread.extend(_parameters(Verbosity))
    spread.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

    @wraps(command)
    def run(context: typer.Context, **values: Any) -> None:
        _collect(Verbosity, values).apply()
        _check_polygon(context, values)
        for name, parameter in parameters.items():
            if _is_group(parameter.annotation):
                values[name] = _collect(parameter.annotation, values)
        command(**{name: values[name] for name in parameters})

    run.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
    return run


def _check_polygon(context: typer.Context, values: dict[str, Any]) -> None:
    """Raise ``SettingsError`` where the shape of a polygon is given, but not asked for."""
    for name, option_name in (("blades", "--blades"), ("rotation_deg", "--rotation")):
        source = context.get_parameter_source(name)
        if values.get("aperture") == "disc" and source and source.name == "COMMANDLINE":
            raise SettingsError(f"{option_name} needs --aperture polygon: a disc has no corners.")


def _is_group(annotation: object) -> TypeGuard[type[Any]]:
    return isinstance(annotation, type) and annotation in OPTIONS


def _parameters(group: type[Any]) -> Iterator[inspect.Parameter]:
    """One keyword parameter for each field, those of nested settings included."""
    hints = get_type_hints(group)
    for field in fields(group):
        if field.name not in OPTIONS[group]:
            yield from _parameters(hints[field.name])
            continue
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=Annotated[hints[field.name], OPTIONS[group][field.name]],
        )


def _collect(group: Callable[..., Group], values: dict[str, Any]) -> Group:
    """Make the settings from the values of their options; they check themselves."""
    return group(
        **{
            name: values[name] if name in OPTIONS[group] else _collect(hint, values)
            for name, hint in get_type_hints(group).items()
        }
    )
