"""Video through pipes."""

import io
import os
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from films import write_clip
from stills import write_sequence

from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.video.clip import Clip
from any2bokeh.video.footage import open_footage
from any2bokeh.video.pipes import is_stream
from any2bokeh.video.streams import Y4mSink, kept_stream


def as_y4m(clip: Clip) -> bytes:
    file = io.BytesIO()
    sink = Y4mSink(file, clip.info)
    with clip.frames() as frames:
        for frame in frames:
            sink.encode(Frame(picture=frame.picture, pts=frame.pts))
    sink.finish()
    return file.getvalue()


def stored_video(folder: Path, pixel_format: str, rate: Fraction = Fraction(30000, 1001)) -> Path:
    generator = np.random.default_rng(0)
    path = folder / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 32, 24, pixel_format
        for _ in range(3):
            small = generator.integers(60, 180, (6, 8, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
            frame = av.VideoFrame.from_ndarray(small, format="rgb24").reformat(format=pixel_format)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "gray", "gray10le"]
)
def test_y4m_holds_the_codes_of_the_source_and_ffmpeg_reads_them(tmp_path: Path, pixel_format: str) -> None:
    path = stored_video(tmp_path, pixel_format)
    with open_footage(path) as clip:
        (tmp_path / "out.y4m").write_bytes(as_y4m(clip))
    with av.open(str(path)) as one, av.open(str(tmp_path / "out.y4m")) as other:
        stream = other.streams.video[0]
        assert (stream.average_rate, stream.pix_fmt) == (Fraction(30000, 1001), pixel_format)
        pairs = list(zip(one.decode(video=0), other.decode(video=0), strict=True))
    assert len(pairs) == 3
    for before, after in pairs:
        assert np.array_equal(before.to_ndarray(), after.to_ndarray())


def test_pictures_become_y4m_upright(tmp_path: Path) -> None:
    with open_footage(write_sequence(tmp_path / "s.%04d.png", [1001, 1002], 16)) as clip:
        (tmp_path / "out.y4m").write_bytes(as_y4m(clip))
    with av.open(str(tmp_path / "out.y4m")) as file:
        frames = list(file.decode(video=0))
    assert [frame.format.name for frame in frames] == ["yuv444p10le"] * 2


def test_a_fifo_is_kept_and_read_as_a_file(tmp_path: Path) -> None:
    fifo, source = tmp_path / "pipe", write_clip(tmp_path / "clip.mkv")
    os.mkfifo(fifo)
    assert is_stream(fifo) and is_stream(Path("-")) and is_stream(Path("/dev/null"))
    assert not is_stream(source) and not is_stream(tmp_path / "nothing")
    with pytest.raises(VideoError, match="pipe"):  # before anything waits for it
        open_footage(fifo)
    giver = threading.Thread(target=lambda: fifo.write_bytes(source.read_bytes()))
    giver.start()
    with kept_stream(fifo, "matroska") as kept, open_footage(kept) as clip:
        assert len(clip.times) == 4
    giver.join()
    assert not kept.exists()


@pytest.mark.parametrize(("content", "stated"), [(b"", None), (b"YUV4MPEG2 W2", "nut")])
def test_a_stream_that_is_empty_or_of_another_format_is_an_error(
    tmp_path: Path, content: bytes, stated: str | None
) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    giver = threading.Thread(target=lambda: fifo.write_bytes(content))
    giver.start()
    with pytest.raises(VideoError, match="pipe"), kept_stream(fifo, stated):  # type: ignore[arg-type]
        pass
    giver.join()


def test_a_reader_that_has_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with (
        os.fdopen(writing, "wb", buffering=0) as file,
        open_footage(write_clip(tmp_path / "clip.mkv")) as clip,
    ):
        sink = Y4mSink(file, clip.info)  # type: ignore[arg-type]
        with pytest.raises(VideoError, match="gone away"):
            sink.encode(Frame(picture=torch.zeros(3, clip.info.height, clip.info.width), pts=0))
        sink.finish()  # what comes after does not fail again
