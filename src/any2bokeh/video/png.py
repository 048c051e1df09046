"""Single pictures: PNG in and out."""

from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from any2bokeh.atomic import partial_file
from any2bokeh.errors import ShapeError, VideoError
from any2bokeh.video.color import frame_planes
from any2bokeh.video.limits import check_pixels, check_readable, max_pixels
from any2bokeh.video.lossless import to_uint8_rgb

PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"  # width and height follow


def write_png(target: Path, image: Tensor, *, overwrite: bool = False) -> None:
    """Write R'G'B' ``3 H W`` with 8 bits, or gray ``1 H W`` with 16, both from 0..1; others are clamped.

    ``target`` appears when it is complete. Raises ``VideoError`` if it cannot be written.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ShapeError(f"image must be 3 H W or 1 H W, got {tuple(image.shape)}")
    frame = (
        av.VideoFrame.from_ndarray(to_uint8_rgb(image), format="rgb24")
        if image.shape[0] == 3
        else _gray_frame(image)
    )
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base = 1
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    with partial_file(target, overwrite=overwrite) as partial:
        try:
            partial.write_bytes(b"".join(bytes(packet) for packet in packets))
        except OSError as error:
            raise VideoError(f"{target} cannot be written: {error.strerror}.") from error


def read_png(path: Path) -> Tensor:
    """Return a PNG's R'G'B' (``3 H W`` in 0..1), without its alpha; raises ``VideoError``."""
    planes, largest = frame_planes(read_png_frame(path))
    green, blue, red = planes if len(planes) == 3 else 3 * planes
    return torch.from_numpy(np.stack([red, green, blue]).astype(np.float32) / np.float32(largest))


def read_png_frame(path: Path) -> av.VideoFrame:
    """Return a PNG as it is stored; raises ``VideoError`` if it cannot be read."""
    check_readable(path, "a PNG")
    try:
        # FFmpeg takes memory for the size that a PNG declares before it looks at what follows.
        with path.open("rb") as file:
            head = file.read(len(PNG_HEAD) + 8)
        if head.startswith(PNG_HEAD):
            check_pixels(path, int.from_bytes(head[-8:-4]), int.from_bytes(head[-4:]))
        # Named, since FFmpeg would otherwise take "frame%02d.png" for a whole sequence.
        with av.open(
            f"file:{path}", format="png_pipe", options={"max_pixels": str(max_pixels())}
        ) as container:
            return next(container.decode(video=0))
    except (av.FFmpegError, OSError, StopIteration) as error:
        raise VideoError(f"{path} cannot be read as a PNG.") from error


def _gray_frame(values: Tensor) -> av.VideoFrame:
    codes = (values[0].clamp(0, 1) * 65535).round().cpu().numpy().astype(np.uint16)
    return av.VideoFrame.from_ndarray(codes, format="gray16le").reformat(format="gray16be")
