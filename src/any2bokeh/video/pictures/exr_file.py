"""OpenEXR: scene light in half or float, with its attributes, and depth by the name of its layer."""

import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from any2bokeh.errors import VideoError, install_hint
from any2bokeh.video.limits import check_pixels
from any2bokeh.video.pictures.stored_picture import StoredPicture

DEPTH_CHANNELS = ("depth.Z", "Z", "depth.R", "depth.z", "z", "disparity", "disparity.R", "depth")
# What the writer says itself, or is true of the source's file alone; the preview shows the picture before.
OWN_ATTRIBUTES = (
    *("channels", "compression", "dataWindow", "displayWindow", "type", "tiles", "chunkCount", "version"),
    *("name", "view", "multiView", "preview", "lineOrder", "maxSamplesPerPixel", "deepImageState"),
)
NAMES = {"none": "no"}  # of compressions, as the library calls them
USUAL_COMPRESSION = "zip"
MAX_THREADS = 8  # of the library, beside those of the lens

Window = tuple[int, int, int, int]  # left, top, and the first column and row outside

log = logging.getLogger(__name__)


class _Words(io.TextIOBase):
    """Takes text as stdout does, into the log."""

    def write(self, text: str) -> int:
        if text.strip():
            log.debug("OpenEXR: %s", text.strip())
        return len(text)


class _LibraryWords:
    """A context in which the library's prints go to the log: it warns on ``sys.stdout``, where results go.

    Several threads may be in it.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._stdout: TextIO | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._stdout, sys.stdout = sys.stdout, _Words()  # type: ignore[assignment]
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._stdout:
                sys.stdout = self._stdout


_library_words = _LibraryWords()


@dataclass(frozen=True)
class ExrFacts:
    """How an EXR was stored: its attributes, windows and compression."""

    attributes: dict[str, Any]
    display: Window
    data: Window
    compression: str


def read_exr_file(path: Path) -> StoredPicture:
    """Return the color, and the alpha beside it, of the first part that has one; outside the data both are 0.

    The picture is the display window, and the data window where that reaches farther. Raises ``VideoError``
    if it cannot be read, or holds no color.
    """
    header, channels = _read(path, _color_names)
    names = _color_names(set(channels))
    stored = [channels[name] for name in names]
    dtype = stored[0].dtype
    window, display = _window(header["dataWindow"]), _window(header["displayWindow"])
    canvas = _union(display, window)
    codes = np.zeros((canvas[3] - canvas[1], canvas[2] - canvas[0], len(names)), dtype)
    rows = slice(window[1] - canvas[1], window[3] - canvas[1])
    columns = slice(window[0] - canvas[0], window[2] - canvas[0])
    for place, values in enumerate(stored):
        codes[rows, columns, place] = values
    return StoredPicture(
        codes=codes,
        bits=8 * dtype.itemsize,
        pixel_aspect=_pixel_aspect(header),
        transfer="linear",
        frame_rate=_frame_rate(header),
        kept=ExrFacts(
            attributes={name: value for name, value in header.items() if name not in OWN_ATTRIBUTES},
            display=display,
            data=canvas,
            compression=header["compression"].name.removesuffix("_COMPRESSION").lower(),
        ),
    )


def read_exr_depth(path: Path) -> StoredPicture:
    """Return the layer of depth or disparity, else the only channel, else gray in R, G and B, as gray."""
    header, channels = _read(path, _depth_names)
    names = _depth_names(set(channels))
    values = channels[names[0]].astype(np.float32)
    if len(names) == 3 and not all(np.array_equal(channels[name], channels[names[0]]) for name in names[1:]):
        raise VideoError(
            f"{path} holds no depth, but color.", hint=f"A layer of depth is called {DEPTH_CHANNELS[0]} or Z."
        )
    window, display = _window(header["dataWindow"]), _window(header["displayWindow"])
    canvas = _union(display, window)
    outside = 0 if names[0].startswith("disparity") else np.inf  # far
    codes = np.full((canvas[3] - canvas[1], canvas[2] - canvas[0], 1), outside, np.float32)
    codes[window[1] - canvas[1] : window[3] - canvas[1], window[0] - canvas[0] : window[2] - canvas[0], 0] = (
        values
    )
    return StoredPicture(codes=codes, bits=32, transfer="linear")


def read_exr_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of an EXR's first part by name; raises ``VideoError`` if it cannot be read."""
    library = _library()
    if not path.exists() or not library.isOpenExrFile(str(path)):
        raise VideoError(f"{path} cannot be read as an EXR: it is of another kind.")
    try:
        with library.File(str(path), header_only=True) as file:
            return dict(file.header())
    except (RuntimeError, ValueError, IndexError) as error:
        raise VideoError(f"{path} cannot be read as an EXR: it is damaged or incomplete.") from error


