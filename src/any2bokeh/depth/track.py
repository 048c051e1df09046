"""Disparity for each frame of a video, read from a track file in step with the video."""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Doubles, Integers
from any2bokeh.closeable import Closeable
from any2bokeh.depth.distances import DepthRange, MetricScale
from any2bokeh.depth.stabilization import TrackStabilizer
from any2bokeh.depth.upsample import upsample_disparity
from any2bokeh.errors import DisparityError
from any2bokeh.scene import Frame
from any2bokeh.settings.depth_settings import DisparityKind
from any2bokeh.settings.values import frame_ranges
from any2bokeh.video.clip import Clip
from any2bokeh.video.decode import VideoInfo
from any2bokeh.video.gray import GrayReader, open_gray
from any2bokeh.video.prefetch import Prefetch, prefetch
from any2bokeh.video.sequence_clip import SequenceInfo
from any2bokeh.video.span import Span

log = logging.getLogger(__name__)

ASPECT_TOLERANCE = 0.02
FRAMES_AHEAD = 2  # decoded and waiting: 8 MB each at 1080p
JUMP_FRAMES = 48  # from so many frames ahead on, a track is sought anew rather than decoded up to there
DEPTH_LEVELS = 65536  # all that a 16-bit track can tell apart
DEPTH_OCTAVES = -30.0, 60.0  # powers of two between which depth in floats lies: atoms to light years, in m
NEAREST, FARTHEST = 0.001, 0.999  # shares of all depths that become disparity 1 and 0


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


class MatchedFrames(Closeable):
    """The pictures of a gray file in step with a video; a context manager."""

    def __init__(self, reader: GrayReader, times: list[int], numbers: list[int]) -> None:
        self._reader = reader
        self._times = times
        self._numbers = numbers
        self._frames: Prefetch[tuple[int, Tensor]] | None = None
        self._current: tuple[int, Tensor] | None = None

    def values_at(self, pts: int) -> Tensor:
        """Return the picture, ``1 h w`` in 0..1, that belongs to the video's frame at a time.

        Frames are asked for in order of time. Raises ``DisparityError`` if the picture cannot be read.
        """
        number = self._number_at(pts)
        if self._frames is None or (self._current and number > self._current[0] + JUMP_FRAMES):
            MatchedFrames.close(self)
            self._frames, self._current = prefetch(self._reader.frames(number), FRAMES_AHEAD), None
        while self._current is None or self._current[0] < number:
            self._current = next(self._frames, None)
            if self._current is None:
                raise DisparityError(
                    f"Frame {number} of {self._reader.path} is missing: the track ends before it."
                )
        if self._current[0] > number:
            raise DisparityError(f"Frame {number} of {self._reader.path} cannot be decoded.")
        return self._current[1]

    def close(self) -> None:
        """Stop reading."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def _number_at(self, pts: int) -> int:
        return self._numbers[min(bisect_left(self._times, pts), len(self._times) - 1)]


class DisparityTrack(MatchedFrames):
    """The disparity of a video's frames, stabilized if a ``stabilizer`` is given; a context manager.

    At the end, one warning is logged if every frame that was read is the same value everywhere.
    """

    _warns = True

    def __init__(
        self,
        reader: GrayReader,
        times: list[int],
        numbers: list[int],
        convert: Callable[[Tensor], Tensor],
        stabilizer: TrackStabilizer | None = None,
        scale: MetricScale | None = None,
    ) -> None:
        super().__init__(reader, times, numbers)
        self._convert, self._stabilizer = convert, stabilizer
        self._scale = scale
        self._lowest, self._highest = 1.0, 0.0

    @property
    def is_metric(self) -> bool:
        """Whether the distances are known that its values stand for."""
        return self._scale is not None

    @property
    def looks_back(self) -> bool:
        """Whether a frame's disparity depends on the frames that were asked for before."""
        return self._stabilizer is not None

    def scale_of(self, times: Sequence[int]) -> MetricScale | None:
        """Return the scale of a track of the video's frames at ``times``, if distances are known."""
        return MetricScale.of_frames([self.depth_range_at(pts) for pts in times]) if self._scale else None

    def depth_range_at(self, pts: int) -> DepthRange:
        """Return the distances that disparity 1 and 0 stand for in the video's frame at a time."""
        assert self._scale is not None
        return self._scale.at(self._number_at(pts))

    def at(self, frame: Frame) -> Tensor:
        """Return the frame's disparity, ``1 H W`` in 0..1 at its picture's size and on its device.

        Frames are asked for in order of time. Raises ``DisparityError`` if the track's frame cannot be read.
        """
        return upsample_disparity(self.at_own_size(frame), frame.picture)

    def at_own_size(self, frame: Frame) -> Tensor:
        """Return the frame's disparity, ``1 h w``, at the size of the track; see ``at``."""
        values = self.values_at(frame.pts)
        self._lowest = min(self._lowest, values.min().item())
        self._highest = max(self._highest, values.max().item())
        disparity = self._convert(values.to(frame.picture.device))
        return self._stabilizer.stabilize_frame(disparity, frame) if self._stabilizer else disparity

    @property
    def depth_of(self) -> Callable[[Tensor], Tensor] | None:
        """The depth that disparity stands for, where the track is one of depth."""
        return self._convert.depth_of if isinstance(self._convert, DepthScale) else None

    def alone_at(self, pts: int) -> Tensor:
        """Return the disparity at a time, ``1 h w``, as it is where no other frame is looked at."""
        with self.again() as track:
            return track._convert(track.values_at(pts))

    def again(self) -> "DisparityTrack":
        """Return the same track, to be read from its beginning once more; it warns of nothing again."""
        stabilizer = self._stabilizer.anew() if self._stabilizer else None
        track = DisparityTrack(
            self._reader, self._times, self._numbers, self._convert, stabilizer, self._scale
        )
        track._warns = False
        return track

    def close(self) -> None:
        """Stop reading."""
        if self._warns and self._frames is not None and self._lowest == self._highest:
            log.warning(
                "The disparity track %s has one value everywhere: all of the picture is blurred alike.",
                self._reader.path,
            )
        super().close()


