"""All subjects of a clip, held: one, several at once, or one after the other as the focus moves."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from any2bokeh.closeable import Closeable
from any2bokeh.scene import Frame
from any2bokeh.subject.hold import INSIDE
from any2bokeh.subject.subject_track import SubjectTrack

IN_PLANE = 1e-4  # of disparity: so near to the focal plane nothing blurs

Plane = Callable[[int], float]  # where a subject is held, at each time stamp


class HeldDisparity(NamedTuple):
    """Disparity in which subjects are held, ``1 H W``, with the share of each pixel that they cover.

    ``coverage`` is that of subjects in focus, ``matte`` that of all; ``None`` where there are none.
    """

    disparity: Tensor
    coverage: Tensor | None = None
    matte: Tensor | None = None


class HeldSubjects(Closeable):
    """Some subjects, each with its own mask.

    Without a pull between them all are held in the focal plane. With one, ``planes`` are their own distances:
    each is held there all the time, so that the one that the focus has left blurs as a whole, and nothing
    jumps while the focus goes from one to the other. ``shares`` say how much each is in focus: by so much
    its background is moved behind it.
    """

    def __init__(
        self,
        tracks: Sequence[SubjectTrack],
        planes: Sequence[Plane] = (),
        shares: Callable[[int], Sequence[float]] | None = None,
    ) -> None:
        self._tracks, self._planes, self._shares = tracks, planes, shares

    def hold(self, frame: Frame, disparity: Tensor, focus_disparity: float) -> HeldDisparity:
        """Return the disparity in which the subjects are held, and what they cover.

        See ``SubjectTrack.hold``. Coverage tells of sharp edges, so a subject that is out of focus has none.
        """
        planes = [plane(frame.pts) for plane in self._planes] or [focus_disparity] * len(self._tracks)
        shares = self._shares(frame.pts) if self._shares else [1.0] * len(self._tracks)
        # From the farthest to the nearest: a nearer one's background may be a subject itself.
        found: list[tuple[float, Tensor]] = []
        for plane, share, track in sorted(
            zip(planes, shares, self._tracks, strict=True), key=lambda one: one[0]
        ):
            disparity, coverage = track.hold(frame, disparity, plane, share)
            if coverage is not None:
                found.append((plane, coverage))
        if not found:
            return HeldDisparity(disparity)
        for plane, coverage in found if len(found) > 1 else []:
            disparity = torch.where(coverage >= INSIDE, disparity.new_tensor(plane), disparity)
        sharp = [coverage for plane, coverage in found if abs(plane - focus_disparity) < IN_PLANE]
        matte = torch.stack([coverage for _, coverage in found]).amax(0)
        return HeldDisparity(disparity, torch.stack(sharp).amax(0) if sharp else None, matte)

    def close(self) -> None:
        """Stop reading the masks."""
        for track in self._tracks:
            track.close()
