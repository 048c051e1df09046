"""Pictures and clips with their transparency: in the file itself, or in a mask beside it."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.errors import DisparityError, VideoError
from any2bokeh.video.color import PictureReader, pixel_layout
from any2bokeh.video.decode import probe_video
from any2bokeh.video.demux import Damage, decoded_frames, open_source, video_stream
from any2bokeh.video.gray import open_gray


def has_alpha(path: Path) -> bool:
    """Whether a picture or video says where it is transparent; raises ``VideoError``."""
    return pixel_layout(probe_video(path).pixel_format).has_alpha


def read_matted(path: Path, mask: Path | None = None) -> Iterator[Tensor]:
    """Yield display-referred R'G'B' and coverage, ``4 H W`` in 0..1, of a picture or of a video's frames.

    Coverage is that of ``mask``, a gray picture or video of the same size, or of the file itself; it is 1
    where neither says anything. Raises ``VideoError``.
    """
    masks = _masks(mask) if mask else None
    for picture in _pictures(path):
        if masks:
            coverage = next(masks, None)
            if coverage is None:
                raise VideoError(f"The mask {mask} has fewer frames than {path}.")
            if coverage.shape[1:] != picture.shape[1:]:
                sizes = [f"{image.shape[2]}x{image.shape[1]}" for image in (coverage, picture)]
                raise VideoError(f"The mask {mask} is {sizes[0]}, and {path} is {sizes[1]}.")
            picture = torch.cat([picture[:3], coverage])
        yield picture


def _masks(path: Path) -> Iterator[Tensor]:
    """One gray picture counts for all frames."""
    try:
        reader = open_gray(path, "mask")
        while True:
            yield from (values for _, values in reader.frames())
            if reader.frame_count > 1:
                return
    except DisparityError as error:
        raise VideoError(error.message, error.hint) from error


def _pictures(path: Path) -> Iterator[Tensor]:
    info = probe_video(path)
    reader = PictureReader(info.coding_tags, info.orientation, info.crop)
    with open_source(path) as container:
        stream = video_stream(path, container)
        for _, frame in decoded_frames(container, stream, Damage(path)):
            color = torch.from_numpy(reader.read(frame))
            coverage = torch.from_numpy(
                np.ascontiguousarray(info.orientation.displayed(info.crop.shown(_alpha(frame))))
            )
            yield torch.cat([color, coverage[None]])


def _alpha(frame: av.VideoFrame) -> NDArray[np.float32]:
    """Coverage ``h w`` as stored."""
    if not pixel_layout(frame.format.name).has_alpha:
        return np.ones((frame.height, frame.width), np.float32)
    packed: NDArray[np.uint8] = frame.to_ndarray(format="rgba")
    return packed[..., 3].astype(np.float32) / np.float32(255)
