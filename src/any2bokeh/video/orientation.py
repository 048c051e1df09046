"""How a player turns the stored picture before it shows it."""

import struct
from dataclasses import dataclass
from typing import TypeVar

import av
import numpy as np
from numpy.typing import NDArray

DisplayMatrix = tuple[int, ...]

Scalar = TypeVar("Scalar", bound=np.generic)


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


def display_matrix(frame: av.VideoFrame) -> DisplayMatrix | None:
    """Return the display matrix that a frame, or the file that it is from, states."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return struct.unpack("9i", bytes(data)[:36])
    return None


def orientation_of(matrix: DisplayMatrix | None) -> Orientation:
    """Return what FFmpeg's display matrix (nine numbers) asks for, to the nearest quarter turn."""
    if matrix is None:
        return Orientation()
    # A player shows the pixel (x, y) at (a x + c y, b x + d y).
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
