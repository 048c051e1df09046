"""A sequence of pictures, or a single one, that is worked on as a clip."""

import hashlib
import logging
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from any2bokeh.arrays import Floats
from any2bokeh.closeable import Closeable
from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import InputSettings, TimeRange
from any2bokeh.video.clip import Clip, input_curve
from any2bokeh.video.color import BT709, FULL, RGB, ColorTags
from any2bokeh.video.decode import FRAMES_AHEAD
from any2bokeh.video.frame_names import FrameFiles, find_frames
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.pictures.picture_files import read_picture_file
from any2bokeh.video.pictures.stored_picture import StoredPicture
from any2bokeh.video.prefetch import Prefetch, prefetch
from any2bokeh.video.span import ALL_FRAMES, WHOLE_VIDEO, Span, find_span, number_on_screen

news = logging.getLogger("any2bokeh.news")  # no warning, but shown

USUAL_RATE = Fraction(24)
SHELLS_KEPT = 64  # more than frames are on their way to a file
SRGB_TRANSFER = 13  # in H.273


@dataclass(frozen=True, kw_only=True)
class SequenceInfo(VideoInfo):
    """The facts of a sequence; its time stamps are the numbers of its frames."""

    files: FrameFiles
    has_floats: bool
    says_transfer: bool


class Shells:
    """Pictures without their colors, by number, of the frames that were read last; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shells: dict[int, StoredPicture] = {}

    def keep(self, number: int, picture: StoredPicture) -> None:
        """Keep the shell of a frame's picture, if it is small, and forget the oldest."""
        shell = picture.shell()
        with self._lock:
            if shell is not None:
                self._shells[number] = shell
            if len(self._shells) > SHELLS_KEPT:
                del self._shells[next(iter(self._shells))]

    def take(self, number: int) -> StoredPicture | None:
        """Return the shell of a frame, once."""
        with self._lock:
            return self._shells.pop(number, None)


class SequenceClip(Clip):
    """A numbered sequence of pictures, or a single picture; see ``Clip``."""

    def __init__(
        self, path: Path, settings: InputSettings | None = None, time_range: TimeRange = WHOLE_VIDEO
    ) -> None:
        """Raises ``VideoError`` if there is no picture, one is missing, or none is in the range."""
        settings = settings or InputSettings()
        files = find_frames(path, settings)
        self.info: SequenceInfo = _info(path, files, read_picture_file(files.first), settings)
        if self.info.says_transfer and not (self.info.curve == "linear" and self.info.has_floats):
            news.info("%s says that it is in %s; `color` says otherwise.", path, self.info.curve)
        self._shells = Shells()
        self.time_range = time_range
        self.span = ALL_FRAMES if time_range == WHOLE_VIDEO else self.find(time_range)

    @property
    def all_times(self) -> list[int]:
        """The numbers of all frames, ascending."""
        return self.info.files.numbers

    @property
    def times(self) -> list[int]:
        """The numbers of the frames in the part, ascending."""
        return [number for number in self.all_times if number in self.span]

    @property
    def cached_as(self) -> Path:
        """The first picture, which stands for the clip in the cache."""
        return self.info.files.first

    @property
    def cached_facts(self) -> dict[str, str]:
        """A digest of the names, sizes and times of all pictures."""
        digest = hashlib.sha256()
        for number, path in self.info.files.paths.items():
            stat = path.stat()
            digest.update(f"{number} {path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        facts = super().cached_facts if self.info.curve != "srgb" else {}
        return facts | {"pictures": digest.hexdigest(), "rate": str(self.info.frame_rate)}

    def find(self, time_range: TimeRange) -> Span:
        """Return another part of the clip; raises ``VideoError`` if there is no frame in it."""
        return find_span(self.info.path, self.all_times, self.info.time_base, time_range, self._end)

    def number_on_screen(self, seconds: Fraction) -> int | None:
        """Return the number of the frame on the screen at a time of the clip; ``None`` after its end."""
        return number_on_screen(self.all_times, seconds, self.info.time_base, self._end)

    @property
    def _end(self) -> int:
        """When the last frame ends: each is on the screen up to the next number at least."""
        return self.all_times[-1] + 1

    def frames(self, span: Span | None = None) -> "SequenceReader":
        """Start to read the frames of the part, or of another one."""
        return SequenceReader(self.info, self.span if span is None else span, self._shells)

    def stored(self, number: int) -> StoredPicture:
        """Return the picture of a frame, for all but its colors; raises ``VideoError`` if it is damaged."""
        return self._shells.take(number) or read_picture_file(self.info.files.paths[number])

    def close(self) -> None:
        """Nothing stays open between frames."""


class SequenceReader(Closeable):
    """The frames of a sequence, read ahead in a thread; a context manager."""

    corrupt_packets = 0  # a picture that cannot be read is an error

    def __init__(self, info: SequenceInfo, span: Span, shells: Shells) -> None:
        """Read the frames in ``span``; ``shells`` keeps what else their files hold."""
        self._frames: Prefetch[Frame] = prefetch(_frames(info, span, shells), FRAMES_AHEAD)

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Stop reading."""
        self._frames.close()


def _frames(info: SequenceInfo, span: Span, shells: Shells) -> Generator[Frame]:
    for number, path in info.files.paths.items():
        if number in span:
            picture = read_picture_file(path)
            _check_size(info, path, picture)
            shells.keep(number, picture)
            yield Frame(picture=torch.from_numpy(_finite(path, picture)), pts=number)


def _finite(path: Path, stored: StoredPicture) -> Floats:
    """The picture; raises ``VideoError`` at a pixel that is no number, which a blur would spread."""
    picture = stored.picture()
    if stored.is_float and not (is_finite := np.isfinite(picture)).all():
        _, y, x = np.argwhere(~is_finite)[0]
        raise VideoError(
            f"{path} has a pixel that is no finite number, at {x},{y}: {picture[:, y, x].tolist()}."
        )
    return picture


def _check_size(info: SequenceInfo, path: Path, picture: StoredPicture) -> None:
    if picture.size != (info.width, info.height):
        size, own = "x".join(map(str, picture.size)), f"{info.width}x{info.height}"
        raise VideoError(
            f"{path} is {size} where {info.files.first.name} is {own}: pictures of a clip have one size.",
            hint="To refocus each picture for itself, give the files one by one.",
        )


def _info(path: Path, files: FrameFiles, first: StoredPicture, settings: InputSettings) -> SequenceInfo:
    rate = settings.frame_rate or first.frame_rate or USUAL_RATE
    width, height = first.size
    bits = 16 if first.is_float else first.bits
    numbers = files.numbers
    curve = input_curve(files.first, settings)
    return SequenceInfo(
        path=path,
        width=width,
        height=height,
        pixel_aspect=first.pixel_aspect,
        rotation=0,
        display_matrix=None,
        time_base=1 / rate,
        frame_rate=rate,
        frame_count=len(numbers),
        duration_s=float(len(numbers) / rate),
        start_pts=numbers[0],
        color=ColorTags(RGB, FULL, BT709, SRGB_TRANSFER),
        curve=curve or first.transfer or "srgb",
        pixel_format="gbrp" if bits <= 8 else f"gbrp{bits}le",
        bit_depth=bits,
        codec=files.first.suffix.lower()[1:],
        container="image2",
        hdr10=None,
        not_kept=("transparency",) if first.has_alpha else (),
        copies_streams=False,
        files=files,
        says_transfer=first.transfer is not None and curve is None,
        has_floats=first.is_float,
    )
