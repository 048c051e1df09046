"""A subject over time: measured once in each frame, smoothed, and held while frames pass by."""

import logging
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.arrays import Doubles, Flags
from any2bokeh.closeable import Closeable
from any2bokeh.depth.track import DepthClip, MatchedFrames, open_mask
from any2bokeh.focus.focus_track import frame_interval_s, smooth_focus
from any2bokeh.focus.masked import MaskedFrame, Measured, empty_mask, masked_frames
from any2bokeh.motion.flow import to_gray
from any2bokeh.motion.shots import find_shots
from any2bokeh.progress import OnCount
from any2bokeh.scene import Frame
from any2bokeh.subject.hold import COLUMNS, INSIDE, Standing, hold, small_maps, standing_in
from any2bokeh.subject.mask_gaps import LONGEST_S, fill_gaps
from any2bokeh.subject.matting import refine_edges
from any2bokeh.subject.occlusion import SubjectView, find_occluders
from any2bokeh.subject.subject_doubts import tell_doubts

_UNSEEN = 0.5  # the share of a frame that cannot be decoded: neither nothing nor everything
# Standard deviations. A held subject stays sharp however slowly the focal plane follows; its surroundings
# must not pump with the estimate.
FOCUS_SMOOTHING_S = 0.5
SMOOTHING_S = 0.15  # limbs that come and go do not move the ground

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Region:
    """Some pixels of one frame's small picture, a bit for each of all."""

    bits: bytes
    size: tuple[int, int]

    @classmethod
    def pack(cls, found: Flags) -> "_Region":
        return cls(np.packbits(found).tobytes(), (found.shape[0], found.shape[1]))

    def unpack(self) -> Tensor:
        count = self.size[0] * self.size[1]
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=count)
        return torch.from_numpy(bits.reshape(self.size).view(np.bool_))


@dataclass(frozen=True, eq=False)
class _Measurements:
    """What reading a mask once from end to end tells: of each frame, and where shots start but the first.

    ``carried`` are the masks of frames in which it is empty for a moment.
    """

    standings: Sequence[Standing | None]
    occluders: Sequence[_Region | None]
    carried: Sequence[_Region | None]
    starts: Sequence[int]


class SubjectTrack(Closeable):
    """The subject that a mask shows.

    ``measured`` is where the focal plane has to be in each frame.
    """

    def __init__(self, path: Path, clip: DepthClip, measurements: _Measurements) -> None:
        self._path, self._clip, self._measurements = path, clip, measurements
        standings, starts = measurements.standings, measurements.starts
        self._times = clip.video.times
        found = np.array([one.disparity if one else np.nan for one in standings])
        self.measured = Measured(smooth_focus(found, clip.video.times_s, FOCUS_SMOOTHING_S, starts), starts)
        self._standings = _smoothed(standings, clip.video.times_s, starts)
        self._masks: MatchedFrames | None = None
        self._last_pts: int | None = None

    def hold(
        self, frame: Frame, disparity: Tensor, focus_disparity: float, share: float = 1.0
    ) -> tuple[Tensor, Tensor | None]:
        """Return ``disparity`` (``1 H W``) of a frame with the subject held at ``focus_disparity``.

        ``share`` (0..1) is how much of the way its background is moved behind it. With it comes the subject's
        coverage, ``1 H W``. Where the mask is empty for long, the disparity is returned as it is, without
        one. Frames are asked for in order of time; going back opens the mask anew.
        """
        if self._masks is None or (self._last_pts is not None and frame.pts < self._last_pts):
            self.close()
            self._masks = open_mask(self._path, self._clip.video)
        self._last_pts = frame.pts
        number = min(bisect_left(self._times, frame.pts), len(self._times) - 1)
        standing = self._standings[number]
        if standing is None:
            return disparity, None
        carried, occluders = self._measurements.carried[number], self._measurements.occluders[number]
        mask = carried.unpack()[None].float() if carried else self._masks.values_at(frame.pts)
        coverage = refine_edges(mask, frame.picture.cpu()).to(disparity.device)
        held = hold(
            disparity,
            coverage,
            replace(standing, presence=standing.presence * share),
            focus_disparity,
            occluders.unpack().to(disparity.device) if occluders else None,
        )
        return held, coverage

    def save(self, target: Path) -> None:
        """Write the measurements to an ``.npz``, which ``open_measured`` opens without measuring again."""
        measured = self._measurements
        rows = np.array([_as_row(one) for one in measured.standings])
        with target.open("wb") as file:
            np.savez(
                file,
                standings=rows,
                starts=np.array(measured.starts, int),
                **_as_arrays("occluder", measured.occluders),
                **_as_arrays("carried", measured.carried),
            )

    def close(self) -> None:
        """Stop reading the mask."""
        if self._masks is not None:
            self._masks.close()
            self._masks = None