@dataclass(frozen=True)
class DepthClip:
    """A video that is worked on, and the disparity of its frames."""

    video: Clip
    disparity: DisparityTrack

    @contextmanager
    def frames(self, span: Span | None = None) -> Iterator[Iterator[tuple[Frame, Tensor]]]:
        """Give the frames of the part that is worked on, or of another one inside of it.

        Each is as a screen shows it, and comes with its disparity, ``1 h w`` at the track's own size.
        """
        with self.video.shown(span) as video, self.disparity.again() as track:
            yield ((frame, track.at_own_size(frame)) for frame in video)


def open_track(
    path: Path, kind: DisparityKind, video: FilmedFrames, stabilizer: TrackStabilizer | None = None
) -> DisparityTrack:
    """Return the track at ``path`` for the frames that are worked on: all of a video's, or a part.

    Depth is read once from end to end, to normalize it over the whole track. Raises ``DisparityError`` if
    the track cannot be read, is of another shape, or its frames do not match the video's.
    """
    reader, numbers = _open_matched(path, "disparity track", video)
    reader.no_number = {"depth": inf, "inverse-depth": 0.0}.get(kind)
    convert = _conversion(kind, reader)
    scale = _scale_of(reader) if kind == "disparity" else None
    if isinstance(convert, DepthScale) and reader.has_floats:  # depth in floats is in meters, if in any unit
        scale = MetricScale([0], [DepthRange.of_inverse(convert.lowest, convert.highest)])
    return DisparityTrack(reader, video.times, numbers, convert, stabilizer, scale)


def open_estimated(reader: GrayReader, video: FilmedFrames) -> DisparityTrack:
    """Return an estimated track, whose ``reader`` has times; frames that cannot be decoded are missing."""
    assert reader.times is not None and reader.time_base is not None
    numbers = nearest_in_time(
        FrameTimes(reader.times, reader.time_base), FrameTimes(video.times, video.info.time_base)
    ).tolist()
    matched = [(pts, number) for pts, number in zip(video.times, numbers, strict=True) if number >= 0]
    times = [pts for pts, _ in matched]
    numbers = [number for _, number in matched]
    convert, scale = _conversion("disparity", reader), _scale_of(reader)
    return DisparityTrack(reader, times, numbers, convert, scale=scale)


def open_mask(path: Path, video: FilmedFrames) -> MatchedFrames:
    """Return the mask at ``path``, matched to the frames as a disparity track is.

    Raises ``DisparityError`` as ``open_track`` does.
    """
    reader, numbers = _open_matched(path, "mask", video)
    return MatchedFrames(reader, video.times, numbers)


