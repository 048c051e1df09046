"""The lens of a shot as a camera or a renderer recorded it: OpenTrackIO, or attributes of EXR.

OpenTrackIO (SMPTE RIS OSVP, version 1.0) is JSON with one object for each sample: ``lens.focusDistance`` in
meters, ``lens.fStop`` and ``lens.tStop``, ``lens.pinholeFocalLength`` in millimeters,
``static.camera.activeSensorPhysicalDimensions`` in millimeters, and when the sample was taken in ``timing``.
OpenEXR's attributes ``focus`` (meters), ``aperture`` (f-number) and ``nominalFocalLength`` (millimeters)
belong to the picture of the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, isfinite
from pathlib import Path
from typing import Any

from any2bokeh.documents import parse_json, read_document
from any2bokeh.errors import FocusError, SettingsError, shown
from any2bokeh.settings.focus_settings import FOCUS_M, CameraSettings
from any2bokeh.settings.video_settings import InputSettings
from any2bokeh.video.frame_names import find_frames, sequence_name
from any2bokeh.video.pictures.exr_file import read_exr_attributes

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
FULL_FRAME_MM = 36.0
SENSOR_MM = 2.0, 80.0  # wide: of a phone, and of the largest digital back
_HELD = ("focus_m", "f_stop", "focal_length_mm")
DROPPED_PER_MINUTE = 2  # numbers of frames that drop-frame timecode leaves out, but every tenth minute


@dataclass(frozen=True, kw_only=True)
class LensSample:
    """The lens at one moment, as a full-frame equivalent; ``None`` where nothing is said.

    ``time_s`` counts from any beginning; ``number`` is that of the picture it belongs to.
    """

    focus_m: float | None
    f_stop: float | None
    focal_length_mm: float | None
    time_s: Fraction | None = None
    number: int | None = None


def read_lens_samples(path: Path) -> list[LensSample] | None:
    """Return the samples in a file, or in the EXR files of a sequence; ``None`` for other kinds of file.

    In each, the distance is known; what it leaves out otherwise is as it was last. Raises ``FocusError`` for
    values that no lens has.
    """
    if path.suffix.lower() == ".exr" or sequence_name(path) is not None:
        samples = [_exr_sample(number, file) for number, file in _exr_files(path)]
    elif path.suffix.lower() in JSON_SUFFIXES and (objects := _objects(path)) is not None:
        samples = list(_tracked_samples(path, objects))
    else:
        return None
    return _held(path, samples)


def _held(path: Path, samples: list[LensSample]) -> list[LensSample]:
    """The samples, each filled up from the one before; raises ``FocusError`` if no distance is said."""
    found: list[LensSample] = []
    last = next((one for one in samples if one.focus_m is not None), None)
    if last is None:
        raise FocusError(
            f"The focus track {path} says no focus distance.",
            hint="It stands in lens.focusDistance of OpenTrackIO, or in the attribute focus of EXR.",
        )
    for sample in samples:
        said = {name: value for name in _HELD if (value := getattr(sample, name)) is not None}
        last = replace(last, **said, time_s=sample.time_s, number=sample.number)
        found.append(last)
    return found


def _exr_files(path: Path) -> list[tuple[int | None, Path]]:
    files = find_frames(path, InputSettings(missing="skip"))
    strange = next((file for file in files.paths.values() if file.suffix.lower() != ".exr"), None)
    if strange:
        raise FocusError(f"The focus track {strange} is a picture without attributes of a lens: use EXR.")
    return [(number if files.name else None, file) for number, file in files.paths.items()]


def _exr_sample(number: int | None, path: Path) -> LensSample:
    said = read_exr_attributes(path)
    return _sample(
        f"{path}",
        focus_m=said.get("focus"),
        f_stop=said.get("aperture", said.get("tStop")),
        focal_length_mm=said.get("nominalFocalLength"),
        number=number,
    )


def _objects(path: Path) -> list[Any] | None:
    """The objects of OpenTrackIO in a file: a list, one in each line, or one alone; ``None`` for others."""
    try:
        text = read_document(path)
    except (OSError, ValueError):
        return None  # whoever reads the other kinds says so
    try:
        found = parse_json(text)
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if path.suffix.lower() == ".json" and not (lines and lines[0].rstrip().endswith("}")):
            return None
        try:
            found = [parse_json(line) for line in lines]
        except ValueError:
            raise FocusError(f"The focus track {path} is not valid JSON: {error}.") from error
    if isinstance(found, dict):
        found = found.get("samples", [found])
    if not isinstance(found, list) or not any(_is_tracked(one) for one in found):
        return None
    return found


def _is_tracked(sample: Any) -> bool:
    protocol = sample.get("protocol") if isinstance(sample, dict) else None
    return isinstance(sample, dict) and (
        isinstance(sample.get("lens"), dict)
        or (isinstance(protocol, dict) and protocol.get("name") == "OpenTrackIO")
    )


def _tracked_samples(path: Path, objects: list[Any]) -> Iterator[LensSample]:
    sensor_mm: Any = None  # static facts need not stand in every sample
    rate: Fraction | None = None
    for place, one in enumerate(objects, start=1):
        where = f"Sample {place} of the focus track {path}"
        if not isinstance(one, dict):
            raise FocusError(f"{where} is no object.")
        lens, timing = _table(one, "lens"), _table(one, "timing")
        camera = _table(_table(one, "static"), "camera")
        sensor_mm = _table(camera, "activeSensorPhysicalDimensions").get("width", sensor_mm)
        rate = _rate(timing.get("sampleRate")) or rate
        time_s = _time_s(where, timing)
        yield _sample(
            where,
            focus_m=lens.get("focusDistance"),
            f_stop=lens.get("fStop", lens.get("tStop")),
            focal_length_mm=lens.get("pinholeFocalLength", lens.get("focalLength")),
            sensor_mm=sensor_mm,
            time_s=(place - 1) / rate if time_s is None and rate else time_s,
        )


def _sample(
    where: str,
    *,
    focus_m: Any,
    f_stop: Any,
    focal_length_mm: Any,
    sensor_mm: Any = None,
    time_s: Fraction | None = None,
    number: int | None = None,
) -> LensSample:
    """A sample of raw values, as a full-frame equivalent: the same picture and blur on a sensor of 36 mm."""
    crop = 1.0
    if sensor_mm is not None:
        width_mm = _positive(where, "sensor width", sensor_mm)
        if not SENSOR_MM[0] <= width_mm <= SENSOR_MM[1]:
            raise FocusError(f"{where} has a sensor {width_mm:g} mm wide, which no camera has.")
        crop = FULL_FRAME_MM / width_mm
    distance_m = None if focus_m is None else _positive(where, "focus distance", focus_m)
    stop = None if f_stop is None else _positive(where, "f-number", f_stop) * crop
    length_mm = None if focal_length_mm is None else _positive(where, "focal length", focal_length_mm) * crop
    try:
        CameraSettings(f_stop=stop, focal_length_mm=length_mm)
    except SettingsError as error:
        raise FocusError(f"{where} cannot be used: {error.message}") from error
    return LensSample(
        focus_m=None if distance_m is None else min(max(distance_m, FOCUS_M.low), FOCUS_M.high),
        f_stop=stop,
        focal_length_mm=length_mm,
        time_s=time_s,
        number=number,
    )


def _positive(where: str, what: str, value: Any) -> float:
    """A number above 0; infinity is one, as a distance."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise FocusError(f"{where} has a {what} that is no number above 0: {shown(value)}.")
    if not isfinite(value) and what != "focus distance":
        raise FocusError(f"{where} has an infinite {what}.")
    return float(value)


