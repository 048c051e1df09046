"""Commands take settings: each field becomes an option, and the options' values become settings."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from functools import wraps
from typing import Annotated, Any, TypeGuard, TypeVar, get_args, get_origin, get_type_hints

import typer

from any2bokeh.cli.options import OPTIONS
from any2bokeh.cli.talk import Verbosity
from any2bokeh.errors import SettingsError

Group = TypeVar("Group")


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
        command(**{name: values[name] for name in parameters})

    run.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
    return run


def _check_needs(context: typer.Context, values: dict[str, Any]) -> None:
    """Raise ``SettingsError`` where an option is given that has nothing to do without another."""
    keys = values.get("focus_disparity"), values.get("blur_strength")
    has_keys = any(isinstance(value, tuple) for value in keys) or values.get("focus_track")
    is_moving = values.get("follow") or values.get("focus_mask")
    polygon = "--aperture polygon: a disc has no corners"
    has_corners = values.get("aperture") != "disc"
    needs = (
        ("blades", "--blades", polygon, has_corners),
        ("roundness", "--roundness", polygon, has_corners),
        ("rotation_deg", "--rotation", polygon, has_corners),
        ("focal_length_mm", "--focal-length", "--f-stop: K needs no lens", values.get("f_stop")),
        ("smoothing_s", "--focus-smoothing", "--follow or --focus-mask", is_moving),
        ("easing", "--easing", "keys in --focus or --k, or a --focus-track", has_keys),
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
    if get_origin(kind) is tuple:
        return list[str] if reads_itself else list[get_args(kind)[0]]  # type: ignore[misc]
    return str if reads_itself else kind  # what an option reads by itself may be of any type


def _collect(group: Callable[..., Group], values: dict[str, Any]) -> Group:
    """Make the settings from the values of their options; they check themselves."""
    return group(
        **{
            name: _collected(values[name]) if name in OPTIONS[group] else _collect(hint, values)
            for name, hint in get_type_hints(group).items()
        }
    )


def _collected(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
