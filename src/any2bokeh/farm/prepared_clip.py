"""A clip that many processes work on: the tracks of a shot, or of all of it, are made once, as files.

Disparity is made shot by shot; masks, measured subjects and the focus once for the clip. Whoever needs one
first makes it, under a lock, and everybody else reads the file: numbers come back as they were.
"""

import json
import logging
import platform
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from shutil import copyfile
from typing import Any

from torch import Tensor

from any2bokeh.atomic import partial_file
from any2bokeh.depth.cache import MAX_BYTES, copy_track, keep_track
from any2bokeh.depth.distances import DepthRange, MetricScale
from any2bokeh.depth.matching import FrameTimes, nearest_in_time
from any2bokeh.depth.source import write_estimate
from any2bokeh.depth.stream import found_starts
from any2bokeh.depth.track import DepthClip, DisparityTrack, open_estimated
from any2bokeh.errors import DisparityError
from any2bokeh.farm.turns import made_once, turn
from any2bokeh.focus.focus_track import Focus, FocusTrack
from any2bokeh.progress import OnProgress, ignore
from any2bokeh.render.grain.clip_noise import ClipNoise, open_noise
from any2bokeh.scene import Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.focus_settings import FocusSettings, Point
from any2bokeh.subject.grown_masks import GrowthPlan
from any2bokeh.subject.subject_track import SubjectTrack, open_measured
from any2bokeh.video.gray import GrayReader, GrayVideo, open_gray_writer
from any2bokeh.video.span import Span

log = logging.getLogger(__name__)

CACHED = "cached.mkv"
MOST_KEPT_BYTES = MAX_BYTES // 5  # of disparity that goes into the cache: about five minutes of 1080p


@dataclass(frozen=True)
class DepthUnit:
    """Frames whose disparity is one file: those of a shot, or all."""

    path: Path
    frames: range


