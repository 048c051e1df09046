"""Where one shot of a clip ends and the next begins, for what must not be smoothed across a cut."""

import cv2
import numpy as np
from numpy.typing import NDArray

from any2bokeh.motion.flow import flow_between
from any2bokeh.motion.shots import is_lost
from any2bokeh.scene import Frame

SIDE_PX = 256  # longer side of the pictures that are compared
CHANGE = 8.0  # in code values of 255: what changes less on average is no cut, and is not looked into


class Shots:
    """Notes in ``starts`` the numbers of the frames that show nothing of the frame before them."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self._last: NDArray[np.uint8] | None = None

    def look(self, number: int, frame: Frame) -> None:
        """Compare the frame of that number with the one looked at before."""
        height, width = frame.picture.shape[1:]
        scale = SIDE_PX / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        gray = frame.picture.mean(dim=0).cpu().numpy() * 255
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).round().clip(0, 255).astype(np.uint8)
        if self._last is not None and cv2.absdiff(small, self._last).mean() > CHANGE:
            flow, _ = flow_between(small, self._last)
            if is_lost(flow):
                self.starts.append(number)
        self._last = small
