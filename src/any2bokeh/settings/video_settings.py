"""Which part of a video is worked on, and how the result is written."""

from dataclasses import dataclass

from any2bokeh.errors import SettingsError
from any2bokeh.settings.values import Range, TimePoint

CRF = Range("crf", "an encoder quality", 0, 63)


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
            raise SettingsError(f"The end, {self.end}, must be after the start, {self.start}.")


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
        if self.lossless and (self.codec or self.crf is not None or self.preset or self.pixel_format):
            raise SettingsError("Lossless chooses codec, crf, preset and pixel format itself.")
