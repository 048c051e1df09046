"""The disparity of what a mask shows, in each frame."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from any2bokeh.arrays import Bytes, Doubles
from any2bokeh.depth.track import DepthClip, open_mask
from any2bokeh.errors import DisparityError, FocusError
from any2bokeh.motion.shots import find_shots, shot_thumbnail
from any2bokeh.progress import OnCount
from any2bokeh.video.lossless import to_uint8_rgb

INSIDE = 0.5  # what is brighter is inside the mask
MOST, SPREAD = (0.1, 0.9), 0.25  # disparity of most of a subject, and how far apart it may lie

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Measured:
    """The disparity of a subject in each frame, NaN where it is not seen; the frames that start shots."""

    disparity: Doubles
    starts: Sequence[int]


def disparity_in_mask(path: Path, clip: DepthClip, on_frames: OnCount) -> Measured:
    """Return the median of the disparity inside a mask for each frame of a clip, NaN where it is empty.

    The mask is a gray video, a PNG folder or an array, of any size, matched to the frames as a disparity
    track is. A subject that is not at one distance is warned of. Raises ``FocusError`` if the mask cannot be
    used or is empty in all frames.
    """
    times = clip.video.times
    middles, spreads = np.full(len(times), np.nan), []
    place = {pts: number for number, pts in enumerate(times)}

    def measured() -> Iterator[tuple[int, Bytes]]:
        """The number of each frame and its thumbnail; the frame itself is let go."""
        with open_mask(path, clip.video) as masks, clip.frames() as frames:
            for done, (frame, disparity) in enumerate(frames, start=1):
                mask = masks.values_at(frame.pts)
                # Edges of a mask are sharper than those of disparity: disparity takes the mask's size.
                fitted = interpolate(disparity[None].cpu(), size=mask.shape[1:], mode="nearest")[0]
                inside = fitted[mask > INSIDE]
                if len(inside):
                    middles[place[frame.pts]] = torch.median(inside)
                    spreads.append(np.quantile(inside.numpy(), MOST))
                on_frames(done)
                yield place[frame.pts], shot_thumbnail(to_uint8_rgb(frame.picture))

    try:
        shots = find_shots(measured(), lambda frame: frame[1])
        starts = [number for (number, _), starts_shot in shots if starts_shot]
    except DisparityError as error:
        raise FocusError(f"The mask cannot be used: {error.message}") from error
    if np.isnan(middles).all():
        raise FocusError(
            f"The mask {path} is empty in every frame of {clip.video.info.path}.",
            hint="What is brighter than half of white is inside.",
        )
    farthest, nearest = np.mean(spreads, axis=0)
    if nearest - farthest > SPREAD:
        log.warning(
            "What the mask shows lies at %.2f to %.2f, and the focus is between: parts of it will blur.",
            farthest,
            nearest,
        )
    return Measured(middles, starts[1:])  # the first frame begins no new shot
