"""One picture as its file holds it, and the picture that is worked on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.video.color import BT709
from any2bokeh.video.matrix import Coding, from_rgb, to_rgb
from any2bokeh.video.metadata import Orientation


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredPicture:
    """The contents of one file.

    ``codes`` is ``H W C`` as stored: gray, gray and alpha, RGB, or RGBA; integers of ``bits`` bits (in uint8
    or uint16), or floats. ``transfer`` is what the file says of its light, where it says something;
    ``frame_rate`` likewise. ``kept`` is what a file of the same kind takes over from it. ``layers`` (``H W``
    by name) and ``compression`` are for kinds that know them.
    """

    codes: NDArray[Any]
    bits: int
    orientation: Orientation = field(default_factory=Orientation)
    pixel_aspect: Fraction = Fraction(1)
    transfer: TransferFunction | None = None
    frame_rate: Fraction | None = None
    kept: Any = None
    layers: Mapping[str, Floats] = field(default_factory=dict)
    compression: str | None = None

    @property
    def is_float(self) -> bool:
        """Whether the values are floats, which may lie outside 0..1."""
        return self.codes.dtype.kind == "f"

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is transparency."""
        return self.codes.shape[2] in (2, 4)

    @property
    def colors(self) -> int:
        """How many channels are not transparency: 1 of gray, 3 of RGB."""
        return 3 if self.codes.shape[2] >= 3 else 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the displayed picture."""
        height, width = self.codes.shape[:2]
        return self.orientation.size(width, height)

    def picture(self) -> Floats:
        """Return R'G'B' ``3 H W`` in displayed orientation: floats as they are, whole numbers as 0..1."""
        width, height = self.size
        out = np.empty((3, height, width), np.float32)
        planes = [np.ascontiguousarray(self.codes[..., channel]) for channel in range(self.colors)]
        coded = self.orientation.coded(out)
        if self.is_float:
            coded[:] = np.stack(planes if len(planes) == 3 else planes * 3)
        else:
            to_rgb(planes, self._coding, coded)
        return out

    def shell(self) -> "StoredPicture | None":
        """Return the same without its colors, in next to no memory; ``None`` if transparency varies."""
        pixel = self.codes[:1, :1]
        if self.has_alpha and (self.codes[..., -1] != pixel[..., -1]).any():
            return None
        return replace(self, codes=np.broadcast_to(pixel.copy(), self.codes.shape), layers={})

    def with_picture(self, picture: Floats) -> "StoredPicture":
        """Return the same with another picture, ``3 H W`` in displayed orientation; alpha stays as it is."""
        coded = self.orientation.coded(picture)
        codes = np.empty(self.codes.shape, self.codes.dtype)
        codes[..., self.colors :] = self.codes[..., self.colors :]
        if self.is_float:
            codes[..., : self.colors] = in_range(coded[: self.colors], codes.dtype).transpose(1, 2, 0)
        else:
            planes = [np.empty(codes.shape[:2], codes.dtype) for _ in range(self.colors)]
            from_rgb(coded, self._coding, planes)
            for channel, plane in enumerate(planes):
                codes[..., channel] = plane
        return replace(self, codes=codes)

    @property
    def _coding(self) -> Coding:
        kind = "rgb" if self.colors == 3 else "gray"
        return Coding(kind=kind, depth=self.bits, matrix=BT709, is_full_range=True)  # type: ignore[arg-type]


def blank_picture(width: int, height: int, bits: int, *, is_float: bool = False) -> StoredPicture:
    """Return an RGB picture of a size, to be filled by ``with_picture``."""
    floats = np.float16 if bits == 16 else np.float32
    dtype = floats if is_float else np.uint8 if bits <= 8 else np.uint16
    return StoredPicture(codes=np.zeros((height, width, 3), dtype), bits=bits)


def in_range(values: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return floats as another type of floats; the largest number stands for larger ones."""
    if dtype == np.float16:
        top = np.float32(np.finfo(np.float16).max)
        is_huge = np.isfinite(values) & (np.abs(values) > top)
        if is_huge.any():
            values = np.where(is_huge, np.copysign(top, values), values)
    return values.astype(dtype)