def measure_subject(path: Path, clip: DepthClip, on_frames: OnCount) -> SubjectTrack:
    """Return the subject that the mask at ``path`` shows in a clip, read once from end to end.

    The mask is a gray video, a PNG folder or an array, of any size, matched to the frames as a disparity
    track is. Raises ``FocusError`` if it cannot be used or is empty in all frames.
    """
    count = len(clip.video.times)
    standings: list[Standing | None] = [None] * count
    occluders: list[_Region | None] = [None] * count
    carried: list[_Region | None] = [None] * count
    shares = [_UNSEEN] * count
    numbers: list[int] = []
    starts: list[int] = []

    def views() -> Iterator[SubjectView]:
        looks = ((one.number, _view(one), one.thumbnail) for one in masked_frames(path, clip, on_frames))
        for (number, view, _), starts_shot in find_shots(looks, lambda look: look[2]):
            numbers.append(number)
            if starts_shot:
                starts.append(number)
            yield replace(view, starts_shot=starts_shot)

    def filled() -> Iterator[SubjectView]:
        for place, view in enumerate(
            fill_gaps(views(), round(LONGEST_S / frame_interval_s(clip.video.times_s)))
        ):
            standings[numbers[place]] = view.standing
            shares[numbers[place]] = float(view.inside.mean())
            carried[numbers[place]] = _Region.pack(view.inside) if view.is_carried else None
            yield view

    for place, found in enumerate(find_occluders(filled())):
        occluders[numbers[place]] = _Region.pack(found) if found is not None else None
    if not any(standings):
        raise empty_mask(path, clip)
    tell_doubts(clip.video.info.path, shares, clip.video.times_s)
    if any(occluders):
        log.info("Something occludes the subject in %d frames.", sum(map(bool, occluders)))
    if any(carried):
        log.warning(
            "The mask of the subject in %s is empty for a moment (%d frames in all): it is carried through.",
            clip.video.info.path,
            sum(map(bool, carried)),
        )
    return SubjectTrack(path, clip, _Measurements(standings, occluders, carried, starts[1:]))


def open_measured(path: Path, clip: DepthClip, saved: Path) -> SubjectTrack:
    """Return the subject that the mask at ``path`` shows, as it was measured and saved before."""
    with np.load(saved, allow_pickle=False) as file:
        standings = [_from_row(row) for row in file["standings"]]
        occluders, carried = _from_arrays("occluder", file), _from_arrays("carried", file)
        return SubjectTrack(path, clip, _Measurements(standings, occluders, carried, file["starts"].tolist()))


def _as_arrays(name: str, regions: Sequence[_Region | None]) -> dict[str, Any]:
    """Regions as arrays of a file, each under a name that begins with ``name``."""
    bits = [one.bits if one else b"" for one in regions]
    return {
        f"{name}_bits": np.frombuffer(b"".join(bits), np.uint8),
        f"{name}_bytes": np.array([len(one) for one in bits]),
        f"{name}_sizes": np.array([one.size if one else (0, 0) for one in regions]),
    }


def _from_arrays(name: str, arrays: Mapping[str, NDArray[Any]]) -> list[_Region | None]:
    bits, counts = arrays[f"{name}_bits"].tobytes(), arrays[f"{name}_bytes"]
    return [
        _Region(bits[end - count : end], (height, width)) if height else None
        for end, count, (height, width) in zip(
            np.cumsum(counts), counts, arrays[f"{name}_sizes"].tolist(), strict=True
        )
    ]


def _view(one: MaskedFrame) -> SubjectView:
    """The subject in one frame, small; the frame itself is let go."""
    small, coverage = small_maps(one.disparity, one.mask)
    picture = interpolate(one.frame.picture.cpu()[None], small.shape, mode="area")[0]
    return SubjectView(
        gray=to_gray(picture),
        inside=(coverage >= INSIDE).numpy(),
        disparity=small.numpy(),
        standing=standing_in(small, coverage),
    )


def _as_row(one: Standing | None) -> Doubles:
    """How the subject stands as numbers, all of them NaN where it is not seen."""
    if one is None:
        return np.full(6 + COLUMNS, np.nan)
    numbers = [one.disparity, one.trust, one.overrun, one.slope, one.height, one.presence]
    return np.concatenate([numbers, one.line.numpy().astype(np.float64)])


def _from_row(row: Doubles) -> Standing | None:
    if np.isnan(row).all():
        return None
    disparity, trust, overrun, slope, height, presence = row[:6].tolist()
    line = torch.from_numpy(row[6:].astype(np.float32))
    return Standing(
        disparity=disparity,
        trust=trust,
        overrun=overrun,
        slope=slope,
        height=height,
        line=line,
        presence=presence,
    )


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
        # The track's, not the frame's.
        trust, overrun = (
            float(np.median([getattr(one, name) for one in seen])) for name in ("trust", "overrun")
        )
        result += [
            Standing(
                disparity=float(row[0]),
                trust=trust,
                overrun=overrun,
                slope=float(row[1]),
                height=float(row[2]),
                line=torch.from_numpy(row[3:].astype(np.float32)),
                presence=float(share),
            )
            for row, share in zip(np.stack(courses, 1), presence, strict=True)
        ]
    return result
