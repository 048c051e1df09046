"""The lens over time, in step with the frames of a clip."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from any2bokeh.errors import FocusError
from any2bokeh.focus.focus_track import frame_interval_s
from any2bokeh.focus.lens_samples import LensSample, read_lens_samples
from any2bokeh.settings.focus_settings import CameraSettings
from any2bokeh.settings.values import frame_ranges
from any2bokeh.video.clip import Clip
from any2bokeh.video.sequence_clip import SequenceInfo

SAME_RATE = 0.002  # 24 and 23.976 frames/s are taken for one another where the counts agree


@dataclass(frozen=True)
class LensTrack:
    """The lens in each frame of a clip, by its time stamp."""

    path: Path
    samples: Mapping[int, LensSample]

    def focus_m(self, pts: int) -> float:
        """Return how far away the focus is at a time."""
        focus_m = self.samples[pts].focus_m
        assert focus_m is not None  # read_lens_samples leaves none without
        return focus_m

    @property
    def has_f_stops(self) -> bool:
        """Whether the f-number is known in every frame."""
        return all(sample.f_stop is not None for sample in self.samples.values())

    def camera(self, pts: int, camera: CameraSettings) -> CameraSettings:
        """Return a camera with the f-number of a time, and its focal length where ``camera`` says none."""
        sample = self.samples[pts]
        return CameraSettings(
            f_stop=camera.f_stop or sample.f_stop,
            focal_length_mm=camera.focal_length_mm or sample.focal_length_mm,
            near_m=camera.near_m,
            far_m=camera.far_m,
        )

    def __str__(self) -> str:
        samples = self.samples.values()
        said = f"the focus is at {_span([one.focus_m for one in samples])} m"
        if self.has_f_stops:
            said += f", f/{_span([one.f_stop for one in samples])}"
        if lengths := _span([one.focal_length_mm for one in samples]):
            said += f", {lengths} mm (full frame)"
        return f"{self.path}: {said}"


def open_lens_track(path: Path, video: Clip) -> LensTrack | None:
    """Return the lens in each frame of a clip; ``None`` for a file of focus of another kind.

    Raises ``FocusError`` for a track that cannot be used, or does not fit the clip.
    """
    samples = read_lens_samples(path)
    return None if samples is None else LensTrack(path, _matched(path, samples, video))


def _matched(path: Path, samples: list[LensSample], video: Clip) -> dict[int, LensSample]:
    """The sample of each frame that is worked on; raises ``FocusError`` where they do not fit together."""
    by_number = {one.number: one for one in samples if one.number is not None}
    missing = [number for number in video.times if number not in by_number]
    if by_number and isinstance(video.info, SequenceInfo) and len(missing) < len(video.times):
        if missing:
            raise FocusError(
                f"The focus track {path} lacks frames {frame_ranges(missing)} of {video.info.path}."
            )
        return {number: by_number[number] for number in video.times}
    places = _places(path, samples, video)
    return {pts: samples[place] for pts, place in zip(video.all_times, places, strict=True)}


def _places(path: Path, samples: list[LensSample], video: Clip) -> list[int]:
    """The number of the sample of each frame of the whole clip: that nearest in time, else as counted."""
    frames_s = np.array([video.seconds(pts) for pts in video.all_times])
    interval_s = frame_interval_s(frames_s)
    times = [one.time_s for one in samples]
    if None in times:
        if len(samples) != len(frames_s):
            raise _no_fit(path, f"{len(samples)} samples without times", video)
        return list(range(len(samples)))
    known = [time for time in times if time is not None]
    if any(after < before for before, after in pairwise(known)):
        raise FocusError(f"The focus track {path} is not in order of time.")
    tracked_s = np.array([float(time - known[0]) for time in known])
    lasts_s, longer_s = tracked_s[-1] + interval_s, tracked_s[-1] - frames_s[-1]
    counted = len(samples) == len(frames_s)
    slack_s = max(interval_s / 2, SAME_RATE * lasts_s if counted else 0)
    if longer_s < -slack_s or longer_s > slack_s + (0 if counted else interval_s / 2):
        raise _no_fit(path, f"{len(samples)} samples in {tracked_s[-1]:.3f} s", video)
    if counted:
        return list(range(len(samples)))
    nearest = np.searchsorted((tracked_s[1:] + tracked_s[:-1]) / 2, frames_s)
    if (abs(tracked_s[nearest] - frames_s) > interval_s).any():
        raise _no_fit(path, "gaps of more than a frame", video)
    return [int(place) for place in nearest]


def _no_fit(path: Path, what: str, video: Clip) -> FocusError:
    times = video.all_times
    return FocusError(
        f"The focus track {path} has {what}, which do not fit {video.info.path}: {len(times)} frames, the"
        f" last at {video.seconds(times[-1]):.3f} s.",
        hint="The track must begin and end with the whole clip; `frame_rate` says the rate of pictures.",
    )


def _span(values: list[float | None]) -> str:
    """The smallest and the largest of the values that are known, in words."""
    known = [value for value in values if value is not None]
    ends = [f"{end:.4g}" for end in (min(known), max(known))] if known else []
    return " to ".join(dict.fromkeys(ends))
