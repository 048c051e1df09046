"""Which part of a video is worked on, and how the result is written."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from any2bokeh.errors import SettingsError
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.values import Range, TimePoint, check_choice, parse_frames

MissingFrames = Literal["error", "hold", "skip"]
ExrCompression = Literal["none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab"]
CodeRange = Literal["limited", "full"]
StreamFormat = Literal["y4m", "nut", "matroska"]
Aov = Literal["depth", "coc", "disparity", "subject"]
Export = Literal["coc", "focus-matte"]

CRF = Range("crf", "an encoder quality", 0, 63)
MAX_PIXELS = Range("max_pixels", "a number of pixels", 1, 2**31 - 1)  # FFmpeg counts no further
START_NUMBER = Range("start_number", "a frame number", 0, 10_000_000)
LOWEST_RATE, HIGHEST_RATE = Fraction(1, 100), Fraction(1000)


@dataclass(frozen=True, kw_only=True)
class TimeRange:
    """The part of the video to work on; ``None`` is the beginning or the end, ``end`` is exclusive."""

    start: TimePoint | None = None
    end: TimePoint | None = None

    def __post_init__(self) -> None:
        if self.start is None or self.end is None:
            return
        pairs = (self.start.seconds, self.end.seconds), (self.start.frame, self.end.frame)
        ends_early = any(start is not None and end is not None and end <= start for start, end in pairs)
        if ends_early:
            raise SettingsError(f"`end`, {self.end}, must be after `start`, {self.start}.")


@dataclass(frozen=True, kw_only=True)
class ReadingLimits:
    """The largest picture that is read; ``None`` leaves it to ``ANY2BOKEH_MAX_PIXELS``, else 512 million."""

    max_pixels: int | None = None

    def __post_init__(self) -> None:
        if self.max_pixels is not None:
            MAX_PIXELS.check(self.max_pixels)


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """How a numbered sequence of pictures is read.

    ``frames`` are the numbers of the frames to work on, such as ``1001-1100`` or ``1001-1100x10``; ``None``
    are all. ``missing`` says what becomes of a missing one: an error, the frame before once more, or nothing.
    ``frame_rate`` is in frames per second; ``None`` is the one that the pictures say, else 24. ``color`` is
    how the code values of pictures or a video encode light; ``None`` is what the file says, else sRGB.
    ``code_range`` is the range of a video's codes, whatever the file says: ``limited`` (legal, black at 64
    of 1023) or ``full`` (data, black at 0).
    ``ocio`` is an OpenColorIO configuration (a file, or ``ocio://`` and the name of a built-in one), and
    ``input_space`` the color space of the input in it, instead of ``color``; ``None`` is the one in its file
    rules. ``input_format`` is that of a stream.
    """

    frames: str | None = None
    missing: MissingFrames = "error"
    frame_rate: Fraction | None = None
    color: TransferFunction | None = None
    code_range: CodeRange | None = None
    ocio: str | None = None
    input_space: str | None = None
    input_format: StreamFormat | None = None

    def __post_init__(self) -> None:
        check_choice("`missing`", self.missing, MissingFrames)
        if self.input_format is not None:
            check_choice("`input_format`", self.input_format, StreamFormat)
        if self.color is not None:
            check_choice("`color`", self.color, TransferFunction)
        if self.ocio is not None and self.color is not None:
            raise SettingsError("`ocio` and `color` conflict. Give one.")
        if self.input_space is not None and self.ocio is None:
            raise SettingsError("`input_space` needs `ocio`, which knows the spaces.")
        if self.code_range is not None:
            check_choice("`code_range`", self.code_range, CodeRange)
        if self.frames is not None:
            parse_frames(self.frames)
        if self.frame_rate is not None and not LOWEST_RATE <= self.frame_rate <= HIGHEST_RATE:
            raise SettingsError(f"`frame_rate` must be from 0.01 to 1000 frames/s, got {self.frame_rate}.")

    @property
    def numbers(self) -> list[int]:
        """The numbers in ``frames``, ascending."""
        return parse_frames(self.frames or "")


@dataclass(frozen=True, kw_only=True)
class EncodeSettings:
    """How the result is written. ``None`` leaves the choice to the source: see ``video/encode.py``.

    ``start_number`` is that of the first picture where a video becomes a sequence. ``aovs`` are layers of an
    EXR beside the picture: ``depth`` (``depth.Z``, in the unit of the depth that was given), ``coc`` (the
    signed radius of the circle of confusion in pixels, positive behind the focal plane), ``disparity`` and
    ``subject`` (``subject.A``, the share of each pixel that held subjects cover). ``exports`` are files of
    their own beside the result, in gray: ``coc`` as above, and ``focus-matte``, which is white in focus.
    ``color_out`` is how the result encodes light; ``None`` is as the source, where the target can hold that.
    ``output_space`` is the color space of the result, of the configuration that the input has; ``None`` is
    the input's. ``output_format`` is that of a video on stdout.
    """

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pixel_format: str | None = None
    lossless: bool = False
    audio: bool = True
    start_number: int = 1
    exr_compression: ExrCompression | None = None
    color_out: TransferFunction | None = None
    output_space: str | None = None
    output_format: StreamFormat = "y4m"
    aovs: tuple[Aov, ...] = ()
    exports: tuple[Export, ...] = ()

    def __post_init__(self) -> None:
        START_NUMBER.check(self.start_number)
        if self.exr_compression is not None:
            check_choice("`exr_compression`", self.exr_compression, ExrCompression)
        check_choice("`output_format`", self.output_format, StreamFormat)
        if self.color_out is not None:
            check_choice("`color_out`", self.color_out, TransferFunction)
        for aov in self.aovs:
            check_choice("`aovs`", aov, Aov)
        for export in self.exports:
            check_choice("`exports`", export, Export)
        if self.crf is not None:
            CRF.check(self.crf)
        chosen = [
            name for name in ("codec", "crf", "preset", "pixel_format") if getattr(self, name) is not None
        ]
        if self.lossless and chosen:
            names = " and ".join(f"`{name}`" for name in chosen)
            raise SettingsError(
                f"`lossless=True` and {names} conflict: lossless video is FFV1 as the source is."
            )
