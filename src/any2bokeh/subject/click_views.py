"""Where in a frame the network looks for a subject: windows brought to a size of its own, and their marks."""

import math
from dataclasses import dataclass

import numpy as np

from any2bokeh.arrays import Floats

# Height and width of a view, in multiples of 32; about as many pixels each.
VIEW_SIZES = ((192, 192), (160, 224), (224, 160), (160, 256), (256, 160))
BLOT_PX = 5.0  # standard deviation of the blot around a click, in pixels of a view


@dataclass(frozen=True)
class Window:
    """A part of a picture, in its pixels; the ends are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def around(cls, x: float, y: float, wide: float, shape: float, picture: tuple[int, int]) -> "Window":
        """Return a window ``wide`` pixels wide, and ``1/shape`` as high, around a place, within a picture.

        ``picture`` is its height and width. A window that is larger is made smaller.
        """
        height, width = picture
        wide = min(wide, width, height * shape)
        columns, rows = max(2, round(wide)), max(2, round(wide / shape))
        columns, rows = min(columns, width), min(rows, height)
        left = min(max(0, round(x - columns / 2)), width - columns)
        top = min(max(0, round(y - rows / 2)), height - rows)
        return cls(top, left, top + rows, left + columns)

    def within(self, picture: tuple[int, ...]) -> "Window":
        """Return the same place of another picture, as much of it as lies there."""
        rows, columns = self.size
        x, y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        return Window.around(x, y, columns, columns / rows, (picture[0], picture[1]))

    def wider(self, times: float, picture: tuple[int, int]) -> "Window":
        """Return a window so many times as wide around the same place, within the picture."""
        rows, columns = self.size
        x, y = (self.left + self.right) / 2, (self.top + self.bottom) / 2
        return Window.around(x, y, columns * times, columns / rows, picture)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


STRETCH = 1.12  # a view may be so much wider or narrower than its window


def view_shape(wanted: float) -> tuple[tuple[int, int], float]:
    """Return the size of views that suits windows ``wanted`` times as wide as high, and their exact shape."""
    size = min(VIEW_SIZES, key=lambda one: abs(math.log(one[1] / one[0] / wanted)))
    own = size[1] / size[0]
    return size, min(max(wanted, own / STRETCH), own * STRETCH)


def draw_blot(marks: Floats, x: float, y: float) -> None:
    """Add a blot around (x, y), shares of the sides, to ``marks h w``, which has half the sides of a view."""
    height, width = marks.shape
    spread = BLOT_PX / 2
    rows = (np.arange(height, dtype=np.float32) + 0.5 - y * height) / spread
    columns = (np.arange(width, dtype=np.float32) + 0.5 - x * width) / spread
    blot = np.exp(-0.5 * (rows[:, None] ** 2 + columns**2))
    np.maximum(marks, blot, out=marks)
