"""Motion as the network that finds a subject sees it: measured between two frames, cut to a window."""

import cv2
import numpy as np

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.motion.flow import SMALLEST_PX, FlowPreset, dense_flow
from any2bokeh.motion.own_motion import own_motion
from any2bokeh.subject.click_network import MOTION_UNIT
from any2bokeh.subject.click_views import Window

FARTHEST = 30.0  # units: a longer motion says no more


def flow_to(gray: Bytes, other: Bytes) -> Floats | None:
    """Return the flow ``h w 2`` [px] from a gray picture ``h w`` to another; nothing if none can be told."""
    if other.shape != gray.shape or min(gray.shape) < SMALLEST_PX:
        return None
    return dense_flow(gray, other, FlowPreset.UNREFINED)


def to_units(shift: Floats | None, subject: Floats | None = None) -> Floats | None:
    """Return a flow ``h w 2`` [px] apart from the camera's motion, in ``MOTION_UNIT``; nothing of nothing.

    ``subject`` is its expected mask of any size, which says nothing of the camera.
    """
    if shift is None:
        return None
    size = shift.shape[1::-1]
    inside = None if subject is None else cv2.resize(subject, size, interpolation=cv2.INTER_AREA) > 0.5
    unit = MOTION_UNIT * max(size)
    return np.asarray((own_motion(shift, inside) / unit).clip(-FARTHEST, FARTHEST), np.float32)


def motion_in(
    motion: Floats | None, window: Window, picture: tuple[int, int], size: tuple[int, int]
) -> Floats:
    """Return motion ``h w 2`` in a window of a picture as ``SeenCells`` has it, ``3 size``.

    ``picture`` is the height and width that the window belongs to; ``motion`` shows the same at any size.
    """
    seen = np.zeros((3, *size), np.float32)
    if motion is not None:
        rows, columns = motion.shape[0] / picture[0], motion.shape[1] / picture[1]
        top, left = int(window.top * rows), int(window.left * columns)
        bottom, right = (
            max(top + 1, round(window.bottom * rows)),
            max(left + 1, round(window.right * columns)),
        )
        part = motion[top:bottom, left:right]
        shrinks = cv2.INTER_AREA if part.shape[0] >= size[0] else cv2.INTER_LINEAR
        seen[:2] = cv2.resize(part, size[::-1], interpolation=shrinks).transpose(2, 0, 1)
        seen[2] = 1
    return seen
