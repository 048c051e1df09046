"""The hidden border of Matroska's pictures, which FFmpeg reads and PyAV does not hand on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

# IDs of elements (RFC 9559, 5.1), with the bits that tell their length.
SEGMENT, CLUSTER, TRACKS, TRACK_ENTRY = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE
VIDEO = 0xE0
SIDES = {0x54AA: "bottom", 0x54BB: "top", 0x54CC: "left", 0x54DD: "right"}
HEADS_BYTES = 16 << 20  # the headers in front of the pictures are smaller


@dataclass(frozen=True)
class Crop:
    """The columns and rows of a stored picture that are not shown."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the part that is shown."""
        return width - self.left - self.right, height - self.top - self.bottom

    def shown(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a view of that part of pictures as they are stored (``... H W``)."""
        height, width = pictures.shape[-2:]
        return pictures[..., self.top : height - self.bottom, self.left : width - self.right]


NO_CROP = Crop()


def read_crop(path: Path, number: int) -> Crop:
    """Return the cropping that a Matroska file states for a video, by its number among its videos."""
    try:
        with path.open("rb") as file:
            for element, size in _elements(file, HEADS_BYTES):
                if element == TRACKS:
                    return _crop_of(file, size, number)
                if element == CLUSTER:
                    break
                if element != SEGMENT:  # which the others stand in
                    file.seek(size, 1)
    except (OSError, ValueError):
        pass
    return NO_CROP


def _crop_of(file: BinaryIO, size: int, number: int) -> Crop:
    """The cropping of one of the videos in the tracks that begin here."""
    videos: list[dict[str, int]] = []
    for element, content in _elements(file, size):
        if element == VIDEO:
            videos.append({})
        if element in (TRACK_ENTRY, VIDEO):
            continue  # their elements follow
        if element in SIDES and videos and content <= 8:
            videos[-1][SIDES[element]] = int.from_bytes(file.read(content))
        else:
            file.seek(content, 1)
    return Crop(**videos[number]) if number < len(videos) else NO_CROP


def _elements(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Yield ID and size of each element up to so many bytes from here; the caller passes over its content."""
    end = file.tell() + size
    while file.tell() < end:
        yield _number(file, keep_length=True), _number(file, keep_length=False)


def _number(file: BinaryIO, *, keep_length: bool) -> int:
    """An integer whose first bits tell its length; raises ``ValueError`` behind the end."""
    first = file.read(1)
    if not first or not first[0]:
        raise ValueError("no element")
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    if len(rest) < length - 1:
        raise ValueError("cut off")
    value = first[0] if keep_length else first[0] ^ (1 << (8 - length))
    return int.from_bytes(bytes([value]) + rest)
