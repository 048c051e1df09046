import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from av import VideoFrame
from av.codec.context import CodecContext
from facts import naming

from any2bokeh.errors import ShapeError, VideoError
from any2bokeh.video.gray import open_gray
from any2bokeh.video.png import read_png, write_png


@pytest.mark.parametrize("name", ["picture.png", "take %02d: 1.png"])
def test_every_8_bit_code_comes_back(tmp_path: Path, name: str) -> None:
    codes = torch.stack([torch.arange(256), 255 - torch.arange(256), torch.arange(256) ^ 85])
    picture = (codes / 255)[:, None].expand(3, 3, 256)
    write_png(tmp_path / name, picture)
    torch.testing.assert_close(read_png(tmp_path / name), picture, rtol=0, atol=1e-6)


def test_gray_is_written_with_16_bits(tmp_path: Path) -> None:
    values = torch.arange(65536).view(1, 256, 256) / 65535
    write_png(tmp_path / "disparity.png", values)
    _, read = next(open_gray(tmp_path / "disparity.png").frames())
    assert torch.equal(read, values)


def test_values_outside_0_to_1_are_clamped(tmp_path: Path) -> None:
    write_png(tmp_path / "picture.png", torch.tensor([-0.5, 1.5]).view(1, 1, 2).expand(3, 1, 2))
    assert read_png(tmp_path / "picture.png")[:, 0].tolist() == 3 * [[0, 1]]


def test_alpha_is_left_out(tmp_path: Path) -> None:
    pixels = np.full((4, 6, 4), (255, 51, 0, 20), np.uint8)
    encoder = CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 6, 4, "rgba", Fraction(1)
    frame = VideoFrame.from_ndarray(pixels, format="rgba")
    path = tmp_path / "picture.png"
    path.write_bytes(b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]))
    expected = torch.tensor([1, 0.2, 0]).view(3, 1, 1).expand(3, 4, 6)
    torch.testing.assert_close(read_png(path), expected, rtol=0, atol=1e-6)


def test_what_exists_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("precious")
    with pytest.raises(VideoError, match=naming(path, "exists")):
        write_png(path, torch.rand(3, 4, 4))
    assert path.read_text() == "precious"
    write_png(path, torch.rand(3, 4, 4), overwrite=True)
    assert read_png(path).shape == (3, 4, 4)
    assert os.listdir(tmp_path) == ["picture.png"]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=naming(tmp_path / "missing", "exist")):
        write_png(tmp_path / "missing" / "picture.png", torch.rand(3, 4, 4))
    with pytest.raises(VideoError, match=naming(tmp_path, "a folder")):
        write_png(tmp_path, torch.rand(3, 4, 4))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n and then nothing"])
def test_files_that_are_no_png_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "picture.png").write_bytes(content)
    with pytest.raises(VideoError, match=naming(tmp_path / "picture.png", "PNG")):
        read_png(tmp_path / "picture.png")
    with pytest.raises(VideoError, match=naming(tmp_path / "missing.png")):
        read_png(tmp_path / "missing.png")


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="3 H W"):
        write_png(tmp_path / "picture.png", torch.rand(4, 4, 3))
