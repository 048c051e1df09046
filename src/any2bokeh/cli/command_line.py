"""Both ways between a command line and settings, which are the arguments of the library.

Fields become options, and the options' values become settings; settings become the options that would ask for
them, and arguments that a message names become the options that stand for them.
"""

import inspect
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from fractions import Fraction
from functools import cache, wraps
from typing import Annotated, Any, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

import typer

from any2bokeh.cli.options import OPTIONS
from any2bokeh.cli.talk import Verbosity
from any2bokeh.errors import ARGUMENT, SettingsError
from any2bokeh.settings.depth_settings import TrackSettings
from any2bokeh.settings.evaluation_settings import EvaluationSettings
from any2bokeh.settings.focus_settings import (
    MIDDLE,
    CameraSettings,
    FocusSettings,
    Key,
    LikeliestPoint,
    Point,
    SubjectName,
)
from any2bokeh.settings.preview_settings import PreviewSettings
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import ReadingLimits
from any2bokeh.video.limits import limited_to

Group = TypeVar("Group")

# Arguments that are no field of the settings in OPTIONS, and the options that stand for them.
OTHER_ARGUMENTS = {"target": "-o", "resume": "--resume", "jobs": "--jobs"}
READING = (Settings, PreviewSettings, TrackSettings, EvaluationSettings)  # of commands that read pictures
TRAINING = "training."  # how the name of a setting of training begins


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command of the program: say how much is asked for, and take options for settings.

    Each parameter of ``command`` that is a group of ``OPTIONS`` becomes one option per field.
    """
    parameters = inspect.signature(command).parameters
    spread: list[inspect.Parameter] = []
    for parameter in parameters.values():
        group = parameter.annotation
        if group is typer.Context:  # each gets one
            continue
        spread.extend(_parameters(group) if _is_group(group) else [parameter])
    reads_pictures = any(group in READING for group in (p.annotation for p in parameters.values()))
    if reads_pictures:
        spread.extend(_parameters(ReadingLimits))
    spread.extend(_parameters(Verbosity))
    spread.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))

    @wraps(command)
    def run(context: typer.Context, **values: Any) -> None:
        _collect(Verbosity, values).apply()
        _check_needs(context, values)
        values["context"] = context
        for name, parameter in parameters.items():
            if _is_group(parameter.annotation):
                values[name] = _collect(parameter.annotation, values)
        limits = _collect(ReadingLimits, values) if reads_pictures else ReadingLimits()
        with limited_to(limits):
            command(**{name: values[name] for name in parameters})

    run.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
    return run


def _check_needs(context: typer.Context, values: dict[str, Any]) -> None:
    """Raise ``SettingsError`` where an option is given that has nothing to do without another."""
    keys = (values.get(name) for name in ("focus_disparity", "focus_m", "blur_strength"))
    has_keys = any(isinstance(value, tuple) for value in keys) or values.get("focus_track")
    is_moving = values.get("points") or values.get("follow") or values.get("focus_mask")
    polygon = "--aperture polygon, which alone has blades"
    turned = "--aperture polygon or a picture: a disc has no corners"
    aperture = values.get("aperture")
    needs = (
        ("blades", "--blades", polygon, aperture == "polygon"),
        ("roundness", "--roundness", polygon, aperture == "polygon"),
        ("rotation_deg", "--rotation", turned, aperture != "disc"),
        (
            "focal_length_mm",
            "--focal-length",
            "--f-stop: K needs no lens",
            values.get("f_stop") or values.get("focus_track"),
        ),
        ("smoothing_s", "--focus-smoothing", "--subject, --follow or --focus-mask", is_moving),
        ("subject_network", "--subject-network", "--subject", values.get("points") or values.get("follow")),
        ("easing", "--easing", "keys in --focus, --focus-m or --k, or a --focus-track", has_keys),
    )
    for name, option_name, needed, is_there in needs:
        if not is_there and is_given(context, name):
            raise SettingsError(f"{option_name} needs {needed}.")


def is_given(context: typer.Context, name: str) -> bool:
    """Say whether the option with this parameter's name stands in the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _is_group(annotation: object) -> TypeGuard[type[Any]]:
    return isinstance(annotation, type) and annotation in OPTIONS


def _parameters(group: type[Any]) -> Iterator[inspect.Parameter]:
    """One keyword parameter for each field, those of nested settings included."""
    hints = get_type_hints(group)
    for field in fields(group):
        if field.name not in OPTIONS[group]:
            yield from _parameters(hints[field.name])
            continue
        made = OPTIONS[group][field.name]
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=Annotated[_type_for(hints[field.name], reads_itself=made.parser is not None), made],
        )


def _type_for(kind: Any, *, reads_itself: bool) -> Any:
    """The type as typer understands it: a tuple of any length is an option that may be repeated."""
    tuples = [one for one in (kind, *get_args(kind)) if get_origin(one) is tuple]
    if tuples and not (reads_itself and get_origin(kind) is not tuple):
        kind = tuples[0]
        return list[str] if reads_itself else list[get_args(kind)[0]]  # type: ignore[misc]
    return str if reads_itself else kind  # an option with its own parser may be of any type