def _open_matched(path: Path, what: str, video: FilmedFrames) -> tuple[GrayReader, list[int]]:
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
    matched = match_frames(track, FrameTimes(times, info.time_base))
    if matched is None:
        whole = FrameTimes(video.all_times, info.time_base)
        wanted = np.searchsorted(whole.pts, times)
        matched = match_frames(track, whole)
        if matched is None and isinstance(track, FrameTimes) and len(times) < len(whole.pts):
            matched = nearest_in_time(track, whole)  # a track of the range alone, or a little more
        if matched is None or matched[wanted].min() < 0:
            raise DisparityError(
                f"The {what} {reader.path} has {reader.frame_count} frames, which match the"
                f" {len(whole.pts)} frames of {info.path} neither in time nor in number.",
                hint=f"Cut the {what} to the part that the clip shows.",
            )
        matched = matched[wanted]
    return [int(number) for number in matched]


def _scale_of(reader: GrayReader) -> MetricScale | None:
    return MetricScale.from_text(reader.note, reader.path) if reader.note else None


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


def _conversion(kind: DisparityKind, reader: GrayReader) -> Callable[[Tensor], Tensor]:
    """The function from the track's values to disparity."""
    if kind == "disparity":
        return lambda values: values
    if kind == "inverted":
        return lambda values: 1 - values
    is_inverse = kind == "inverse-depth"
    nearest, farthest = _depth_range(reader, is_inverse=is_inverse)
    highest, lowest = 1 / nearest, 1 / farthest  # 0 at an infinite distance
    return DepthScale(lowest, highest, is_inverse)


@dataclass(frozen=True)
class DepthScale:
    """Between depth and disparity: the inverse depths that become disparity 0 and 1.

    Where ``is_inverse``, the track holds inverse depth itself.
    """

    lowest: float
    highest: float
    is_inverse: bool = False

    def __call__(self, depth: Tensor) -> Tensor:
        """Disparity in 0..1; depth 0 is nearer than all, and becomes 1. One depth everywhere becomes 0."""
        spread = self.highest - self.lowest if self.highest > self.lowest else 1.0
        inverse = depth if self.is_inverse else 1 / depth
        return ((inverse - self.lowest) * (1 / spread)).clamp(0, 1)

    def depth_of(self, disparity: Tensor) -> Tensor:
        """The values of the track, from its nearest to its farthest."""
        inverse = disparity * max(self.highest - self.lowest, 0.0) + self.lowest
        return inverse if self.is_inverse else 1 / inverse


def _depth_range(reader: GrayReader, *, is_inverse: bool = False) -> tuple[float, float]:
    """The depths that become disparity 1 and 0, from a histogram of all that are above 0."""
    in_any_unit = reader.has_floats or is_inverse
    level_of, depth_at = (_float_level, _float_depth) if in_any_unit else (_code_level, _code_depth)
    counts = torch.zeros(DEPTH_LEVELS, dtype=torch.int64)
    for _, values in reader.frames():
        depth = 1 / values if is_inverse else values
        counts += torch.bincount(level_of(depth.flatten()), minlength=DEPTH_LEVELS)
    counts[0] = 0
    if not counts.any():
        raise DisparityError(f"The depth track {reader.path} is 0 everywhere.")
    below = counts.cumsum(0).double() / counts.sum()
    nearest, farthest = (int((below >= share).nonzero()[0]) for share in (NEAREST, FARTHEST))
    if nearest == DEPTH_LEVELS - 1 and in_any_unit:
        raise DisparityError(f"The depth track {reader.path} is infinitely far almost everywhere.")
    # Ends of a level inside the range, so that its own ends become 1 and 0.
    return depth_at(nearest + 1 if in_any_unit else nearest), depth_at(farthest)


def _code_level(depth: Tensor) -> Tensor:
    """The levels of depth in 0..1."""
    return (depth * (DEPTH_LEVELS - 1)).round().to(torch.int64)


def _code_depth(level: int) -> float:
    return level / (DEPTH_LEVELS - 1)


def _float_level(depth: Tensor) -> Tensor:
    """The levels of depth in any unit: steps of 0.1 %, the last for infinity, 0 for 0.

    A level reaches from its ``_float_depth`` up to the next one's.
    """
    last = DEPTH_LEVELS - 1
    octave = depth.log2().clamp(DEPTH_OCTAVES[0], DEPTH_OCTAVES[1])
    share = (octave - DEPTH_OCTAVES[0]) / (DEPTH_OCTAVES[1] - DEPTH_OCTAVES[0])
    level = 1 + (share * (last - 2)).floor().to(torch.int64)
    return torch.where(depth <= 0, 0, torch.where(depth == inf, last, level))


def _float_depth(level: int) -> float:
    last = DEPTH_LEVELS - 1
    if level == last:
        return inf
    share = (level - 1) / (last - 2)
    return float(2 ** (DEPTH_OCTAVES[0] + share * (DEPTH_OCTAVES[1] - DEPTH_OCTAVES[0])))
