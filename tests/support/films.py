"""Small films and disparity tracks, made on the spot."""

from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48


def write_clip(
    path: Path,
    frames: int = 4,
    width: int = WIDTH,
    height: int = HEIGHT,
    *,
    audio: str | None = None,
    rotation: int = 0,
) -> Path:
    """Write moving stripes over a ramp, H.264 at 24 frames/s, with a second of a sine in ``audio``'s codec.

    The colors are mild, so that none leaves R'G'B' on its way through Y'CbCr.
    """
    rows, columns = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"crf": "12", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv444p" if width % 2 else "yuv420p"
        if rotation:
            video.set_display_rotation(rotation)
        sound = container.add_stream(audio, rate=48000, layout="mono") if audio else None
        for index in range(frames):
            stripes = 80 + 60 * ((columns + index) // 4 % 2)
            picture = np.stack([stripes + rows, stripes, stripes + 20], axis=-1).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        if sound:
            write_sine(container, sound)
    return path


def write_sine(container: av.container.OutputContainer, stream: av.AudioStream) -> None:
    """Write one second of 440 Hz."""
    samples = (np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000) * 8000).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = 48000, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())


def write_track(path: Path, frames: int = 4, width: int = WIDTH, height: int = HEIGHT) -> Path:
    """Write disparity that rises from 0 at the left to 1 at the right: FFV1 gray16le."""
    ramp = np.broadcast_to(np.linspace(0, 65535, width).astype(np.uint16), (height, width))
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=24)
        video.width, video.height, video.pix_fmt = width, height, "gray16le"
        for _ in range(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp), "gray16le")))
        container.mux(video.encode())
    return path
