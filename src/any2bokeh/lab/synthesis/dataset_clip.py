"""One clip of a data set: its description in ``scene.json``, and its pictures, read in spans or singly."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.documents import parse_json, parse_rate, read_document
from any2bokeh.errors import DatasetError, SettingsError, VideoError, shown
from any2bokeh.focus.focus_track import Focus
from any2bokeh.paths import checked_name
from any2bokeh.settings.synthesis_settings import Split
from any2bokeh.settings.values import check_choice
from any2bokeh.video.lossless import read_lossless, to_float

SettingKind = Literal["fixed", "blur-ramp", "focus-ramp"]

SCENE_FILE = "scene.json"
SHARP_FILE, DISPARITY_FILE, OBJECTS_FILE = "sharp.mkv", "disparity.mkv", "objects.mkv"
MOST_OBJECTS = 255  # that an 8-bit picture tells apart, next to the background
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True, kw_only=True)
class ClipObject:
    """A thing that may be in focus: its number in the pictures of objects, and its disparity per frame.

    Of one that is not flat it is the disparity of its middle.
    """

    index: int
    name: str
    disparity: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ClipSetting:
    """One refocused version of a clip: focus (a disparity) and blur strength (K) of each frame.

    ``object`` is the number of the object in focus, ``None`` where there is none.
    """

    name: str
    kind: SettingKind
    focus: tuple[float, ...]
    blur_strength: tuple[float, ...]
    object: int | None = None

    def __post_init__(self) -> None:
        checked_name(self.name, "The name of a setting")
        if not _NAME.fullmatch(self.name):
            raise SettingsError(
                f"A setting's name may contain a-z, 0-9, - and . only, got {shown(self.name)}."
            )
        check_choice("kind", self.kind, SettingKind)
        if len(self.focus) != len(self.blur_strength):
            raise SettingsError(
                f"Setting {self.name} has {len(self.focus)} focus values but {len(self.blur_strength)} of K."
            )
        for number in range(len(self.focus)):
            self.at(number)  # which checks the values

    def at(self, frame: int) -> Focus:
        """The focus of a frame."""
        return Focus(self.focus[frame], self.blur_strength[frame])


@dataclass(frozen=True, kw_only=True)
class ClipDescription:
    """A clip of ``frames`` pictures, ``rate`` per second.

    ``made_by`` holds every value needed to make it again.
    Raises ``SettingsError`` where it contradicts itself.
    """

    name: str
    seed: int
    split: Split
    width: int
    height: int
    frames: int
    rate: Fraction
    objects: tuple[ClipObject, ...]
    settings: tuple[ClipSetting, ...]
    made_by: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked_name(self.name, "The name of a clip")
        check_choice("split", self.split, Split)
        if min(self.width, self.height, self.frames) < 1 or self.rate <= 0:
            raise SettingsError(f"Width, height, frame count and rate of {self.name} must be above 0.")
        if [thing.index for thing in self.objects] != list(range(1, len(self.objects) + 1)):
            raise SettingsError(f"The objects of {self.name} must be numbered from 1 on.")
        if len(self.objects) > MOST_OBJECTS:
            raise SettingsError(f"{self.name} has more than {MOST_OBJECTS} objects.")
        names = [setting.name for setting in self.settings]
        if len(set(names)) < len(names):
            raise SettingsError(f"{self.name} has two settings of the same name: {', '.join(names)}.")
        tracks = [(thing.name, thing.disparity) for thing in self.objects]
        for name, track in tracks + [(setting.name, setting.focus) for setting in self.settings]:
            if len(track) != self.frames:
                raise SettingsError(f"{name} of {self.name} has {len(track)} of {self.frames} frames.")
        for setting in self.settings:
            if setting.object is not None and not 1 <= setting.object <= len(self.objects):
                raise SettingsError(f"Setting {setting.name} of {self.name} has no object {setting.object}.")

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its videos."""
        refocused = (refocused_file(setting.name) for setting in self.settings)
        return SHARP_FILE, DISPARITY_FILE, OBJECTS_FILE, *refocused


def refocused_file(setting: str) -> str:
    """The name of the video of a setting."""
    return f"bokeh-{setting}.mkv"


