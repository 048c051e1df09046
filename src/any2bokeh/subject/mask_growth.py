"""A subject's mask in every frame of a clip, from where it was pointed at, both ways in time."""

import struct
import tempfile
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import merge
from itertools import islice, pairwise
from typing import Generic

import numpy as np
import torch
from torch import Tensor

from any2bokeh.closeable import Closeable
from any2bokeh.errors import FocusError
from any2bokeh.focus.points import place_of, time_of
from any2bokeh.motion.shots import find_shots, shot_thumbnail
from any2bokeh.progress import OnCount
from any2bokeh.settings.focus_settings import SubjectSettings
from any2bokeh.subject.segmenter import Click, SubjectSegmenter, View
from any2bokeh.subject.subject_doubts import tell_doubtful_start
from any2bokeh.video.clip import Clip
from any2bokeh.video.lossless import to_float, to_uint8, to_uint8_rgb
from any2bokeh.video.span import Span

BACKWARDS_VIEWS = 24  # read forwards and held, to be gone through backwards: 3 MB each for a network


@dataclass(frozen=True, kw_only=True)
class PointedSubject:
    """A subject as it was pointed at: in frame ``number``, by ``click``.

    ``corrections`` are clicks on other things, by the numbers of their frames.
    """

    number: int
    click: Click
    corrections: Mapping[int, Sequence[Click]]

    def clicks_at(self, number: int) -> list[Click]:
        """Return all clicks on one frame."""
        own = [self.click] if number == self.number else []
        return [*own, *self.corrections.get(number, ())]


def place_subjects(settings: SubjectSettings, video: Clip) -> list[PointedSubject]:
    """Return the subjects that ``settings`` point at, one for each point.

    A point on something else that names no moment is meant in the frame of the first subject. Raises
    ``FocusError`` for a point outside the picture, or outside the part that is worked on.
    """

    def number_of(pts: int) -> int:
        return bisect_right(video.times, pts) - 1

    first = number_of(time_of(settings.points[0], video))
    corrections: dict[int, list[Click]] = {}
    for point in settings.not_points:
        number = first if point.at is None else number_of(time_of(point, video))
        corrections.setdefault(number, []).append(Click(*place_of(point, video.info), on_subject=False))
    return [
        PointedSubject(
            number=number_of(time_of(point, video)),
            click=Click(*place_of(point, video.info)),
            corrections=corrections,
        )
        for point in settings.points
    ]


def shot_starts(video: Clip) -> list[int]:
    """Return the numbers of the frames with which shots start, the first among them; decodes them once."""
    number_of = {pts: number for number, pts in enumerate(video.times)}
    with video.shown() as frames:
        looks = ((number_of[frame.pts], shot_thumbnail(to_uint8_rgb(frame.picture))) for frame in frames)
        starts = [
            number for (number, _), starts_shot in find_shots(looks, lambda look: look[1]) if starts_shot
        ]
    return [0, *starts[1:]]


class MaskGrowth(Closeable, Generic[View]):
    """The growing of one subject's mask in a clip: ``look_back`` first, then ``masks``.

    In the shot in which it was pointed at, it is followed from there to both ends. A cut cannot be followed
    across: in other shots there is no mask. Both go frame by frame, so that several subjects can take turns
    and look at a frame one right after the other, which lets a network encode its picture once.
    """

    def __init__(
        self,
        subject: PointedSubject,
        segmenter: SubjectSegmenter[View],
        video: Clip,
        starts: Sequence[int],
        on_frames: OnCount,
    ) -> None:
        self._subject, self._segmenter, self._video = subject, segmenter, video
        self._on_frames, self._done = on_frames, 0
        self._before = MaskStack()
        self._is_started = False
        place = bisect_right(starts, subject.number)
        self._first = starts[place - 1]
        self._stop = starts[place] if place < len(starts) else len(video.times)

    def look_back(self) -> Iterator[int]:
        """Follow the subject back to the start of its shot; yields each frame's number before it looks there.

        Memory does not depend on the clip's length: the masks found wait on the disk. Raises ``FocusError``
        if no frame from the click on can be decoded.
        """
        start, last = self._start(), self._subject.number
        if last == self._first:
            return
        yield last
        earlier = self._backwards(self._start_from(start))
        for number in reversed(range(self._first, last)):
            yield number
            self._before.push(next(earlier))
            self._tell()

    def masks(self) -> Iterator[Tensor | None]:
        """Yield for each frame of the clip, in order, its mask, ``1 h w``, or ``None`` where there is none.

        A frame that cannot be decoded has the mask of the one before.
        """
        yield from (None for _ in range(self._first))
        while (earlier := self._before.pop()) is not None:
            yield earlier
        for mask in self._forwards(self._start()):
            yield mask
            self._tell()
        yield from (None for _ in range(self._stop, len(self._video.times)))

    def close(self) -> None:
        """Drop the masks that nobody asked for."""
        self._before.close()

    def _start(self) -> tuple[View, View | None]:
        """The view of the frame with the click, or of the first one after it that can be decoded.

        With it comes that of the next frame of its shot; of the last one before it where there is none.
        """
        number = self._subject.number
        found = [view for _, view in islice(self._views(number, self._stop), 2)]
        if not found:
            raise FocusError(f"{self._video.info.path} has no frame that can be decoded from the point on.")
        if len(found) == 1:
            found += [view for _, view in self._views(max(self._first, number - 1), number)]
        return found[0], found[1] if len(found) > 1 else None

    def _start_from(self, start: tuple[View, View | None]) -> Tensor:
        """The mask at the click; earlier subjects are forgotten."""
        view, beside = start
        mask = self._segmenter.start(view, self._subject.clicks_at(self._subject.number), beside)
        if not self._is_started:
            tell_doubtful_start(self._video.info, mask[0].numpy(), self._subject.click)
        self._is_started = True
        return mask

    def _tell(self) -> None:
        self._done += 1
        self._on_frames(self._done)

    def _forwards(self, start: tuple[View, View | None]) -> Iterator[Tensor]:
        """The masks from the frame with the click to the last of its shot."""
        first = self._subject.number
        mask = self._start_from(start)
        yield mask
        found = (
            (number - first - 1, self._segmenter.step(view, self._subject.clicks_at(number)))
            for number, view in self._views(first + 1, self._stop)
        )
        yield from _filled(found, self._stop - first - 1, mask)

    def _backwards(self, mask: Tensor) -> Iterator[Tensor]:
        """The masks of the frames before the click, the last one first; ``mask`` is that at the click."""
        last = self._subject.number
        found = (
            (last - 1 - number, self._segmenter.step(view, self._subject.clicks_at(number)))
            for stop, first in pairwise([*range(last, self._first, -BACKWARDS_VIEWS), self._first])
            for number, view in reversed(list(self._views(first, stop)))
        )
        yield from _filled(found, last - self._first, mask)

    def _views(self, first: int, stop: int) -> Iterator[tuple[int, View]]:
        """Numbers and views of some frames in order of time, without those that cannot be decoded."""
        times = self._video.times
        if first >= stop:
            return
        with self._video.shown(Span(times[first], times[stop - 1] + 1)) as frames:
            for frame in frames:
                yield bisect_left(times, frame.pts), self._segmenter.view(frame)


