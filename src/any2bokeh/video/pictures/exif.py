"""EXIF, as far as a refocused picture needs it: its orientation, and the thumbnail that it must lose."""

import struct

from any2bokeh.video.metadata import Orientation

ORIENTATION_TAG = 0x0112
_PREFIX = b"Exif\0\0"
# TIFF's numbers 1 to 8 for how a stored picture is laid to be displayed.
_ORIENTATIONS = {
    1: Orientation(),
    2: Orientation(mirrored_across=True),
    3: Orientation(mirrored_across=True, mirrored_down=True),
    4: Orientation(mirrored_down=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, mirrored_across=True),
    7: Orientation(transposed=True, mirrored_across=True, mirrored_down=True),
    8: Orientation(transposed=True, mirrored_down=True),
}


def orientation_by_number(number: object) -> Orientation:
    """Return the orientation that TIFF and EXIF call ``number``; other numbers are no turn."""
    return _ORIENTATIONS.get(number, Orientation()) if isinstance(number, int) else Orientation()


def exif_orientation(exif: bytes) -> Orientation:
    """Return the orientation that a block of EXIF states; none where it is missing or damaged."""
    try:
        start, order, first = _first_directory(exif)
        (count,) = struct.unpack_from(order + "H", exif, start + first)
        for entry in range(count):
            place = start + first + 2 + 12 * entry
            tag, kind = struct.unpack_from(order + "HH", exif, place)
            if tag == ORIENTATION_TAG and kind == 3:
                return orientation_by_number(struct.unpack_from(order + "H", exif, place + 8)[0])
    except (struct.error, ValueError):
        pass
    return Orientation()


def without_thumbnail(exif: bytes) -> bytes:
    """Return the block without its link to a thumbnail, which would show the picture before."""
    try:
        start, order, first = _first_directory(exif)
        (count,) = struct.unpack_from(order + "H", exif, start + first)
        link = start + first + 2 + 12 * count
        return exif[:link] + bytes(4) + exif[link + 4 :] if link + 4 <= len(exif) else exif
    except (struct.error, ValueError):
        return exif


def _first_directory(exif: bytes) -> tuple[int, str, int]:
    """Where the block's own count of bytes begins, its byte order, and where its first directory is."""
    start = len(_PREFIX) if exif.startswith(_PREFIX) else 0
    order = {b"II": "<", b"MM": ">"}.get(exif[start : start + 2])
    if order is None:
        raise ValueError
    return start, order, struct.unpack_from(order + "I", exif, start + 4)[0]