def _table(one: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = one.get(name)
    return found if isinstance(found, dict) else {}


def _rate(value: Any) -> Fraction | None:
    """A rate, which OpenTrackIO writes as ``{"num": 24000, "denom": 1001}``."""
    over = (value.get("num"), value.get("denom")) if isinstance(value, dict) else (value, 1)
    whole = [one for one in over if isinstance(one, int) and not isinstance(one, bool) and one > 0]
    return Fraction(*whole) if len(whole) == 2 else None


def _time_s(where: str, timing: Mapping[str, Any]) -> Fraction | None:
    """When a sample was taken [s]: by its time stamp, else by its timecode."""
    stamp, code = _table(timing, "sampleTimestamp"), _table(timing, "timecode")
    try:
        if stamp:
            nanoseconds = _counted(stamp.get("nanoseconds", 0))
            return Fraction(_counted(stamp["seconds"])) + Fraction(nanoseconds) / 10**9
        if not code:
            return None
        rate = _rate(code.get("frameRate") or _table(code, "format").get("frameRate"))
        if rate is None:
            return None
        hours, minutes, seconds, frames = (
            _counted(code[name]) for name in ("hours", "minutes", "seconds", "frames")
        )
        minutes += 60 * hours
        number = (60 * minutes + seconds) * ceil(rate) + frames
        if code.get("dropFrame", _table(code, "format").get("dropFrame", False)):
            number -= DROPPED_PER_MINUTE * (minutes - minutes // 10)
        return Fraction(number) / rate
    except (KeyError, TypeError, ValueError) as error:
        raise FocusError(f"{where} has a time that cannot be read: {shown(dict(stamp or code))}.") from error


def _counted(value: Any) -> int | float:
    """A number; of a text, Python would make a longer text, or a number as long as it likes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is no number")
    return value
