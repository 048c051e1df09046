"""Which picture of a gray file belongs to which frame of a video: by number, by time, or by count."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from any2bokeh.arrays import Doubles, Integers
from any2bokeh.errors import DisparityError
from any2bokeh.settings.values import frame_ranges
from any2bokeh.video.gray import GrayReader, open_gray
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.sequence_clip import SequenceInfo

ASPECT_TOLERANCE = 0.02


class FilmedFrames(Protocol):
    """The frames of a video that are worked on: a ``Clip``, or a stand-in."""

    @property
    def info(self) -> VideoInfo:
        """The facts of the video file."""
        ...

    @property
    def times(self) -> list[int]:
        """The time stamps of the frames that are worked on, ascending."""
        ...

    @property
    def all_times(self) -> list[int]:
        """The time stamps of all frames of the video, ascending."""
        ...


@dataclass(frozen=True)
class FrameTimes:
    """Time stamps, ascending, in units of ``time_base`` seconds."""

    pts: list[int]
    time_base: Fraction

    def seconds(self) -> Doubles:
        """Return the times in seconds."""
        return np.array(self.pts, dtype=np.float64) * float(self.time_base)


def match_frames(track: FrameTimes | int, video: FrameTimes) -> Integers | None:
    """Return for each frame of the video the number of its frame in the track.

    ``track`` is the track's times, or the count of its frames if it has none. Frames belong together by
    time if every frame of both finds its partner, else by number if there are as many; else ``None``.
    """
    count = track if isinstance(track, int) else len(track.pts)
    partners = nearest_in_time(track, video) if isinstance(track, FrameTimes) else np.full(1, -1)
    if partners.min() >= 0 and len(np.unique(partners)) == count:
        return partners
    return np.arange(count) if count == len(video.pts) else None


def nearest_in_time(track: FrameTimes, video: FrameTimes) -> Integers:
    """Return for each frame of the video the track's frame nearest in time, -1 if half a frame away."""
    own, wanted = track.seconds(), video.seconds()
    nearest = np.searchsorted((own[1:] + own[:-1]) / 2, wanted)
    # Half a frame is half the way to the nearer neighbor, but never below the track's resolution, to
    # which its times are rounded.
    intervals = np.diff(wanted, prepend=-np.inf, append=np.inf)
    half = np.minimum(intervals[1:], intervals[:-1]) / 2
    is_near = abs(own[nearest] - wanted) <= np.maximum(half, float(track.time_base))
    return np.where(is_near, nearest, -1)


def open_matched(path: Path, what: str, video: FilmedFrames) -> tuple[GrayReader, list[int]]:
    """The file's reader, and the number of its picture for each of the video's times."""
    reader = open_gray(path, what)
    _check_aspect(reader, what, video.info)
    return reader, _match(reader, what, video)


def _check_aspect(reader: GrayReader, what: str, info: VideoInfo) -> None:
    """Raise ``DisparityError`` unless the track has the shape of the picture, as stored or as displayed."""

    def fits(width: float, height: float) -> bool:
        return abs(reader.width / reader.height * height / width - 1) <= ASPECT_TOLERANCE

    width, height, displayed_width = info.width, info.height, float(info.width * info.pixel_aspect)
    if fits(width, height) or fits(displayed_width, height):
        return
    turned = fits(height, width) or fits(height, displayed_width)
    raise DisparityError(
        f"The {what} {reader.path} is {reader.width}x{reader.height},"
        f" which does not match the aspect ratio of {info.path}, {width}x{height}.",
        hint=f"The video is displayed rotated: rotate the {what} likewise." if turned else "",
    )


def _match(reader: GrayReader, what: str, video: FilmedFrames) -> list[int]:
    """The number of the track's frame for each of the times."""
    if reader.numbers and isinstance(video.info, SequenceInfo):
        by_number = _match_numbers(reader, what, video)
        if by_number is not None:
            return by_number
    track: FrameTimes | int = reader.frame_count
    if reader.times and reader.time_base:
        track = FrameTimes(reader.times, reader.time_base)
    info, times = video.info, video.times
    whole = FrameTimes(video.all_times, info.time_base)
    wanted = np.searchsorted(whole.pts, times)
    part = FrameTimes(times, info.time_base)
    if isinstance(track, FrameTimes) and _shows_another_part(track, part, whole):
        raise DisparityError(
            f"The {what} {reader.path} shows {_stretch(track)} of {info.path},"
            f" where {_stretch(part)} is asked for."
        )
    matched = match_frames(track, part)
    if matched is None:
        matched = match_frames(track, whole)
        if matched is None and isinstance(track, FrameTimes) and len(times) < len(whole.pts):
            matched = nearest_in_time(track, whole)  # a track of the range alone, or a little more
        if matched is None or matched[wanted].min() < 0:
            raise _no_match(reader, track, part, what, video)
        matched = matched[wanted]
    return [int(number) for number in matched]


def _shows_another_part(track: FrameTimes, part: FrameTimes, whole: FrameTimes) -> bool:
    """Whether a track's times are those of frames of the video, most of which are not in a part of it.

    Times that begin with the video's may have been counted anew.
    """
    if track.seconds()[0] <= whole.seconds()[0] or nearest_in_time(whole, track).min() < 0:
        return False
    return bool((nearest_in_time(track, part) >= 0).mean() < 0.5)


def _stretch(frames: FrameTimes) -> str:
    first, last = frames.seconds()[[0, -1]]
    return f"{first:.2f} to {last:.2f} s"


def _no_match(
    reader: GrayReader, track: FrameTimes | int, part: FrameTimes, what: str, video: FilmedFrames
) -> DisparityError:
    """The error of a track whose frames are not those of a video: which it lacks, or how many it has."""
    info, here, whole = video.info, len(part.pts), len(video.all_times)
    asked = f"{here} frames" if here == whole else f"{here} frames asked for of the {whole}"
    if isinstance(track, FrameTimes):
        lacking = np.flatnonzero(nearest_in_time(track, part) < 0)
        if 0 < len(lacking) < here / 2:
            return DisparityError(
                f"The {what} {reader.path} lacks {len(lacking)} of the {asked} of {info.path},"
                f" the first at {part.seconds()[lacking[0]]:.2f} s.",
                hint=f"Each frame needs its picture in the {what}.",
            )
    return DisparityError(
        f"The {what} {reader.path} has {reader.frame_count} frames, which match the {asked} of {info.path}"
        " neither in time nor in number.",
        hint=f"Cut the {what} to the part that the clip shows."
        if reader.frame_count > here
        else "It needs a picture for each frame that the clip shows.",
    )


def _match_numbers(reader: GrayReader, what: str, video: FilmedFrames) -> list[int] | None:
    """The place of the picture of the same number for each frame; ``None`` where the numbers tell nothing."""
    places = {number: place for place, number in enumerate(reader.numbers or [])}
    missing = [number for number in video.times if number not in places]
    if not missing:
        return [places[number] for number in video.times]
    if len(missing) == len(video.times):
        return None
    raise DisparityError(
        f"The {what} {reader.path} lacks frames {frame_ranges(missing)} of {video.info.path}."
    )
