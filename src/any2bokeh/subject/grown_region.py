"""A subject without any network: the surface under a click, grown in disparity and followed by its motion.

It is a part of the thing, or more than it, as the estimated disparity has it: enough to focus on, too
little to hold (see ``docs/mask.md`` for what was measured).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from any2bokeh.focus.follower import FollowedFrame, Follower
from any2bokeh.scene import Frame
from any2bokeh.subject.segmenter import Click


class GrownRegion:
    """Follows one subject by its surface; what grows from clicks beside the subject is cut away."""

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
        mask = np.zeros(view.gray.shape, np.bool_)
        for follower, on_subject in self._followers:
            if on_subject:
                mask |= follower.mask
        for follower, on_subject in self._followers:
            if not on_subject:
                mask &= ~follower.mask
        return torch.from_numpy(mask.astype(np.float32))[None]
