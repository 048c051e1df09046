"""The curve of footage as cameras and recorders state it in a file, or in the file beside it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from any2bokeh.settings.color_settings import TransferFunction

# Keys of QuickTime metadata, in lower case: of Final Cut's libraries, which cameras and recorders of many
# makers write too, and of ARRI.
CUSTOM_GAMMA, ARRI_GAMMA = "com.apple.proapps.customgamma", "com.arri.camera.colorgammasxs"
BLACKMAGIC_SCIENCE = "com.blackmagic-design.camera.colorscience"
# Sony's XML, in a box of the file or beside it as <stem>M01.XML: <Item name="..." value="s-log3-cine"/>.
SONY_GAMMA = re.compile(rb'name="CaptureGammaEquation"\s+value="([^"]{1,64})"')
XML_BYTES = 1 << 20  # they have a few kB

# The words of the makers, as they stand in values: com.apple.rec2020.apple-log, LOG-C, s-log3-cine.
CURVE_WORDS: tuple[tuple[str, TransferFunction], ...] = (
    (r"apple[-_. ]?log$", "applelog"),
    (r"log[-_. ]?c[-_. ]?4", "logc4"),
    (r"log[-_. ]?c([-_. ]?3)?$", "logc3"),
    (r"s[-_. ]?log[-_. ]?3", "slog3"),
    (r"v[-_. ]?log", "vlog"),
    (r"(\bc|canon)[-_. ]?log[-_. ]?3", "clog3"),
    (r"log3g10", "redlog3g10"),
    (r"acescct", "acescct"),
)


@dataclass(frozen=True)
class StatedCurve:
    """A curve, and the words of the file that state it."""

    curve: TransferFunction
    words: str


def stated_curve(path: Path, metadata: Mapping[str, str]) -> StatedCurve | None:
    """Return the logarithmic curve that a video states, if it is one that is known here.

    ``metadata`` are the container's, as FFmpeg reads them.
    """
    known = {key.lower(): value for key, value in metadata.items()}
    for key in (CUSTOM_GAMMA, ARRI_GAMMA):
        value = known.get(key, "").strip()
        is_film = "filmlog" in value.lower() and "gen 5" in known.get(BLACKMAGIC_SCIENCE, "").lower()
        curve = "bmdfilm5" if is_film else curve_in(value)
        if curve:
            return StatedCurve(curve, f"{key}: {value}")
    for xml in _sony_documents(path):
        if found := SONY_GAMMA.search(xml):
            value = found[1].decode("ascii", "replace")
            curve = curve_in(value)
            return StatedCurve(curve, f"CaptureGammaEquation: {value}") if curve else None
    return None


def curve_in(words: str) -> TransferFunction | None:
    """Return the curve that a maker's words mean, or ``None``."""
    return next((curve for pattern, curve in CURVE_WORDS if re.search(pattern, words.lower())), None)


def _sony_documents(path: Path) -> Iterator[bytes]:
    """The XML in the file's own box, then that of the file beside it, where they are."""
    try:
        yield from _meta_boxes(path)
        beside = path.with_name(f"{path.stem}M01.XML")
        if beside.is_file():
            with beside.open("rb") as file:
                yield file.read(XML_BYTES)
    except OSError:
        return


def _meta_boxes(path: Path) -> Iterator[bytes]:
    """The contents of the boxes ``meta`` at the top of an MP4 or MOV; nothing of other files."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        end = path.stat().st_size
        place = 0
        while place + 16 <= end:
            file.seek(place)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4]), head[4:8]
            if not kind.isascii() or not kind.isalnum() or (place == 0 and kind != b"ftyp"):
                return
            size = int.from_bytes(head[8:]) if size == 1 else end - place if size == 0 else size
            if size < 8:
                return
            if kind == b"meta":
                file.seek(place)
                yield file.read(min(size, XML_BYTES))
            place += size