class MaskStack(Closeable):
    """Masks of one size on the disk, taken back in the opposite order; the file vanishes with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  closed by close()
        self._shape: torch.Size | None = None

    def push(self, mask: Tensor) -> None:
        """Add a mask, ``1 h w`` in 0..1, in codes of 8 bits."""
        self._shape = mask.shape
        content = zlib.compress(to_uint8(mask).tobytes(), level=1)
        self._file.write(content + _LENGTH.pack(len(content)))

    def pop(self) -> Tensor | None:
        """Remove and return the mask that was added last; ``None`` when there is none left."""
        end = self._file.tell()
        if end == 0 or self._shape is None:
            return None
        self._file.seek(end - _LENGTH.size)
        [length] = _LENGTH.unpack(self._file.read(_LENGTH.size))
        start = end - _LENGTH.size - length
        self._file.seek(start)
        codes = np.frombuffer(zlib.decompress(self._file.read(length)), np.uint8)
        self._file.seek(start)
        return to_float(codes).reshape(self._shape)

    def close(self) -> None:
        """Give the room on the disk back."""
        self._file.close()


_LENGTH = struct.Struct("<I")


def grow_masks(
    groups: Sequence[Sequence[PointedSubject]],
    make_segmenter: Callable[[], SubjectSegmenter[View]],
    video: Clip,
    on_frames: OnCount,
) -> Iterator[tuple[int, list[Tensor | None]]]:
    """Yield time stamp and masks of each frame of a clip, one for the subjects of each group together.

    Raises ``FocusError`` if one cannot be looked for.
    """
    starts = shot_starts(video)
    subjects = [subject for group in groups for subject in group]
    done = [0] * len(subjects)

    def tell(which: int) -> OnCount:
        def told(count: int) -> None:
            done[which] = count
            on_frames(sum(done) // len(subjects))

        return told

    with ExitStack() as stack:
        growths = [
            stack.enter_context(MaskGrowth(subject, make_segmenter(), video, starts, tell(which)))
            for which, subject in enumerate(subjects)
        ]
        # From the latest frame on, so that all who look at a frame do so one right after the other.
        for _ in merge(*(growth.look_back() for growth in growths), reverse=True):
            pass
        for pts, *masks in zip(video.times, *(growth.masks() for growth in growths), strict=True):
            found = iter(masks)
            yield pts, [_united([next(found) for _ in group]) for group in groups]


def _united(masks: Sequence[Tensor | None]) -> Tensor | None:
    there = [mask for mask in masks if mask is not None]
    return torch.stack(there).amax(0) if there else None


def _filled(found: Iterator[tuple[int, Tensor]], count: int, last: Tensor) -> Iterator[Tensor]:
    """The masks of ``count`` places in order; those that ``found`` leaves out are as the one before."""
    done = 0
    for place, mask in found:
        yield from (last for _ in range(done, place))
        yield mask
        last, done = mask, place + 1
    yield from (last for _ in range(done, count))
