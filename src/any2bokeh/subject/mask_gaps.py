"""Gaps of a mask: a few frames in which it is empty, between others in which it is not.

Trackers and hands drop frames. So that the subject does not blur for a moment, its mask is carried along the
optical flow into such frames, from both sides. Where the two do not meet, or do not look like the subject
there, it is hidden and not forgotten: the mask stays empty.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch

from any2bokeh.arrays import Bytes, Flags, Floats
from any2bokeh.motion.flow import SMALLEST_PX, FlowPreset, dense_flow, warp
from any2bokeh.subject.hold import INSIDE, standing_in
from any2bokeh.subject.occlusion import SubjectView

LONGEST_S = 0.25
MEET = 0.6  # overlap (IoU) of the masks that come from both sides
ALIKE = 16.0  # codes: median difference of the subject from itself, carried along


@dataclass(frozen=True, eq=False)
class _Carried:
    """A mask, ``h w`` in 0..1, and the gray picture ``h w`` of its frame, brought to another frame."""

    mask: Floats
    gray: Bytes

    def to(self, before: Bytes, after: Bytes) -> "_Carried":
        """Bring both from the frame with the picture ``before`` to the one with ``after``."""
        shift = dense_flow(after, before, FlowPreset.UNREFINED)
        return _Carried(warp(self.mask, shift), warp(self.gray, shift))


def fill_gaps(views: Iterable[SubjectView], longest: int) -> Iterator[SubjectView]:
    """Yield the views of a clip, in order; in gaps of up to ``longest`` frames with a mask, ``is_carried``.

    At most ``longest + 2`` of them are held. No gap goes over the start of a shot.
    """
    before: SubjectView | None = None
    gap: list[SubjectView] = []
    for view in views:
        is_seen = view.standing is not None
        if before and not is_seen and not view.starts_shot and len(gap) < longest:
            gap.append(view)
            continue
        if before and is_seen and not view.starts_shot:
            gap = _filled(before, gap, view)
        yield from gap
        gap.clear()
        yield view
        before = view if is_seen else None
    yield from gap


def _filled(before: SubjectView, gap: Sequence[SubjectView], after: SubjectView) -> list[SubjectView]:
    """The views of a gap with the mask of those on both sides, or as they are where these do not agree."""
    if not gap or min(before.gray.shape) < SMALLEST_PX:
        return [*gap]
    from_before = _carry([before, *gap])
    from_after = _carry([after, *reversed(gap)])[::-1]
    filled = []
    for place, (view, one, other) in enumerate(zip(gap, from_before, from_after, strict=True), start=1):
        if not _agree(view.gray, one, other):
            return [*gap]
        share = np.float32(place / (len(gap) + 1))
        mask = (1 - share) * one.mask + share * other.mask
        filled.append(
            replace(
                view,
                inside=mask >= INSIDE,
                standing=standing_in(torch.from_numpy(view.disparity), torch.from_numpy(mask)),
                is_carried=True,
            )
        )
    return filled


def _carry(views: Sequence[SubjectView]) -> list[_Carried]:
    """The mask of the first view in each of those that follow it."""
    carried = _Carried(views[0].inside.astype(np.float32), views[0].gray)
    result = []
    for before, after in pairwise(views):
        carried = carried.to(before.gray, after.gray)
        result.append(carried)
    return result


def _agree(gray: Bytes, one: _Carried, other: _Carried) -> bool:
    """Whether two masks meet in the frame with the picture ``gray``, and its picture is theirs."""
    inside: list[Flags] = [carried.mask >= INSIDE for carried in (one, other)]
    if (inside[0] & inside[1]).sum() <= MEET * (inside[0] | inside[1]).sum():
        return False
    return all(
        np.median(np.abs(gray[mask].astype(np.float32) - carried.gray[mask])) <= ALIKE
        for mask, carried in zip(inside, (one, other), strict=True)
    )