def write_description(folder: Path, description: ClipDescription) -> None:
    """Write ``scene.json`` into a folder."""
    content = asdict(description) | {"rate": str(description.rate)}
    (folder / SCENE_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_description(folder: Path) -> ClipDescription:
    """Read ``scene.json`` of a folder; raises ``DatasetError`` naming the file and its defect."""
    path = folder / SCENE_FILE
    hint = f"If {folder} is deleted, bokeh synthesize makes the clip anew."
    content = read_json(path, hint)
    try:
        objects = tuple(ClipObject(**_tuples(thing)) for thing in content.pop("objects"))
        settings = tuple(ClipSetting(**_tuples(setting)) for setting in content.pop("settings"))
        rate = parse_rate(content.pop("rate"))
        return ClipDescription(**content, rate=rate, objects=objects, settings=settings)
    except KeyError as error:
        raise DatasetError(f"{path} lacks {error}.", hint) from error
    except SettingsError as error:
        raise DatasetError(f"{path} cannot be used: {error.message}", hint) from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(f"{path} does not describe a clip: {error}.", hint) from error


def read_json(path: Path, hint: str = "") -> dict[str, Any]:
    """The JSON object in a file; raises ``DatasetError`` with the hint."""
    try:
        content = parse_json(read_document(path))
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.", hint) from error
    except ValueError as error:
        raise DatasetError(f"{path} is not valid JSON: {error}.", hint) from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is not a JSON object.", hint)
    return content


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFrame:
    """One frame of a clip, without its refocused versions.

    ``sharp`` is ``3 H W`` display-referred R'G'B' in 0..1, ``disparity`` ``1 H W`` in 0..1 and
    ``objects`` ``1 H W`` uint8, 0 where there is none.
    """

    sharp: Tensor
    disparity: Tensor
    objects: Tensor


@dataclass(frozen=True, kw_only=True)
class DatasetClip:
    """A complete clip. Pictures are read from ``first`` on, ``count`` of them or all that follow.

    Each reading opens its file anew. Raises ``DatasetError`` where a file lacks frames or is damaged.
    """

    folder: Path
    description: ClipDescription

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.description.name

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.description.frames

    @property
    def width(self) -> int:
        """Width of its pictures in pixels."""
        return self.description.width

    @property
    def height(self) -> int:
        """Height of its pictures in pixels."""
        return self.description.height

    @property
    def settings(self) -> tuple[ClipSetting, ...]:
        """Its refocused versions."""
        return self.description.settings

    def setting(self, name: str) -> ClipSetting:
        """The setting of that name; raises ``DatasetError`` if there is none."""
        for setting in self.settings:
            if setting.name == name:
                return setting
        known = ", ".join(setting.name for setting in self.settings)
        raise DatasetError(f"{self.folder} has no setting {shown(name)}.", hint=f"Use one of {known}.")

    def sharp(self, first: int = 0, count: int | None = None) -> Tensor:
        """The all-in-focus pictures, display-referred R'G'B' ``T 3 H W`` float32 in 0..1."""
        return torch.stack(list(self.iter_sharp(first, count)))

    def disparity(self, first: int = 0, count: int | None = None) -> Tensor:
        """Disparity ``T 1 H W`` float32 in 0..1, near is 1."""
        return torch.stack(list(self.iter_disparity(first, count)))

    def objects_map(self, first: int = 0, count: int | None = None) -> Tensor:
        """The number of the object that each pixel's center sees first, ``T 1 H W`` uint8, 0 for none."""
        return torch.stack(list(self.iter_objects_map(first, count)))

    def refocused(self, setting: ClipSetting, first: int = 0, count: int | None = None) -> Tensor:
        """The pictures through the lens of a setting, display-referred R'G'B' ``T 3 H W`` in 0..1."""
        return torch.stack(list(self.iter_refocused(setting, first, count)))

    def focus_mask(self, setting: ClipSetting, first: int = 0, count: int | None = None) -> Tensor:
        """The visible pixels of the setting's object, ``T 1 H W`` bool; none where there is no object."""
        return self.objects_map(first, count) == (setting.object or -1)

    def iter_sharp(self, first: int = 0, count: int | None = None) -> Iterator[Tensor]:
        """As ``sharp``, one ``3 H W`` after the other."""
        return (to_float(codes) for codes in self._codes(SHARP_FILE, first, count))

    def iter_disparity(self, first: int = 0, count: int | None = None) -> Iterator[Tensor]:
        """As ``disparity``, one ``1 H W`` after the other."""
        return (to_float(codes) for codes in self._codes(DISPARITY_FILE, first, count))

    def iter_objects_map(self, first: int = 0, count: int | None = None) -> Iterator[Tensor]:
        """As ``objects_map``, one ``1 H W`` after the other."""
        return (torch.from_numpy(codes) for codes in self._codes(OBJECTS_FILE, first, count))

    def iter_refocused(
        self, setting: ClipSetting, first: int = 0, count: int | None = None
    ) -> Iterator[Tensor]:
        """As ``refocused``, one ``3 H W`` after the other."""
        file = refocused_file(setting.name)
        return (to_float(codes) for codes in self._codes(file, first, count))

    def iter_frames(self, first: int = 0, count: int | None = None) -> Iterator[ClipFrame]:
        """Sharp, disparity and objects, frame by frame."""
        parts = (reader(first, count) for reader in (self.iter_sharp, self.iter_disparity))
        for sharp, disparity, objects in zip(*parts, self.iter_objects_map(first, count), strict=True):
            yield ClipFrame(sharp=sharp, disparity=disparity, objects=objects)

    def _codes(self, file: str, first: int, count: int | None) -> Iterator[NDArray[Any]]:
        wanted = self.frames - first if count is None else count
        if first < 0 or wanted < 0 or first + wanted > self.frames:
            raise DatasetError(
                f"{self.folder} has {self.frames} frames, not {wanted} from number {first} on."
            )
        path, done = self.folder / file, 0
        if wanted == 0:
            return
        try:
            for codes in islice(read_lossless(path, self.description.rate, first), wanted):
                if codes.shape[1:] != (self.height, self.width):
                    size = f"{codes.shape[2]}x{codes.shape[1]}"
                    raise DatasetError(f"{path} is {size}, and its clip {self.width}x{self.height}.")
                yield codes
                done += 1
        except VideoError as error:
            raise DatasetError(error.message, error.hint) from error
        if done < wanted:
            raise DatasetError(f"{path} ends after {first + done} of {self.frames} frames.")


def open_clip(folder: Path) -> DatasetClip:
    """Return the clip in ``folder``; raises ``DatasetError`` where it lacks a file or contradicts itself."""
    description = read_description(folder)
    for name in description.files:
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} lacks {name}.")
    return DatasetClip(folder=folder, description=description)
