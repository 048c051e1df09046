"""The codes of a frame and the gray that it shows, as exact fractions of its largest code.

Gray and RGB formats are full range, whatever their tags say; YUV is full range only where the file says so.
RGB and YUV must be gray in fact: false colours, made for looking, cannot be read back as numbers.
"""

from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from any2bokeh.errors import DisparityError
from any2bokeh.video.color import FULL, ColorTags, pixel_layout, plane_codes

# Compression leaves gray within a few codes of 255; false colours are far from it almost everywhere.
COLOURED = 0.08
COLOURED_SHARE = 0.02
SAMPLED = 4  # every so many rows and columns are enough to see that


def codes(frame: av.VideoFrame) -> tuple[list[NDArray[Any]], float]:
    """Return the frame's codes plane by plane (gray; Y, U, V; or G, B, R), and the largest code there is.

    A frame of floats has 1 for its largest.
    """
    layout = pixel_layout(frame.format.name)
    if not layout.is_planar:
        # With equal ranges the codes stay what they are. Alpha in a plane of its own is left out below, not
        # by this, which would garble planes of 10 and more bits.
        frame = VideoReformatter().reformat(
            frame, format=layout.planar, src_color_range=FULL, dst_color_range=FULL
        )
    depth = max(layout.depth, 8)
    largest = 1.0 if depth == 32 else 2.0**depth - 1
    return [plane_codes(plane, depth) for plane in frame.planes[: 1 if layout.kind == "gray" else 3]], largest


def gray_values(frame: av.VideoFrame, stated_range: int, name: str) -> NDArray[np.float32]:
    """Return ``h w`` as stored (not turned): 0..1, unless the frame holds floats, which stay as they are.

    ``stated_range`` is what the container says of YUV (0: nothing, 1: limited, 2: full); ``name`` is the
    frame's, for messages. Raises ``DisparityError`` if the frame is in colour.
    """
    layout = pixel_layout(frame.format.name)
    (first, *others), largest = codes(frame)
    gray: NDArray[np.float32] = first.astype(np.float32)
    if layout.kind == "gray":
        return gray / np.float32(largest)
    reference = gray[::SAMPLED, ::SAMPLED] if layout.kind == "rgb" else (largest + 1) / 2
    for other in others:
        if (abs(other[::SAMPLED, ::SAMPLED] - reference) > COLOURED * largest).mean() > COLOURED_SHARE:
            raise DisparityError(
                f"{name} is in colour, and must be gray.",
                hint="A track in false colours is made for looking; give the track that it was made from.",
            )
    if layout.is_full_range(ColorTags(range=stated_range or frame.color_range)):
        return gray / np.float32(largest)
    step = (largest + 1) / 256
    expanded: NDArray[np.float32] = (gray - np.float32(16 * step)) / np.float32(219 * step)
    return expanded.clip(0, 1)
