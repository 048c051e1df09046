"""Small pictures and sequences of them, made on the spot by the libraries that others use."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from any2bokeh.video.pictures.picture_files import picture_kind
from any2bokeh.video.pictures.stored_picture import StoredPicture

WIDTH, HEIGHT = 64, 48


def stripes(number: int = 0, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.float64]:
    """Stripes over a ramp, ``H W 3`` in 0..1, that move with the number."""
    rows, columns = np.mgrid[:height, :width]
    bars = 80 + 60 * ((columns + number) // 4 % 2)
    return np.stack([bars + rows, bars, bars + 20], axis=-1) / 255


def write_still(path: Path, values: NDArray[Any], bits: int) -> Path:
    """Write values in 0..1 as whole numbers of so many bits, or floats as they are where ``bits`` is 0."""
    if bits == 0:
        stored = StoredPicture(codes=values, bits=8 * values.itemsize)
    else:
        codes = (values * (2**bits - 1)).round().astype(np.uint8 if bits == 8 else np.uint16)
        stored = StoredPicture(codes=codes, bits=bits)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture_kind(path).write(path, stored)
    return path


def write_sequence(pattern: Path, numbers: list[int], bits: int = 16) -> Path:
    """Write moving stripes as ``pattern`` (``%04d``) with these numbers."""
    for number in numbers:
        write_still(Path(str(pattern) % number), stripes(number), bits)
    return pattern


def write_ramps(pattern: Path, numbers: list[int], width: int = WIDTH, height: int = HEIGHT) -> Path:
    """Write disparity that rises from 0 at the left to 1 at the right, in 16 bits."""
    ramp = np.broadcast_to(np.linspace(0, 1, width), (height, width))
    for number in numbers:
        write_still(Path(str(pattern) % number), ramp[..., None], 16)
    return pattern
