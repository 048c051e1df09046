"""TIFF with 8 or 16 bits, half or float, with its color profile and the tags that describe it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from any2bokeh.errors import VideoError
from any2bokeh.video.limits import check_pixels
from any2bokeh.video.pictures.exif import ORIENTATION_TAG, orientation_by_number
from any2bokeh.video.pictures.stored_picture import StoredPicture

PROFILE_TAG, XMP_TAG, UNCOMPRESSED = 34675, 700, 1
# Tags that are texts, and written again as they are.
TEXT_TAGS = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, time, artist, rights
ALPHA_KINDS = {"unassalpha": "UNASSALPHA", "assocalpha": "ASSOCALPHA"}
_FFMPEG_READS = {"rgb24", "rgba", "gray", "gray16le", "rgb48le", "rgba64le"}


@dataclass(frozen=True)
class TiffFacts:
    """How a TIFF was stored, and its tags."""

    is_compressed: bool
    profile: bytes | None
    resolution: tuple[Any, Any, Any] | None
    tags: list[tuple[int, str, int, Any, bool]]
    alpha: str


PLAIN = TiffFacts(True, None, None, [], "UNASSALPHA")


def read_tiff_file(path: Path) -> StoredPicture:
    """Return the first picture of a TIFF; raises ``VideoError`` if it cannot be read."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            assert isinstance(page, tifffile.TiffPage)
            codes, facts = _codes(path, page), _facts(page)
            orientation = orientation_by_number(_tag(page, ORIENTATION_TAG))
    except (VideoError, MemoryError):
        raise
    except Exception as error:  # where a tag has another type than tifffile expects, it fails in any way
        raise VideoError(f"{path} cannot be read as a TIFF: it is of another kind, or damaged.") from error
    is_float = codes.dtype.kind == "f"
    return StoredPicture(
        codes=codes,
        bits=8 * codes.itemsize,
        orientation=orientation,
        transfer="linear" if is_float else None,
        kept=facts,
    )


def write_tiff_file(path: Path, picture: StoredPicture) -> None:
    """Write a picture; one whose source was compressed is compressed without loss (deflate)."""
    import tifffile

    facts = (
        picture.kept if isinstance(picture.kept, TiffFacts) else TiffFacts(True, None, None, [], "UNASSALPHA")
    )
    codes = picture.codes
    resolution = {}
    if facts.resolution:
        across, down, unit = facts.resolution
        resolution = {"resolution": (across, down), "resolutionunit": unit}
    tifffile.imwrite(
        path,
        codes[..., 0] if codes.shape[2] == 1 else codes,
        photometric="rgb" if codes.shape[2] >= 3 else "minisblack",
        planarconfig="contig" if codes.shape[2] > 1 else None,
        compression="zlib" if facts.is_compressed else None,
        extrasamples=[facts.alpha] if picture.has_alpha else None,
        iccprofile=facts.profile,
        metadata=None,
        software=False,
        extratags=facts.tags,
        **resolution,
    )


def _codes(path: Path, page: Any) -> NDArray[Any]:
    """The pixels ``H W C``, with gray as black to white."""
    import tifffile

    photometric = tifffile.PHOTOMETRIC
    if page.photometric not in (photometric.RGB, photometric.MINISBLACK, photometric.PALETTE):
        raise VideoError(f"{path} is a TIFF in {page.photometric.name}: it must be in RGB or gray.")
    if page.dtype not in (np.uint8, np.uint16, np.float16, np.float32):
        raise VideoError(f"{path} is a TIFF of {page.dtype}: it must have 8 or 16 bits, or floats.")
    check_pixels(path, page.imagewidth, page.imagelength)
    try:
        codes: NDArray[Any] = page.asarray()
    except (KeyError, ValueError) as error:  # a compression that tifffile does not know alone
        codes = _decoded_by_ffmpeg(path, page, error)
    if codes.ndim == 2:
        codes = codes[..., None]
    elif page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and codes.ndim == 3 and page.axes == "SYX":
        codes = codes.transpose(1, 2, 0)
    if codes.ndim != 3 or not 1 <= codes.shape[2] <= 4:
        raise VideoError(f"{path} is a TIFF of {codes.shape}: it must hold one picture in gray, RGB or RGBA.")
    return np.ascontiguousarray(codes.astype(codes.dtype.newbyteorder("=")))


def _decoded_by_ffmpeg(path: Path, page: Any, cause: Exception) -> NDArray[Any]:
    try:
        with av.open(f"file:{path}", format="tiff_pipe") as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, OSError, StopIteration):
        frame = None
    name = {"rgb48be": "rgb48le", "gray16be": "gray16le", "rgba64be": "rgba64le", "pal8": "rgba"}
    wanted = name.get(frame.format.name, frame.format.name) if frame else ""
    if wanted not in _FFMPEG_READS or frame is None:
        raise VideoError(
            f"{path} is compressed as {page.compression.name}, which cannot be read here.",
            hint="Deflate (zip), LZW and no compression can be read; floats, LZW excepted.",
        ) from cause
    codes: NDArray[Any] = (
        frame if frame.format.name == wanted else frame.reformat(format=wanted)
    ).to_ndarray()
    return codes


def _facts(page: Any) -> TiffFacts:
    texts = [
        (tag, "s", 0, value, True) for tag in TEXT_TAGS if isinstance(value := _tag(page, tag), str) and value
    ]
    tags: list[tuple[int, str, int, Any, bool]] = [*texts]
    if (turn := _tag(page, ORIENTATION_TAG)) is not None:
        tags.append((ORIENTATION_TAG, "H", 1, int(turn), True))
    if isinstance(xmp := _tag(page, XMP_TAG), bytes):
        tags.append((XMP_TAG, "B", len(xmp), xmp, True))
    resolution = tuple(_tag(page, tag) for tag in (282, 283, 296))
    extra = page.extrasamples[0].name.lower() if page.extrasamples else ""
    return TiffFacts(
        is_compressed=page.compression != UNCOMPRESSED,
        profile=_tag(page, PROFILE_TAG),
        resolution=None if None in resolution else resolution,  # type: ignore[arg-type]
        tags=tags,
        alpha=ALPHA_KINDS.get(extra, "UNSPECIFIED" if extra else "UNASSALPHA"),
    )


def _tag(page: Any, number: int) -> Any:
    tag = page.tags.get(number)
    return None if tag is None else tag.value
