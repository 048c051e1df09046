"""The metadata of a file's pictures: how they are turned to be shown, and HDR10."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

DisplayMatrix = tuple[int, ...]

Chromaticity = tuple[Fraction, Fraction]  # CIE x and y

Scalar = TypeVar("Scalar", bound=np.generic)

# Units in which x265 counts: 0.00002 of CIE x and y, 0.0001 cd/m2 (SMPTE ST 2086).
CHROMATICITY_STEPS, LUMINANCE_STEPS = 50_000, 10_000

# Kinds of side data that FFmpeg has and PyAV does not know. It refuses all of a frame's for one of them.
UNKNOWN_TO_PYAV = {28: "LCEVC", 29: "VIEW_ID", 30: "REFERENCE_DISPLAYS_3D", 31: "EXIF"}


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a rectangle: first ``transposed``, then mirrored."""

    transposed: bool = False
    mirrored_across: bool = False
    mirrored_down: bool = False

    def displayed(self, coded: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return a view, in displayed orientation, of pictures as they are stored (``... H W``)."""
        return self._mirrored(coded.swapaxes(-1, -2) if self.transposed else coded)

    def coded(self, displayed: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return a view, as they are stored, of pictures in displayed orientation (``... H W``)."""
        unmirrored = self._mirrored(displayed)
        return unmirrored.swapaxes(-1, -2) if self.transposed else unmirrored

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height after turning; the same going there and back."""
        return (height, width) if self.transposed else (width, height)

    def _mirrored(self, pictures: NDArray[Scalar]) -> NDArray[Scalar]:
        across = -1 if self.mirrored_across else 1
        return pictures[..., :: -1 if self.mirrored_down else 1, ::across]


def side_data(frame: av.VideoFrame) -> dict[str, bytes]:
    """Return the side data of a frame by the name of its kind, or the kind's number where PyAV has none."""
    if "_missing_" not in vars(SideDataType):
        setattr(SideDataType, "_missing_", classmethod(_unknown_kind))  # noqa: B010  mypy forbids it
    return {data.type.name: bytes(data) for data in frame.side_data}


def _unknown_kind(kinds: Any, value: object) -> Any:
    """A member for a number that PyAV's list of kinds lacks; the list itself stays as it is."""
    member = object.__new__(kinds)
    member._name_ = UNKNOWN_TO_PYAV.get(value, str(value)) if isinstance(value, int) else str(value)
    member._value_ = value
    return member


def display_matrix(frame: av.VideoFrame) -> DisplayMatrix | None:
    """Return the display matrix that a frame, or the file that it is from, states."""
    data = side_data(frame).get("DISPLAYMATRIX", b"")
    return struct.unpack("9i", data[:36]) if len(data) >= 36 else None


def orientation_of(matrix: DisplayMatrix | None) -> Orientation:
    """Return the turn in FFmpeg's display matrix (nine numbers), to the nearest quarter."""
    if matrix is None:
        return Orientation()
    # A player shows the pixel (x, y) at (a x + c y, b x + d y).
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


@dataclass(frozen=True)
class Mastering:
    """The display that a film was graded on: CIE x, y of its colors, its black and white in cd/m2."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity
    darkest: Fraction
    brightest: Fraction


@dataclass(frozen=True)
class Hdr10:
    """Static HDR metadata of HDR10; ``light`` is MaxCLL and MaxFALL in cd/m2."""

    mastering: Mastering | None
    light: tuple[int, int] | None

    def x265_params(self) -> list[str]:
        """Return the settings by which x265 writes it."""
        params = ["hdr10=1", "repeat-headers=1"]
        if self.mastering:
            params.append(f"master-display={_layout(self.mastering, CHROMATICITY_STEPS, LUMINANCE_STEPS)}")
        if self.light:
            params.append(f"max-cll={self.light[0]},{self.light[1]}")
        return params

    def svtav1_params(self) -> list[str]:
        """Return the settings by which SVT-AV1 writes it."""
        params = []
        if self.mastering:
            params.append(f"mastering-display={_layout(self.mastering)}")
        if self.light:
            params.append(f"content-light={self.light[0]},{self.light[1]}")
        return params


def read_hdr10(frame: av.VideoFrame) -> Hdr10 | None:
    """Return the HDR10 metadata of a frame, usually the first of a video, or ``None``."""
    found = side_data(frame)
    mastering = _mastering(found.get("MASTERING_DISPLAY_METADATA"))
    light = struct.unpack("2I", found["CONTENT_LIGHT_LEVEL"][:8]) if "CONTENT_LIGHT_LEVEL" in found else None
    return Hdr10(mastering, light) if mastering or light else None


def _mastering(data: bytes | None) -> Mastering | None:
    """Read AVMasteringDisplayMetadata: ten rationals (R, G, B, white, black and white level), two flags."""
    if data is None:
        return None
    numbers = struct.unpack("22i", data[:88])
    has_colors, has_luminance = numbers[20:]
    if not (has_colors and has_luminance):
        return None
    pairs = zip(numbers[0:20:2], numbers[1:20:2], strict=True)
    values = [Fraction(number, unit) if unit else Fraction(0) for number, unit in pairs]
    red, green, blue, white = (values[at : at + 2] for at in (0, 2, 4, 6))
    return Mastering(
        red=(red[0], red[1]),
        green=(green[0], green[1]),
        blue=(blue[0], blue[1]),
        white=(white[0], white[1]),
        darkest=values[8],
        brightest=values[9],
    )


def _layout(mastering: Mastering, chromaticity_steps: int = 0, luminance_steps: int = 0) -> str:
    """``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)``, as both encoders read it; in steps or as decimal numbers."""

    def pair(first: Fraction, second: Fraction, steps: int) -> str:
        if steps:
            return f"({round(first * steps)},{round(second * steps)})"
        return f"({float(first):.6f},{float(second):.6f})"

    named = (("G", mastering.green), ("B", mastering.blue), ("R", mastering.red), ("WP", mastering.white))
    colors = "".join(name + pair(x, y, chromaticity_steps) for name, (x, y) in named)
    return colors + "L" + pair(mastering.brightest, mastering.darkest, luminance_steps)
