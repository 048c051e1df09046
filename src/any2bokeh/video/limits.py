"""Limits of the input: files only, and pictures no larger than memory should be taken for."""

import codecs
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from any2bokeh.errors import RefocusError, VideoError
from any2bokeh.settings.video_settings import MAX_PIXELS, ReadingLimits

MAX_PIXELS_VARIABLE = "ANY2BOKEH_MAX_PIXELS"
USUAL_MAX_PIXELS = 1 << 29  # four times the 16K of video

_PATTERN = re.compile(
    r"%0?\d*d|#{2,}|\*|\?"
)  # numbered pictures, or a pattern that a shell found no file for
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe, which cannot be read twice"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_LOOKED_AT_BYTES = 4096
_BEGINNINGS = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF-", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
)
_TEXTS = (
    (r"version https://git-lfs\.", "a pointer of Git LFS"),
    (r"#EXTM3U", "a playlist"),
    (r"<(!doctype )?html", "an HTML page"),
    (r"<\?xml", "an XML file"),
    (r'[\[{]\s*["\[{\]}]', "a JSON file"),
)


def max_pixels() -> int:
    """Return the largest number of pixels of a picture: ``ANY2BOKEH_MAX_PIXELS``, or 512 million.

    Raises ``SettingsError`` where the variable holds something else.
    """
    text = os.environ.get(MAX_PIXELS_VARIABLE, "")
    if not text:
        return USUAL_MAX_PIXELS
    number = int(text) if re.fullmatch(r"\d{1,10}", text, re.ASCII) else None
    MAX_PIXELS.check(text if number is None else number, called=MAX_PIXELS_VARIABLE)  # type: ignore[arg-type]
    return number or USUAL_MAX_PIXELS


@contextmanager
def limited_to(limits: ReadingLimits) -> Iterator[None]:
    """Let other limits hold, in this process and in those that it starts, while the block lasts."""
    before = os.environ.get(MAX_PIXELS_VARIABLE)
    if limits.max_pixels is not None:
        os.environ[MAX_PIXELS_VARIABLE] = str(limits.max_pixels)
    try:
        yield
    finally:
        if before is not None:
            os.environ[MAX_PIXELS_VARIABLE] = before
        elif limits.max_pixels is not None:
            del os.environ[MAX_PIXELS_VARIABLE]


def check_pixels(path: Path, width: int, height: int, error_class: type[RefocusError] = VideoError) -> None:
    """Raise ``error_class`` if a file declares pictures of more pixels than are read."""
    if width * height > max_pixels():
        raise error_class(
            f"{path} declares pictures of {width}x{height}: more than {max_pixels()} pixels are not read.",
            hint=f"`max_pixels={width * height}` reads it all the same.",
        )


def check_readable(path: Path, what: str, error_class: type[RefocusError] = VideoError) -> None:
    """Raise ``error_class`` unless ``path`` is a file; ``what`` it should be, in messages ("a video")."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if _PATTERN.search(path.name):
            raise error_class(
                f"{path} does not exist: it is a pattern, not {what}.",
                hint="Give the files one by one.",
            ) from error
        raise error_class(f"{path} does not exist.") from error
    except (
        OSError,
        ValueError,
    ) as error:  # a name that is too long, a loop of links, a folder that is closed
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise error_class(f"{path} cannot be read: {reason}.") from error
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise error_class(f"{path} is {kind}, not {what}.")


def kind_of_other(path: Path) -> str | None:
    """What a file is by its first bytes, in words, if that is a text, a document or an archive."""
    try:
        with path.open("rb") as file:
            beginning = file.read(_LOOKED_AT_BYTES)
    except OSError:
        return None
    if kind := next((kind for bytes_, kind in _BEGINNINGS if beginning.startswith(bytes_)), None):
        return kind
    text = _text_of(beginning)
    if not text:
        return None
    for pattern, kind in _TEXTS:
        if re.match(rf"\s*{pattern}", text, re.IGNORECASE):
            return kind
    return "a text file"


def _text_of(beginning: bytes) -> str:
    """The text that a file begins with; an empty one if it is no text."""
    is_wide = beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder("utf-16" if is_wide else "utf-8-sig")()
    try:
        text = decoder.decode(beginning)  # a character may be cut off at the end
    except UnicodeDecodeError:
        return ""
    return "" if re.search(r"[^\s\x1b\x20-\x7e\x80-\U0010ffff]", text) else text