class PreparedClip(ClipSession):
    """A ``ClipSession`` whose disparity, masks and focus are files in ``folder``, made once for all."""

    def __init__(
        self, source: Path, settings: ClipSettings, folder: Path, on_progress: OnProgress = ignore
    ) -> None:
        """Raises what ``ClipSession`` raises."""
        self._folder = folder
        super().__init__(source, settings, on_progress)
        self._bounds = range(len(self.times))

    @cached_property
    def starts(self) -> list[int]:
        """The numbers of the frames at which shots start, ascending, where disparity is estimated by shots.

        Found in one pass over the clip, by the first process that asks. Empty where disparity is there.
        """
        if self.settings.depth.track is not None:
            return []
        path = made_once(self._folder / "shots.json", self._write_starts, "the list of shots")
        starts: list[int] = json.loads(path.read_text(encoding="ascii"))["starts"]
        return starts

    @cached_property
    def units(self) -> list[DepthUnit]:
        """The files of estimated disparity, in order; they need not be there yet."""
        count = len(self.times)
        if not self.starts:
            return [DepthUnit(self._folder / CACHED, range(count))]
        return [
            DepthUnit(self._folder / f"disparity-{first:07d}.mkv", range(first, stop))
            for first, stop in zip(self.starts, [*self.starts[1:], count], strict=True)
        ]

    def prepare(self, part: range) -> None:
        """Make the tracks that scenes of ``part`` need, or wait for them: disparity, then masks and focus."""
        if self.settings.depth.track is None:
            self._make_disparity(part)
            if _looks_at_clip(self.settings.focus) or self.estimate.network.is_metric:
                self._make_disparity(range(len(self.times)))
        _ = self.focus, self.subject

    def scenes_of(self, part: range) -> Iterator[Scene]:
        """Give the scenes of the frames in ``part``, as ``scenes`` does of all; ``prepare`` it before."""
        self._bounds = part
        return self.scenes(self.span_of(part))

    def span_of(self, part: range) -> Span:
        """Return the part of the video that holds frames ``part`` of those that are worked on."""
        first = self.span.start if part.start == 0 else self.times[part.start]
        return Span(first, self.span.end if part.stop == len(self.times) else self.times[part.stop])

    def find_noise(self) -> ClipNoise | None:
        """Return the noise of the clip, measured once for all."""

        def write(target: Path) -> None:
            noise = super(PreparedClip, self).find_noise()
            if noise is not None:  # a file that is empty says that there is none
                noise.save(target)

        return open_noise(made_once(self._folder / "noise.npz", write, "the noise of the clip"))

    def _write_starts(self, target: Path) -> None:
        started_s = time.monotonic()
        starts = self._find_starts()
        facts = {"starts": starts, "frames": len(self.times)}
        target.write_text(json.dumps(facts | _seconds_since(started_s)), encoding="ascii")

    def _find_starts(self) -> list[int]:
        cached = self.estimate.cached()
        if cached is not None and copy_track(cached, self._folder / CACHED):
            log.info("The disparity of %s is in the cache.", self.info.path)
            return []
        if self.estimate.pace.single_shot:
            return [0]
        place = {pts: number for number, pts in enumerate(self.times)}
        with self.video.shown() as frames:
            starts = [place[pts] for pts in found_starts(frames, self.estimate.seen_size)]
        return [0, *starts[1:]]  # frames before the first that can be decoded belong to its shot

    def _make_disparity(self, part: range) -> None:
        for unit in self.units:
            if unit.frames.start < part.stop and unit.frames.stop > part.start:
                made_once(unit.path, partial(self._estimate_unit, unit), f"the disparity of {_named(unit)}")

    def _estimate_unit(self, unit: DepthUnit, target: Path) -> None:
        estimate = self.estimate
        alone = replace(estimate, pace=replace(estimate.pace, single_shot=True))
        started_s = time.monotonic()
        write_estimate(alone, self.span_of(unit.frames), target, self._tell("depth"))
        facts = {"first": unit.frames.start, "stop": unit.frames.stop}
        with partial_file(unit.path.with_suffix(".json"), overwrite=True) as record:
            record.write_text(json.dumps(facts | _seconds_since(started_s)), encoding="ascii")

    def keep_disparity(self) -> None:
        """Put disparity that was made by shots into the cache, as that of one run, unless it is too much.

        The track of a film would drive out those of all other clips.
        """
        if self.settings.depth.track is not None or not self.starts or not self.estimate.use_cache:
            return
        paths = [unit.path for unit in self.units]
        if not all(path.exists() for path in paths):
            return
        if sum(path.stat().st_size for path in paths) > MOST_KEPT_BYTES:
            log.info("The disparity of %s is too large for the cache.", self.info.path)
            return
        reader, info = UnitReader(self, self.units, range(len(self.times))), self.info

        def write(target: Path) -> None:
            with open_gray_writer(
                target,
                reader.width,
                reader.height,
                info.time_base,
                info.frame_rate,
                note=reader.note,
                overwrite=True,
            ) as writer:
                for number, disparity in reader.frames():
                    writer.write(disparity, self.times[number])

        keep_track(self.estimate.key(self.video.time_range), write)

    def _estimated_frames(self) -> GrayReader:
        return UnitReader(self, self.units, range(len(self.times)))

    def _given_track(self) -> DisparityTrack:
        """The given track; where it is to be stabilized, that is done once, in one pass over the clip."""
        track = super()._given_track()
        if not track.looks_back:
            return track

        def write(target: Path) -> None:
            info, (height, width) = self.info, track.size
            with (
                DepthClip(self.video, track).frames() as frames,
                open_gray_writer(
                    target, width, height, info.time_base, info.frame_rate, overwrite=True
                ) as writer,
            ):
                for done, (frame, disparity) in enumerate(frames, start=1):
                    writer.write(disparity, frame.pts)
                    self._tell("depth")(done)

        path = made_once(self._folder / "stabilized.mkv", write, "the stabilized disparity")
        return track.stabilized_in(GrayVideo(path), self.video)

    def _disparity_from_start(self) -> DisparityTrack:
        if self.settings.depth.track is not None:
            return super()._disparity_from_start()
        # Reading ahead must not ask for the disparity of the next shot, which nobody may have made.
        reader = UnitReader(self, self.units, self._bounds)
        return self._opened.enter_context(open_estimated(reader, self.video))

    def reader_of(self, unit: DepthUnit) -> GrayVideo:
        """Return the reader of a unit's file, which is made anew if it was damaged."""
        try:
            return GrayVideo(unit.path)
        except DisparityError as error:
            if unit.path.name == CACHED:
                error.hint = "Remove the work folder, and start again."
                raise
            log.warning("%s It is made anew.", error.message)
            with turn(unit.path.with_suffix(".lock"), _named(unit)):
                unit.path.unlink(missing_ok=True)
            self._make_disparity(unit.frames)
            return GrayVideo(unit.path)

    def _grow(self, plans: Sequence[GrowthPlan]) -> tuple[Path, ...]:
        grown: list[tuple[Path, ...]] = []  # all in one pass, as soon as one of them lacks

        def write(target: Path, number: int) -> None:
            if not grown:
                grown.append(super(PreparedClip, self)._grow(plans))
            copyfile(grown[0][number - 1], target)

        return tuple(
            made_once(
                self._folder / f"mask-{number}.mkv",
                partial(write, number=number),
                f"the mask of subject {number}",
            )
            for number in range(1, len(plans) + 1)
        )

    def _measure(self, mask: Path, number: int) -> SubjectTrack:
        def write(target: Path) -> None:
            super(PreparedClip, self)._measure(mask, number).save(target)

        saved = made_once(
            self._folder / f"subject-{number}.npz", write, f"the measurements of subject {number}"
        )
        return open_measured(mask, self._depth_clip, saved)

    def _pull_focus(self) -> FocusTrack:
        def write(target: Path) -> None:
            found = super(PreparedClip, self)._pull_focus().focus
            rows = [[one.focus_disparity, one.blur_strength, one.focus_m] for one in found]
            target.write_text(json.dumps(rows), encoding="ascii")

        path = made_once(self._folder / "focus.json", write, "the focus")
        assert self.settings.focus is not None
        focus = [Focus(*row) for row in json.loads(path.read_text(encoding="ascii"))]
        return FocusTrack(self.times, focus, self.settings.focus.depth_of_field)


