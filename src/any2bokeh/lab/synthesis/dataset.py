"""A folder of clips with their ground truth: sharp, disparity, objects, and refocused.

``clips/NAME/`` holds ``scene.json`` and videos in FFV1: ``sharp.mkv``, ``disparity.mkv`` (16 bits),
``objects.mkv`` (the number of the object that a pixel shows) and one ``bokeh-SETTING.mkv`` per setting.
A clip appears under its name when it is complete; ``dataset.json`` holds the settings that made it.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.atomic import partial_file
from any2bokeh.errors import DatasetError, ShapeError, shown
from any2bokeh.lab.synthesis.dataset_clip import (
    DISPARITY_FILE,
    OBJECTS_FILE,
    SHARP_FILE,
    ClipDescription,
    ClipFrame,
    DatasetClip,
    open_clip,
    read_json,
    refocused_file,
    write_description,
)
from any2bokeh.video.gray import to_uint16
from any2bokeh.video.lossless import GRAY, GRAY16, RGB, LosslessWriter, to_uint8

FORMAT_VERSION = 1
DATASET_FILE, CLIPS = "dataset.json", "clips"
PARTIAL = ".part"  # how the name of a clip ends while it is being written


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The complete clips of a folder, in the order of their names; ``made_by`` are their settings."""

    folder: Path
    made_by: Mapping[str, Any]
    clips: tuple[DatasetClip, ...]


def open_dataset(folder: Path) -> Dataset:
    """Return the data set in ``folder`` with the clips that are complete now.

    Raises ``DatasetError`` naming the file and its defect: it is no data set, of a later format,
    or a clip lacks a file or contradicts itself.
    """
    made_by = read_made_by(folder)
    clips = tuple(open_clip(path) for path in complete_clips(folder))
    return Dataset(folder=folder, made_by=made_by, clips=clips)


def read_made_by(folder: Path) -> dict[str, Any]:
    """Read ``dataset.json``; raises ``DatasetError`` if there is none, or one of another format."""
    if not folder.exists():
        raise DatasetError(f"The data set {folder} does not exist.")
    if not (folder / DATASET_FILE).is_file():
        raise DatasetError(
            f"{folder} is not a data set: {DATASET_FILE} is missing.",
            hint="Make one with `bokeh synthesize`.",
        )
    made_by = read_json(folder / DATASET_FILE)
    version = made_by.get("format_version")
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{folder / DATASET_FILE} has format {shown(version)}; this version reads {FORMAT_VERSION}."
        )
    return made_by


def write_made_by(folder: Path, made_by: Mapping[str, Any]) -> None:
    """Write ``dataset.json``, as a whole or not at all; makes the folder. Raises ``DatasetError``."""
    content = json.dumps({"format_version": FORMAT_VERSION, **made_by}, indent=1) + "\n"
    try:
        (folder / CLIPS).mkdir(parents=True, exist_ok=True)
        with partial_file(folder / DATASET_FILE, overwrite=True, error_class=DatasetError) as partial:
            partial.write_text(content, encoding="utf-8")
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror}.") from error


def complete_clips(folder: Path) -> list[Path]:
    """The folders of the clips that are complete, in the order of their names."""
    clips = folder / CLIPS
    if not clips.is_dir():
        return []
    return sorted(path for path in clips.iterdir() if path.is_dir() and not path.name.startswith("."))


def remove_partial_clips(folder: Path) -> None:
    """Remove the partial clips of killed writers; no writer may be at work."""
    for path in (folder / CLIPS).glob(f".*{PARTIAL}"):
        shutil.rmtree(path, ignore_errors=True)


class ClipWriter:
    """Takes the frames of a clip one after the other; ``write_clip`` makes and ends it."""

    def __init__(self, folder: Path, description: ClipDescription, files: ExitStack) -> None:
        self._description, self._written = description, 0
        size, rate = (description.width, description.height), description.rate
        formats = dict.fromkeys(description.files, RGB) | {DISPARITY_FILE: GRAY16, OBJECTS_FILE: GRAY}
        self._files = {
            name: files.enter_context(LosslessWriter(folder / name, size, pixel_format, 1 / rate, rate))
            for name, pixel_format in formats.items()
        }

    @property
    def written(self) -> int:
        """How many frames it has taken."""
        return self._written

    def write(self, frame: ClipFrame, refocused: Mapping[str, Tensor]) -> None:
        """Append a frame, and its refocused versions ``3 H W`` by the name of their setting.

        Raises ``ShapeError`` for a picture of another size, ``VideoError`` if it cannot be written.
        """
        pictures = {refocused_file(name): (picture, 3) for name, picture in refocused.items()}
        pictures |= {
            SHARP_FILE: (frame.sharp, 3),
            DISPARITY_FILE: (frame.disparity, 1),
            OBJECTS_FILE: (frame.objects, 1),
        }
        if set(pictures) != set(self._files):
            raise ShapeError(f"A frame needs {sorted(self._files)}, got {sorted(pictures)}.")
        for name, (picture, channels) in pictures.items():
            expected = (channels, self._description.height, self._description.width)
            if tuple(picture.shape) != expected:
                raise ShapeError(f"{name} must be {expected}, got {tuple(picture.shape)}.")
            self._files[name].write_integers(_codes_of(name, picture), self._written)
        self._written += 1


@contextmanager
def write_clip(folder: Path, description: ClipDescription) -> Iterator[ClipWriter]:
    """Write a clip of the data set in ``folder``; it appears under its name when the block ends well.

    After any exception nothing is left of it. Raises ``DatasetError`` if it lacks frames at the end, exists
    already or cannot be written.
    """
    target = folder / CLIPS / description.name
    partial = target.with_name(f".{description.name}.{os.getpid()}{PARTIAL}")
    try:
        partial.mkdir(parents=True)
        with ExitStack() as files:
            writer = ClipWriter(partial, description, files)
            yield writer
        if writer.written != description.frames:
            raise DatasetError(f"{target} got {writer.written} of {description.frames} frames.")
        write_description(partial, description)
        partial.rename(target)
    except OSError as error:
        raise DatasetError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _codes_of(name: str, picture: Tensor) -> NDArray[Any]:
    if name == DISPARITY_FILE:
        return to_uint16(picture)
    if name == OBJECTS_FILE:
        return picture.cpu().numpy()
    return to_uint8(picture)
