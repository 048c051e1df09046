"""Videos of given times and sizes, in nothing but color noise."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

MakeVideo = Callable[..., Path]


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Write a video of the frames at ``pts`` in 1/1000 s and return its path."""

    def make(
        pts: list[int],
        size: tuple[int, int] = (64, 48),
        name: str = "video.mp4",
        rotation: int = 0,
        pixel_aspect: Fraction | None = None,
    ) -> Path:
        generator = np.random.default_rng(0)
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height = size
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            if pixel_aspect:
                stream.codec_context.sample_aspect_ratio = pixel_aspect
            if rotation:
                stream.set_display_rotation(rotation)
            for time in pts:
                pixels = generator.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make