def write_exr_file(path: Path, picture: StoredPicture) -> None:
    """Write half or float, with the attributes of the source; one that has none gets half and ``zip``."""
    library = _library()
    height, width = picture.codes.shape[:2]
    facts = picture.kept if isinstance(picture.kept, ExrFacts) else None
    window = facts.data if facts else (0, 0, width, height)
    attributes = dict(facts.attributes) if facts else {}
    compression = picture.compression or (facts.compression if facts else USUAL_COMPRESSION)
    header = {
        **attributes,
        "compression": getattr(library, f"{NAMES.get(compression, compression).upper()}_COMPRESSION"),
        "type": library.scanlineimage,
        "dataWindow": _corners(window),
        "displayWindow": _corners(facts.display if facts else window),
    }
    if picture.pixel_aspect != 1:
        header["pixelAspectRatio"] = float(picture.pixel_aspect)
    names = "Y" if picture.colors == 1 else "RGB"
    names += "A" if picture.has_alpha else ""
    channels = {name: np.ascontiguousarray(picture.codes[..., place]) for place, name in enumerate(names)}
    channels |= picture.layers
    try:
        with library.File(header, channels) as file:
            file.write(str(path))
    except (RuntimeError, ValueError) as error:
        raise OSError(str(error)) from error


def _library() -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise VideoError(
            "EXR needs the package OpenEXR, which is not installed.", install_hint("exr")
        ) from error
    if not OpenEXR.global_thread_count():  # it compresses and decompresses in the thread of its caller else
        OpenEXR.set_global_thread_count(min(os.cpu_count() or 1, MAX_THREADS))
    return OpenEXR


def _read(
    path: Path, wanted: Callable[[set[str]], list[str]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and the channels of the first part that has channels that are wanted."""
    library = _library()
    if not path.exists():
        raise FileNotFoundError(path)
    if not library.isOpenExrFile(str(path)):
        raise VideoError(f"{path} cannot be read as an EXR: it is of another kind.")
    try:
        with library.File(str(path), header_only=True) as file:
            for number in range(len(file.parts)):
                header = file.header(number)
                left, top, right, bottom = _union(
                    _window(header["dataWindow"]), _window(header["displayWindow"])
                )
                check_pixels(path, right - left, bottom - top)
        with _library_words, library.File(str(path), separate_channels=True) as file:
            parts = [
                (dict(file.header(number)), {name: one.pixels for name, one in file.channels(number).items()})
                for number in range(len(file.parts))
            ]
    except (RuntimeError, ValueError, IndexError) as error:
        raise VideoError(f"{path} cannot be read as an EXR: it is damaged or incomplete.") from error
    if not parts:
        raise VideoError(f"{path} cannot be read as an EXR: it is damaged or incomplete.")
    for header, channels in parts:
        if wanted(set(channels)):
            chosen = {name: channels[name] for name in wanted(set(channels))}
            window = _window(header["dataWindow"])
            size = window[3] - window[1], window[2] - window[0]
            if any(values.dtype.kind != "f" or values.shape != size for values in chosen.values()):
                listed = ", ".join(chosen)
                raise VideoError(f"{path} must hold its channels {listed} as half or float, at full size.")
            return header, channels
    names = ", ".join(sorted({name for _, channels in parts for name in channels})) or "none"
    what = "R, G and B" if wanted is _color_names else f"depth ({', '.join(DEPTH_CHANNELS[:3])})"
    raise VideoError(f"{path} has no channels of {what}. It has: {names}.")


def _color_names(names: set[str]) -> list[str]:
    """R, G, B and A, plain or of the first layer that has them; or luminance."""
    prefixes = ["", *sorted({name[: -len("R")] for name in names if name.endswith(".R")})]
    for prefix in prefixes:
        if names >= {f"{prefix}R", f"{prefix}G", f"{prefix}B"}:
            alpha = [f"{prefix}A"] if f"{prefix}A" in names else []
            return [f"{prefix}R", f"{prefix}G", f"{prefix}B", *alpha]
    if "Y" in names and not names & {"RY", "BY"}:
        return ["Y", "A"] if "A" in names else ["Y"]
    return []


def _depth_names(names: set[str]) -> list[str]:
    for name in DEPTH_CHANNELS:
        if name in names:
            return [name]
    color = [name for name in _color_names(names) if not name.endswith("A")]
    return color or (sorted(names) if len(names) == 1 else [])


def _window(corners: Any) -> Window:
    (left, top), (right, bottom) = (tuple(int(number) for number in corner) for corner in corners)
    return left, top, right + 1, bottom + 1


def _corners(window: Window) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    left, top, right, bottom = window
    return np.array([left, top], np.int32), np.array([right - 1, bottom - 1], np.int32)


def _union(one: Window, other: Window) -> Window:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _pixel_aspect(header: dict[str, Any]) -> Fraction:
    aspect = float(header.get("pixelAspectRatio", 1.0))
    return Fraction(aspect).limit_denominator(1000) if isfinite(aspect) and aspect > 0 else Fraction(1)


def _frame_rate(header: dict[str, Any]) -> Fraction | None:
    rate = header.get("framesPerSecond")
    return rate if isinstance(rate, Fraction) and rate > 0 else None