def _collect(group: Callable[..., Group], values: dict[str, Any]) -> Group:
    """Make the settings from the values of their options; they check themselves."""
    return group(
        **{
            name: _collected(values[name]) if name in OPTIONS[group] else _collect(hint, values)
            for name, hint in get_type_hints(group).items()
        }
    )


def _collected(value: Any) -> Any:
    """What a field takes: of an option that may be repeated, all values, also of those with several each."""
    if not isinstance(value, list):
        return value
    return tuple(one for each in value for one in (each if isinstance(each, tuple) else (each,)))


def as_options(group: Any, *, filled: bool = False) -> list[str]:
    """Return the options that make ``group``, one of the settings, out of its defaults.

    If ``filled``, those too that it chooses by itself where nothing is said.
    """
    plain = type(group)()
    options: list[str] = []
    for field in fields(group):
        value = getattr(group, field.name)
        if field.name not in OPTIONS[type(group)]:
            options += as_options(value, filled=filled)
        elif value is not None and value != (field.default if filled else getattr(plain, field.name)):
            options += _option(_long_name(OPTIONS[type(group)][field.name]), value)
    return options


def focus_options(focus: FocusSettings) -> list[str]:
    """Return the options that say where the focus is, where they say more than a number.

    None for a focus track: it may hold K as well.
    """
    if focus.focus_m is not None:
        return _meter_options(focus)
    given = (
        focus.subject.points or focus.follow or focus.focus_mask or focus.focus_at or focus.focus_disparity
    )
    if given in (None, MIDDLE) or isinstance(given, float):
        return []
    ways = ("focus_disparity", "focus_at", "follow", "focus_mask", "easing", "smoothing_s")
    plain = {field.name: field.default for field in fields(focus)}
    said = [name for name in ways if getattr(focus, name) != plain[name]]
    return as_options(focus.subject) + [
        word
        for name in said
        for word in _option(_long_name(OPTIONS[FocusSettings][name]), getattr(focus, name))
    ]


def _meter_options(focus: FocusSettings) -> list[str]:
    """The options of a focus in meters, and those that say which distances disparity stands for."""
    camera = CameraSettings(near_m=focus.camera.near_m, far_m=focus.camera.far_m)
    easing = _option("--easing", focus.easing) if isinstance(focus.focus_m, tuple) else []
    return [*_option("--focus-m", focus.focus_m), *easing, *as_options(camera)]


def with_options(message: str) -> str:
    """Return a message of the library with options in the place of arguments that it names."""
    return ARGUMENT.sub(lambda found: _argument_as_option(found[1], found[2]) or found[0], message)


def _argument_as_option(name: str, value: str | None) -> str:
    """The option for an argument and its value, if it has one; empty where there is no such option."""
    if name.startswith(TRAINING):
        return f"--set {name.removeprefix(TRAINING)}" + (f"={value}" if value else "")
    option = _options_by_argument().get(name, "")
    on, _, off = option.partition("/")  # of a switch: --mpi/--no-mpi
    if value in (None, "True", "False"):
        return off if value == "False" else on
    return option and f"{option} {value}"


@cache
def _options_by_argument() -> dict[str, str]:
    names = {name: made for group in OPTIONS.values() for name, made in group.items()}
    return {name: _long_name(made) for name, made in names.items()} | OTHER_ARGUMENTS


def _long_name(made: Any) -> str:
    # An option that stands in an annotation keeps its first name as its "default".
    return next(str(name) for name in (made.default, *made.param_decls) if str(name).startswith("--"))


def quoted(words: list[str]) -> str:
    """Return words as a shell takes them; untypable characters are written as bash and zsh understand it."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        on, off = name.split("/")
        return [on if value else off]
    if isinstance(value, tuple) and not any(isinstance(one, Key) for one in value):  # it is repeated
        return [word for one in value for word in (name, _text(one))]
    return [name, _text(value)]


def _text(value: Any) -> str:
    if isinstance(value, TimePoint):
        return f"f{value.frame}" if value.seconds is None else f"{_decimal(value.seconds)}s"
    if isinstance(value, LikeliestPoint):
        return str(value)
    if isinstance(value, Point):
        return f"{_text(value.x)},{_text(value.y)}" + (f"@{_text(value.at)}" if value.at else "")
    if isinstance(value, tuple):
        return ", ".join(f"{_text(key.at)}:{_key_text(key.value)}" for key in value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _key_text(value: float | Point | SubjectName) -> str:
    return f"@{_text(value)}" if isinstance(value, Point) else _text(value)


def _decimal(seconds: Fraction) -> str:
    """A time as it was written; options take no other fractions than decimal ones."""
    return f"{float(seconds):.9f}".rstrip("0").rstrip(".")


def _escaped(word: str) -> str:
    plain = {byte: chr(byte) for byte in range(32, 127) if byte not in b"'\\"}
    return "$'" + "".join(plain.get(byte, f"\\x{byte:02x}") for byte in os.fsencode(word)) + "'"
