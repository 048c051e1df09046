"""JPEG, written with the quality of its source, its EXIF, color profile and other texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from any2bokeh.errors import VideoError
from any2bokeh.video.limits import check_pixels
from any2bokeh.video.pictures.exif import exif_orientation, without_thumbnail
from any2bokeh.video.pictures.stored_picture import StoredPicture

QUALITY = 95  # of pictures that come from another kind of file


@dataclass(frozen=True)
class JpegFacts:
    """How a JPEG was compressed, and its metadata; ``None`` or empty where it has none."""

    tables: dict[int, Any] | None
    subsampling: int
    exif: bytes
    profile: bytes | None
    dpi: tuple[float, float] | None
    xmp: bytes | None
    comment: bytes | None


def read_jpeg_file(path: Path) -> StoredPicture:
    """Return a JPEG in gray or in RGB; raises ``VideoError`` if it cannot be read, or is of another kind."""
    from PIL import Image, JpegImagePlugin, UnidentifiedImageError

    try:
        with Image.open(path, formats=["JPEG"]) as image:
            if image.mode not in ("L", "RGB"):
                raise VideoError(f"{path} is a JPEG in {image.mode}: it must be in RGB or gray.")
            check_pixels(path, *image.size)
            codes = np.array(image)
            exif = image.info.get("exif", b"")
            facts = JpegFacts(
                tables=dict(image.quantization),  # type: ignore[attr-defined]
                subsampling=JpegImagePlugin.get_sampling(image),
                exif=without_thumbnail(exif),
                profile=image.info.get("icc_profile"),
                dpi=image.info.get("dpi"),
                xmp=image.info.get("xmp"),
                comment=image.info.get("comment"),
            )
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise VideoError(f"{path} cannot be read as a JPEG: it is of another kind, or damaged.") from error
    return StoredPicture(
        codes=codes[..., None] if codes.ndim == 2 else codes,
        bits=8,
        orientation=exif_orientation(exif),
        kept=facts,
    )


def write_jpeg_file(path: Path, picture: StoredPicture) -> None:
    """Write a picture of 8 bits without transparency."""
    from PIL import Image

    facts = picture.kept if isinstance(picture.kept, JpegFacts) else None
    told: dict[str, Any] = {"quality": QUALITY, "subsampling": 0}
    if facts:
        how = {"qtables": facts.tables, "subsampling": facts.subsampling} if facts.tables else {}
        named = {"icc_profile": facts.profile, "dpi": facts.dpi, "xmp": facts.xmp, "comment": facts.comment}
        told = how | {"exif": facts.exif} | {name: value for name, value in named.items() if value}
    codes = picture.codes[..., 0] if picture.codes.shape[2] == 1 else picture.codes
    Image.fromarray(np.ascontiguousarray(codes)).save(path, format="JPEG", **told)
