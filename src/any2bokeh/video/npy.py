"""NumPy's files, read entry by entry, so that an array may be larger than the memory."""

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from any2bokeh.errors import DisparityError

# How a damaged file of NumPy fails: its head is Python, its members are deflated.
DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, SyntaxError, tokenize.TokenError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OverflowError, struct.error),
)


class ArrayFile:
    """The numbers of an ``.npy``, or of an ``.npz`` that holds one array; pickled objects are never loaded.

    Raises ``DisparityError`` if the file is not such an array.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as (_, shape, dtype):
            self.shape, self.dtype = shape, dtype

    def entries(self, first: int = 0) -> Iterator[NDArray[Any]]:
        """Yield the entries along the first axis from number ``first`` on.

        Raises ``DisparityError`` if the file ends too early or is damaged.
        """
        entry_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        with self._opened() as (file, shape, dtype):
            for _ in range(first):  # not at once: a zip would read up to 16 MB of it into memory
                file.seek(entry_bytes, 1)
            for number in range(first, shape[0]):
                data = file.read(entry_bytes)
                if len(data) < entry_bytes:
                    raise DisparityError(
                        f"{self._path} ends at frame {number} of {shape[0]}: it is truncated."
                    )
                yield np.frombuffer(data, dtype).reshape(shape[1:])

    @contextmanager
    def _opened(self) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype[Any]]]:
        """Give the file, at its first number, with the array's shape and type."""
        try:
            with self._stored() as file:
                yield file, *_read_header(file, self._path)
        except DAMAGE as error:
            raise DisparityError(f"{self._path} cannot be read as a NumPy array: {error}.") from error

    @contextmanager
    def _stored(self) -> Iterator[IO[bytes]]:
        if self._path.suffix.lower() == ".npy":
            with self._path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(self._path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise DisparityError(f"{self._path} must contain one array, got {len(names)}.")
            with archive.open(names[0]) as file:
                yield file


def _read_header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(file)
    if dtype.kind not in "fiu":
        raise DisparityError(f"{path} must contain real numbers, got {dtype}.")
    if fortran_order and len(shape) > 1:
        raise DisparityError(
            f"{path} is stored in Fortran order.", hint="Save numpy.ascontiguousarray(array) instead."
        )
    return shape, dtype
