"""Blur for those who draw it elsewhere: the circle of confusion, or a matte, as files beside a result.

In whole numbers of 16 bits a radius is the code 32768 + 64 px, so that it reaches from -512 to almost 512 px,
and a matte is white at 65535. Floats are pixels, or 0 to 1.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats
from any2bokeh.settings.video_settings import EncodeSettings, Export
from any2bokeh.video.clip import Clip
from any2bokeh.video.frame_names import PICTURE_SUFFIXES, export_target
from any2bokeh.video.gray import LARGEST_CODE, open_gray_writer
from any2bokeh.video.mux import start_of
from any2bokeh.video.pictures.exr_file import ExrFacts
from any2bokeh.video.pictures.picture_files import EXR, picture_kind
from any2bokeh.video.pictures.stored_picture import StoredPicture
from any2bokeh.video.pictures.tiff_file import PLAIN
from any2bokeh.video.sequence_writer import (
    ExistingFrames,
    going_on,
    plan_pictures,
    stored_like,
    write_stored,
)

log = logging.getLogger(__name__)

COC_ZERO, COC_CODES_PER_PX = 32768, 64
# Written into the head of each file.
CODED_NOTES: dict[Export, str] = {
    "coc": f"radius of the circle of confusion [px] = (code - {COC_ZERO}) / {COC_CODES_PER_PX},"
    " positive behind the focal plane",
    "focus-matte": f"in focus = code / {LARGEST_CODE}",
}
FLOAT_NOTES: dict[Export, str] = {
    "coc": "radius of the circle of confusion [px], positive behind the focal plane",
    "focus-matte": "1 in focus, 0 out of focus",
}
FLOAT_COMPRESSION = "zip"  # others may change numbers
DESCRIPTION_TAG = 270  # of TIFF

# Takes the values of a frame, ``H W``, and its time in the source.
WriteValues = Callable[[Floats, int], None]
Exports = Mapping[Export, WriteValues]


def export_codes(export: Export, values: Floats) -> NDArray[np.uint16]:
    """Return values as whole numbers; a radius that has none gets the nearest."""
    codes = values * COC_CODES_PER_PX + COC_ZERO if export == "coc" else values * LARGEST_CODE
    made: NDArray[np.uint16] = codes.round().clip(0, LARGEST_CODE).astype(np.uint16)
    return made


@contextmanager
def open_exports(
    result: Path, clip: Clip, settings: EncodeSettings, existing: ExistingFrames
) -> Iterator[Exports]:
    """Give what writes each of the exports of a result, a frame at a time.

    A video appears when the block ends well, a picture when it is complete. Raises ``VideoError`` before the
    block starts if one may not be written.
    """
    with ExitStack() as stack:
        writers: dict[Export, WriteValues] = {}
        for export in settings.exports:
            target = export_target(result, export)
            if target.suffix.lower() in PICTURE_SUFFIXES:
                kept = going_on(result, clip.times, existing)  # where pictures of the result are kept
                writers[export] = _pictures(target, clip, export, settings.start_number, kept)
            else:
                video = _video(target, clip, export, overwrite=existing.overwrite)
                writers[export] = stack.enter_context(video)
        yield writers


@contextmanager
def _video(target: Path, clip: Clip, export: Export, *, overwrite: bool) -> Iterator[WriteValues]:
    """FFV1 in gray, with the times of the result."""
    info, codes = clip.info, _Codes(target, export)
    start = start_of(info, clip.span) or 0
    with open_gray_writer(
        target,
        info.width,
        info.height,
        info.time_base,
        info.frame_rate,
        note=CODED_NOTES[export],
        overwrite=overwrite,
    ) as writer:
        yield lambda values, pts: writer.write_integers(codes.of(values)[None], pts - start)


def _pictures(
    target: Path, clip: Clip, export: Export, start_number: int, existing: ExistingFrames
) -> WriteValues:
    paths, kept = plan_pictures(target, clip.info, clip.times, start_number, existing)
    kind, like, codes = picture_kind(target), stored_like(target, clip), _Codes(target, export)

    def write(values: Floats, pts: int) -> None:
        if pts in kept:
            return
        if kind == EXR:
            picture = _exr(values, like(pts), FLOAT_NOTES[export])
        elif kind.holds_floats:
            note = DESCRIPTION_TAG, "s", 0, FLOAT_NOTES[export], True
            picture = _floats(values, replace(PLAIN, tags=[note]))
        else:
            chunk = b"tEXt", b"Comment\0" + CODED_NOTES[export].encode("latin-1")
            picture = StoredPicture(codes=codes.of(values)[..., None], bits=16, kept=[chunk])
        write_stored(paths[pts], kind, picture, overwrite=existing.overwrite)

    return write


def _exr(values: Floats, like: StoredPicture, note: str) -> StoredPicture:
    """With the windows of the result, so that pixels lie on pixels."""
    height, width = values.shape
    whole = 0, 0, width, height
    facts = like.kept if isinstance(like.kept, ExrFacts) else ExrFacts({}, whole, whole, FLOAT_COMPRESSION)
    facts = replace(facts, attributes={**facts.attributes, "comments": note}, compression=FLOAT_COMPRESSION)
    return replace(_floats(values, facts), pixel_aspect=like.pixel_aspect)


def _floats(values: Floats, kept: Any) -> StoredPicture:
    return StoredPicture(codes=np.ascontiguousarray(values, np.float32)[..., None], bits=32, kept=kept)


class _Codes:
    """Makes codes of values, and warns once of those that have none."""

    def __init__(self, target: Path, export: Export) -> None:
        self._target, self._export, self._has_warned = target, export, False

    def of(self, values: Floats) -> NDArray[np.uint16]:
        is_beyond = self._export == "coc" and abs(values).max() > COC_ZERO / COC_CODES_PER_PX
        if is_beyond and not self._has_warned:
            log.warning("%s holds no radius above %d px.", self._target, COC_ZERO // COC_CODES_PER_PX)
            self._has_warned = True
        return export_codes(self._export, values)
