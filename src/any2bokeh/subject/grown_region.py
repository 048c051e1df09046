"""A subject without any network: the surface under a click, grown in disparity and followed by its motion.

It is a part of the thing, or more than it, as the estimated disparity has it: enough to focus on, too
little to hold (measured in ``docs/mask.md``).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.focus.follower import FollowedFrame, Follower
from any2bokeh.scene import Frame
from any2bokeh.subject.segmenter import Click


class GrownRegion:
    """Follows one subject by its surface; regions that grow from clicks on other things are cut away."""

    def __init__(self) -> None:
        self._followers: list[tuple[Follower, bool]] = []  # each with whether it is on the subject

    def view(self, frame: Frame, disparity: Tensor | None) -> FollowedFrame:
        """Return the frame and its disparity, made small."""
        assert disparity is not None
        return FollowedFrame.at(frame, disparity)

    def start(self, view: FollowedFrame, clicks: Sequence[Click]) -> Tensor:
        """Return the region around ``clicks``; see ``SubjectSegmenter``."""
        self._followers = []
        return self._with(view, clicks)

    def step(self, view: FollowedFrame, clicks: Sequence[Click] = ()) -> Tensor:
        """Return the region in the next frame; see ``SubjectSegmenter``."""
        for follower, _ in self._followers:
            follower.step(view)
        return self._with(view, clicks)

    def _with(self, view: FollowedFrame, clicks: Sequence[Click]) -> Tensor:
        self._followers += [(Follower(view, click.x, click.y), click.on_subject) for click in clicks]
        masks, nearest = {}, {}
        for on_subject in (True, False):
            chosen = [follower for follower, is_on in self._followers if is_on == on_subject]
            masks[on_subject] = np.any([view.gray > 255, *(one.mask for one in chosen)], axis=0)
            nearest[on_subject] = np.min([_away(view, one) for one in chosen], axis=0, initial=np.inf)
        # Two clicks may lie on one surface: each keeps the part of it that is nearer to it.
        mask = masks[True] & ~(masks[False] & (nearest[False] < nearest[True]))
        return torch.from_numpy(mask.astype(np.float32))[None]


def _away(view: FollowedFrame, follower: Follower) -> Floats:
    """How far each pixel is from the place of a follower: ``h w``, in squares of pixels."""
    height, width = view.gray.shape
    rows = (np.arange(height, dtype=np.float32) - follower.seen.y * height) ** 2
    columns = (np.arange(width, dtype=np.float32) - follower.seen.x * width) ** 2
    squares: Floats = rows[:, None] + columns
    return squares
