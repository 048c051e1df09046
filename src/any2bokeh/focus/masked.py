"""The disparity of a masked subject, in each frame."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.arrays import Bytes, Doubles
from any2bokeh.depth.track import DepthClip, open_mask
from any2bokeh.errors import DisparityError, FocusError
from any2bokeh.motion.shots import find_shots, shot_thumbnail
from any2bokeh.progress import OnCount
from any2bokeh.scene import Frame
from any2bokeh.video.lossless import to_uint8_rgb

INSIDE = 0.5  # brighter pixels are inside the mask
MOST, SPREAD = (0.1, 0.9), 0.25  # disparity of most of a subject, and how far apart it may lie

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Measured:
    """The disparity of a subject in each frame, NaN where it is not seen; the frames that start shots."""

    disparity: Doubles
    starts: Sequence[int]


@dataclass(frozen=True, eq=False)
class MaskedFrame:
    """A frame with its mask, ``1 H W``, and its disparity, ``1 h w``, each of its own size.

    ``number`` is the frame's among those of the clip, ``thumbnail`` tells shots apart.
    """

    number: int
    frame: Frame
    disparity: Tensor
    mask: Tensor
    thumbnail: Bytes


def masked_frames(path: Path, clip: DepthClip, on_frames: OnCount) -> Iterator[MaskedFrame]:
    """Yield the frames of a clip with the mask at ``path``: a gray video, a PNG folder or an array.

    It may have any size, and is matched to the frames as a disparity track is. Raises ``FocusError`` if it
    cannot be used.
    """
    place = {pts: number for number, pts in enumerate(clip.video.times)}
    try:
        with open_mask(path, clip.video) as masks, clip.frames() as frames:
            for done, (frame, disparity) in enumerate(frames, start=1):
                mask = masks.values_at(frame.pts)
                on_frames(done)
                thumbnail = shot_thumbnail(to_uint8_rgb(frame.picture))
                yield MaskedFrame(place[frame.pts], frame, disparity, mask, thumbnail)
    except DisparityError as error:
        raise FocusError(f"The mask cannot be used: {error.message}") from error


def empty_mask(path: Path, clip: DepthClip) -> FocusError:
    """Return the error of a mask that shows nothing in any frame."""
    return FocusError(
        f"The mask {path} is empty in every frame of {clip.video.info.path}.",
        hint="The subject must be brighter than half of white.",
    )


def disparity_in_mask(path: Path, clip: DepthClip, on_frames: OnCount) -> Measured:
    """Return the median of the disparity inside a mask for each frame of a clip, NaN where it is empty.

    A subject that is not at one distance is warned of. Raises ``FocusError`` if the mask cannot be used or is
    empty in all frames.
    """
    middles, spreads = np.full(len(clip.video.times), np.nan), []

    def measured() -> Iterator[tuple[int, Bytes]]:
        """The number of each frame and its thumbnail; the frame itself is let go."""
        for one in masked_frames(path, clip, on_frames):
            # Edges of a mask are sharper than those of disparity: disparity takes the mask's size.
            fitted = interpolate(one.disparity[None].cpu(), size=one.mask.shape[1:], mode="nearest")[0]
            inside = fitted[one.mask > INSIDE]
            if len(inside):
                middles[one.number] = torch.median(inside)
                spreads.append(np.quantile(inside.numpy(), MOST))
            yield one.number, one.thumbnail

    shots = find_shots(measured(), lambda frame: frame[1])
    starts = [number for (number, _), starts_shot in shots if starts_shot]
    if np.isnan(middles).all():
        raise empty_mask(path, clip)
    farthest, nearest = np.mean(spreads, axis=0)
    if nearest - farthest > SPREAD:
        log.warning(
            "The subject in the mask spans disparity %.2f to %.2f around the focus: parts of it will blur.",
            farthest,
            nearest,
        )
    return Measured(middles, starts[1:])  # the first frame begins no new shot
