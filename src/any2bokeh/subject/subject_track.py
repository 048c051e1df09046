"""A subject over time: measured once in each frame, smoothed, and held while frames pass by."""

import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Bytes, Doubles, Flags
from any2bokeh.depth.track import DepthClip, MatchedFrames, open_mask
from any2bokeh.depth.upsample import upsample_disparity
from any2bokeh.errors import DisparityError, FocusError
from any2bokeh.focus.focus_track import smooth_focus
from any2bokeh.focus.mask import Measured
from any2bokeh.motion.flow import to_gray
from any2bokeh.motion.shots import find_shots, shot_thumbnail
from any2bokeh.progress import OnCount
from any2bokeh.scene import Frame
from any2bokeh.subject.hold import Standing, hold, measure_standing, small_maps
from any2bokeh.subject.occlusion import SubjectView, find_occluders
from any2bokeh.video.lossless import to_uint8_rgb

SMOOTHING_S = 0.15  # a standard deviation: limbs that come and go do not move the ground

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Occluders:
    """What covers a subject in one frame, a bit for each pixel of the small picture."""

    bits: bytes
    size: tuple[int, int]

    @classmethod
    def pack(cls, found: Flags) -> "_Occluders":
        return cls(np.packbits(found).tobytes(), (found.shape[0], found.shape[1]))

    def unpack(self) -> Tensor:
        count = self.size[0] * self.size[1]
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=count)
        return torch.from_numpy(bits.reshape(self.size).view(np.bool_))


class SubjectTrack:
    """The subject that a mask shows.

    ``measured`` is where the focal plane has to be in each frame.
    """

    def __init__(
        self,
        path: Path,
        clip: DepthClip,
        standings: Sequence[Standing | None],
        occluders: Sequence[_Occluders | None],
        starts: Sequence[int],
    ) -> None:
        self._path, self._clip = path, clip
        self._times = clip.video.times
        self._occluders = occluders
        self.measured = Measured(np.array([one.disparity if one else np.nan for one in standings]), starts)
        self._standings = _smoothed(standings, self._seconds(), starts)
        self._masks: MatchedFrames | None = None
        self._last_pts: int | None = None

    def hold(self, frame: Frame, disparity: Tensor, focus_disparity: float) -> Tensor:
        """Return ``disparity`` (``1 H W``) of a frame with the subject held at ``focus_disparity``.

        Where the mask is empty for long, the disparity is returned as it is. Frames are asked for in order of
        time; going back opens the mask anew.
        """
        if self._masks is None or (self._last_pts is not None and frame.pts < self._last_pts):
            self.close()
            self._masks = open_mask(self._path, self._clip.video)
        self._last_pts = frame.pts
        number = min(bisect_left(self._times, frame.pts), len(self._times) - 1)
        standing = self._standings[number]
        if standing is None:
            return disparity
        # Guided by the picture, as disparity is: a mask's edges go to where the picture has them.
        mask = upsample_disparity(self._masks.values_at(frame.pts), frame.picture.cpu())
        occluders = self._occluders[number]
        return hold(
            disparity,
            mask.to(disparity.device),
            standing,
            focus_disparity,
            occluders.unpack().to(disparity.device) if occluders else None,
        )

    def close(self) -> None:
        """Stop reading the mask."""
        if self._masks is not None:
            self._masks.close()
            self._masks = None

    def _seconds(self) -> Doubles:
        return np.array([self._clip.video.seconds(pts) for pts in self._times])


def measure_subject(path: Path, clip: DepthClip, on_frames: OnCount) -> SubjectTrack:
    """Return the subject that the mask at ``path`` shows in a clip, read once from end to end.

    The mask is a gray video, a PNG folder or an array, of any size, matched to the frames as a disparity
    track is. Raises ``FocusError`` if it cannot be used or is empty in all frames.
    """
    count = len(clip.video.times)
    standings: list[Standing | None] = [None] * count
    occluders: list[_Occluders | None] = [None] * count
    numbers: list[int] = []
    starts: list[int] = []

    def views() -> Iterator[SubjectView]:
        for (number, view, _), starts_shot in find_shots(_looks(path, clip, on_frames), lambda look: look[2]):
            standings[number] = view.standing
            numbers.append(number)
            if starts_shot:
                starts.append(number)
            yield SubjectView(view.gray, view.inside, view.disparity, view.standing, starts_shot)

    try:
        for place, found in enumerate(find_occluders(views())):
            occluders[numbers[place]] = _Occluders.pack(found) if found is not None else None
    except DisparityError as error:
        raise FocusError(f"The mask cannot be used: {error.message}") from error
    if not any(standings):
        raise FocusError(
            f"The mask {path} is empty in every frame of {clip.video.info.path}.",
            hint="What is brighter than half of white is inside.",
        )
    if any(occluders):
        log.info("Something passes before the subject in %d frames.", sum(map(bool, occluders)))
    return SubjectTrack(path, clip, standings, occluders, starts[1:])


def _looks(path: Path, clip: DepthClip, on_frames: OnCount) -> Iterator[tuple[int, SubjectView, Bytes]]:
    """The number of each frame, the subject in it, and a thumbnail to find shots by; the frame is let go."""
    place = {pts: number for number, pts in enumerate(clip.video.times)}
    with open_mask(path, clip.video) as masks, clip.frames() as frames:
        for done, (frame, disparity) in enumerate(frames, start=1):
            mask = masks.values_at(frame.pts)
            small, coverage = small_maps(disparity, mask)
            size = small.shape
            picture = torch.nn.functional.interpolate(frame.picture.cpu()[None], size, mode="area")[0]
            view = SubjectView(
                gray=to_gray(picture),
                inside=(coverage >= 0.5).numpy(),
                disparity=small.numpy(),
                standing=measure_standing(disparity, mask),
            )
            on_frames(done)
            yield place[frame.pts], view, shot_thumbnail(to_uint8_rgb(frame.picture))


def _smoothed(
    standings: Sequence[Standing | None], times_s: Doubles, starts: Sequence[int]
) -> list[Standing | None]:
    """How the subject stands, smoothed over time within each shot; held where the mask is empty."""
    result: list[Standing | None] = []
    for start, stop in pairwise((0, *starts, len(standings))):
        seen = [one for one in standings[start:stop] if one]
        if not seen:
            result += [None] * (stop - start)
            continue
        present = np.array([float(one is not None) for one in standings[start:stop]])
        presence = smooth_focus(present, times_s[start:stop], SMOOTHING_S).clip(0, 1)
        empty = np.full(len(seen[0].line) + 3, np.nan)
        rows = [
            np.concatenate([[one.disparity, one.slope, one.height], one.line.numpy()]) if one else empty
            for one in standings[start:stop]
        ]
        courses = [smooth_focus(row, times_s[start:stop], SMOOTHING_S) for row in np.stack(rows, 1)]
        trust = float(np.median([one.trust for one in seen]))  # the track's, not the frame's
        result += [
            Standing(
                disparity=float(row[0]),
                trust=trust,
                slope=float(row[1]),
                height=float(row[2]),
                line=torch.from_numpy(row[3:].astype(np.float32)),
                presence=float(share),
            )
            for row, share in zip(np.stack(courses, 1), presence, strict=True)
        ]
    return result