class UnitReader(GrayReader):
    """The estimated disparity of a clip out of the files of its shots, between ``bounds`` alone.

    Its frames are numbered as those of the clip that are worked on.
    """

    def __init__(self, clip: PreparedClip, units: Sequence[DepthUnit], bounds: range) -> None:
        self._clip, self._units, self._bounds = clip, units, bounds
        self.path = units[0].path
        self.times, self.time_base = list(clip.times), clip.info.time_base
        self.frame_count = len(self.times)
        self.height, self.width = clip.estimate.size
        self.note = self._joined_notes() if clip.estimate.network.is_metric else ""

    def frames(self, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield number and picture of each frame; see ``GrayReader``."""
        place = bisect_right([unit.frames.start for unit in self._units], first) - 1
        for unit in self._units[place:]:
            if unit.frames.start >= self._bounds.stop:
                return
            reader = self._clip.reader_of(unit)
            numbers = self._numbers(reader, unit)
            begin = min((own for own, number in numbers.items() if number >= first), default=None)
            for own, picture in reader.frames(begin) if begin is not None else ():
                number = numbers.get(own)
                if number is not None:
                    if number >= self._bounds.stop:
                        return
                    yield number, picture

    def _numbers(self, reader: GrayVideo, unit: DepthUnit) -> dict[int, int]:
        """The number in the clip for that of each of the file's frames that belongs to one."""
        assert reader.times is not None and reader.time_base is not None
        wanted = self._clip.times[unit.frames.start : unit.frames.stop]
        own = nearest_in_time(
            FrameTimes(reader.times, reader.time_base), FrameTimes(wanted, self._clip.info.time_base)
        )
        return {int(one): number for number, one in zip(unit.frames, own, strict=True) if one >= 0}

    def _joined_notes(self) -> str:
        """The distances of all shots."""
        starts: list[int] = []
        ranges: list[DepthRange] = []
        for unit in self._units:
            reader = self._clip.reader_of(unit)
            scale, numbers = MetricScale.from_text(reader.note, reader.path), self._numbers(reader, unit)
            starts += [numbers.get(start, unit.frames.start) for start in scale.starts]
            ranges += scale.ranges
        return MetricScale(starts, ranges).to_text()


def _looks_at_clip(focus: FocusSettings | None) -> bool:
    """Whether finding the focus, or the subject, needs the disparity of other frames."""
    if focus is None:
        return False
    keys = focus.focus_disparity if isinstance(focus.focus_disparity, tuple) else ()
    is_said = focus.focus_track is not None or focus.focus_m is not None
    is_number = isinstance(focus.focus_disparity, float | int)
    looks = any(isinstance(key.value, Point) for key in keys) or not (is_said or is_number or keys)
    return looks or bool(focus.masks) or focus.pointed is not None


def _seconds_since(started_s: float) -> dict[str, Any]:
    """How long something took, and where, for the report."""
    return {"seconds": round(time.monotonic() - started_s, 3), "host": platform.node()}


def _named(unit: DepthUnit) -> str:
    return f"frames {unit.frames.start} to {unit.frames.stop - 1}"


def read_disparity_records(tracks: Path) -> list[dict[str, Any]]:
    """Return the seconds of finding shots and of making the disparity of each, from a folder of tracks.

    The list of shots comes first, and has no ``first``.
    """
    paths = [*tracks.glob("shots.json"), *sorted(tracks.glob("disparity-*.json"))]
    return [json.loads(path.read_text(encoding="ascii")) for path in paths]
