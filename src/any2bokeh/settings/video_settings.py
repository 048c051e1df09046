"""Which part of a video is worked on, and how the result is written."""

from dataclasses import dataclass

from any2bokeh.errors import SettingsError
from any2bokeh.settings.values import Range, TimePoint

CRF = Range("crf", "an encoder quality", 0, 63)
MAX_PIXELS = Range("max_pixels", "a number of pixels", 1, 2**31 - 1)  # FFmpeg counts no further


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
class EncodeSettings:
    """How the result is written. ``None`` leaves the choice to the source: see ``video/encode.py``."""

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pixel_format: str | None = None
    lossless: bool = False
    audio: bool = True

    def __post_init__(self) -> None:
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
