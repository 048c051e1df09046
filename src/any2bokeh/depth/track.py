"""Disparity for each frame of a video, read from a track file in step with the video."""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

from torch import Tensor

from any2bokeh.closeable import Closeable
from any2bokeh.depth.depth_scale import DepthScale, depth_scale_of
from any2bokeh.depth.distances import DepthRange, MetricScale
from any2bokeh.depth.matching import FilmedFrames, FrameTimes, nearest_in_time, open_matched
from any2bokeh.depth.stabilization import TrackStabilizer
from any2bokeh.depth.upsample import upsample_disparity
from any2bokeh.errors import DisparityError
from any2bokeh.scene import Frame
from any2bokeh.settings.depth_settings import DisparityKind
from any2bokeh.video.clip import Clip
from any2bokeh.video.gray import GrayReader
from any2bokeh.video.prefetch import Prefetch, prefetch
from any2bokeh.video.span import Span

log = logging.getLogger(__name__)

FRAMES_AHEAD = 2  # decoded and waiting: 8 MB each at 1080p
JUMP_FRAMES = 48  # from so many frames ahead on, a track is sought anew rather than decoded up to there


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


class StabilizedFrames(MatchedFrames):
    """Disparity that was stabilized before and written, in the place of a ``TrackStabilizer``."""

    looks_back = False

    def stabilize_frame(self, disparity: Tensor, frame: Frame) -> Tensor:
        """Return the stabilized disparity of the frame, ``1 h w``."""
        return self.values_at(frame.pts).to(disparity.device)

    def anew(self) -> "StabilizedFrames":
        """Return the same, to be read from its beginning."""
        return StabilizedFrames(self._reader, self._times, self._numbers)


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
        stabilizer: TrackStabilizer | StabilizedFrames | None = None,
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
    def size(self) -> tuple[int, int]:
        """Height and width of its pictures."""
        return self._reader.height, self._reader.width

    @property
    def looks_back(self) -> bool:
        """Whether a frame's disparity depends on the frames that were asked for before."""
        return self._stabilizer is not None and self._stabilizer.looks_back

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
        track = self._with(self._stabilizer.anew() if self._stabilizer else None)
        track._warns = False
        return track

    def stabilized_in(self, reader: GrayReader, video: FilmedFrames) -> "DisparityTrack":
        """Return the same track, whose stabilized frames are those of ``reader``."""
        return self._with(StabilizedFrames(reader, *_frames_in_time(reader, video)))

    def _with(self, stabilizer: TrackStabilizer | StabilizedFrames | None) -> "DisparityTrack":
        return DisparityTrack(
            self._reader, self._times, self._numbers, self._convert, stabilizer, self._scale
        )

    def close(self) -> None:
        """Stop reading."""
        if self._warns and self._frames is not None and self._lowest == self._highest:
            log.warning(
                "The disparity track %s has one value everywhere: all of the picture is blurred alike.",
                self._reader.path,
            )
        if isinstance(self._stabilizer, StabilizedFrames):
            self._stabilizer.close()
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
    reader, numbers = open_matched(path, "disparity track", video)
    reader.no_number = {"depth": inf, "inverse-depth": 0.0}.get(kind)
    convert = _conversion(kind, reader)
    scale = _scale_of(reader) if kind == "disparity" else None
    if isinstance(convert, DepthScale) and reader.has_floats:  # depth in floats is in meters, if in any unit
        scale = MetricScale([0], [DepthRange.of_inverse(convert.lowest, convert.highest)])
    return DisparityTrack(reader, video.times, numbers, convert, stabilizer, scale)


def open_estimated(reader: GrayReader, video: FilmedFrames) -> DisparityTrack:
    """Return an estimated track, whose ``reader`` has times; frames that cannot be decoded are missing."""
    times, numbers = _frames_in_time(reader, video)
    convert, scale = _conversion("disparity", reader), _scale_of(reader)
    return DisparityTrack(reader, times, numbers, convert, scale=scale)


def _frames_in_time(reader: GrayReader, video: FilmedFrames) -> tuple[list[int], list[int]]:
    """The times of a video's frames that a track of ours has, and the numbers of those in it."""
    assert reader.times is not None and reader.time_base is not None
    numbers = nearest_in_time(
        FrameTimes(reader.times, reader.time_base), FrameTimes(video.times, video.info.time_base)
    ).tolist()
    matched = [(pts, number) for pts, number in zip(video.times, numbers, strict=True) if number >= 0]
    return [pts for pts, _ in matched], [number for _, number in matched]


def open_mask(path: Path, video: FilmedFrames) -> MatchedFrames:
    """Return the mask at ``path``, matched to the frames as a disparity track is.

    Raises ``DisparityError`` as ``open_track`` does.
    """
    reader, numbers = open_matched(path, "mask", video)
    return MatchedFrames(reader, video.times, numbers)


def _scale_of(reader: GrayReader) -> MetricScale | None:
    return MetricScale.from_text(reader.note, reader.path) if reader.note else None


def _conversion(kind: DisparityKind, reader: GrayReader) -> Callable[[Tensor], Tensor]:
    """The function from the track's values to disparity."""
    if kind == "disparity":
        return lambda values: values
    if kind == "inverted":
        return lambda values: 1 - values
    return depth_scale_of(reader, is_inverse=kind == "inverse-depth")
