import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from av.codec.context import CodecContext
from facts import naming
from numpy.typing import NDArray

from any2bokeh.errors import DisparityError, VideoError
from any2bokeh.video.gray import open_gray, open_gray_writer

WIDTH, HEIGHT = 32, 16
MILLISECOND = Fraction(1, 1000)


def frame_of(pixel_format: str, planes: list[NDArray[Any]]) -> av.VideoFrame:
    height, width = planes[0].shape[:2]
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, codes in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        data = np.ascontiguousarray(codes).view(np.uint8).reshape(plane.height, -1)
        rows[:, : data.shape[1]] = data
    return frame


def write_video(
    path: Path,
    frames: list[av.VideoFrame],
    codec: str = "ffv1",
    color_range: int = 0,
    rotation: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = frames[0].format.name
        stream.codec_context.color_range = color_range
        if rotation:
            stream.set_display_rotation(rotation)
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base, frame.color_range = number, Fraction(1, 25), color_range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_png_codes(path: Path, pixel_format: str, codes: NDArray[Any]) -> Path:
    frame = frame_of(pixel_format, [codes])
    encoder = CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, pixel_format
    encoder.time_base = Fraction(1)
    path.write_bytes(b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]))
    return path


def codes_up_to(largest: int, dtype: Any = np.uint16) -> NDArray[Any]:
    codes = np.linspace(0, largest, WIDTH * HEIGHT).round().astype(dtype)
    return codes.reshape(HEIGHT, WIDTH)


def read_all(path: Path, first: int = 0) -> list[torch.Tensor]:
    return [picture for _, picture in open_gray(path).frames(first)]


def assert_is(picture: torch.Tensor, codes: NDArray[Any], largest: int) -> None:
    torch.testing.assert_close(picture, torch.from_numpy(codes / largest).float()[None], rtol=0, atol=1e-7)


def neutral(value: int, dtype: Any, height: int = HEIGHT // 2, width: int = WIDTH // 2) -> NDArray[Any]:
    return np.full((height, width), value, dtype)


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Within the block alone: the test's report may go to a file that is larger by now."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_every_code_comes_back_at_its_time(tmp_path: Path) -> None:
    codes = torch.arange(65536).view(1, 256, 256)
    path = tmp_path / "track.mkv"
    pts = [0, 512, 1024, 5120]  # 1/12800 s, with a gap
    with open_gray_writer(path, 256, 256, Fraction(1, 12800), Fraction(25)) as writer:
        for time in pts:
            writer.write(codes.roll(time) / 65535, time)
    reader = open_gray(path)
    assert (reader.width, reader.height, reader.frame_count) == (256, 256, 4)
    assert reader.time_base == MILLISECOND and reader.times == [0, 40, 80, 400]
    for number, picture in reader.frames():
        assert torch.equal((picture * 65535).round().long(), codes.roll(pts[number]))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "gray16le")


@pytest.mark.parametrize(
    ("pixel_format", "largest"), [("gray", 255), ("gray10le", 1023), ("gray12le", 4095), ("gray16le", 65535)]
)
@pytest.mark.parametrize("color_range", [0, 1, 2])
def test_gray_is_full_range_whatever_it_says(
    tmp_path: Path, pixel_format: str, largest: int, color_range: int
) -> None:
    codes = codes_up_to(largest, np.uint8 if largest == 255 else np.uint16)
    path = write_video(tmp_path / "track.mkv", [frame_of(pixel_format, [codes])], color_range=color_range)
    assert_is(read_all(path)[0], codes, largest)


@pytest.mark.parametrize(("pixel_format", "depth"), [("yuv420p", 8), ("yuv444p", 8), ("yuv420p10le", 10)])
@pytest.mark.parametrize("color_range", [0, 1, 2])
def test_yuv_is_limited_range_unless_it_says_full(
    tmp_path: Path, pixel_format: str, depth: int, color_range: int
) -> None:
    dtype = np.uint8 if depth == 8 else np.uint16
    codes = codes_up_to(2**depth - 1, dtype)
    size = (HEIGHT, WIDTH) if "444" in pixel_format else (HEIGHT // 2, WIDTH // 2)
    frame = frame_of(pixel_format, [codes] + 2 * [neutral(2 ** (depth - 1), dtype, *size)])
    path = write_video(tmp_path / "track.mkv", [frame], color_range=color_range)
    if color_range == 2:
        assert_is(read_all(path)[0], codes, 2**depth - 1)
    else:
        step = 2 ** (depth - 8)
        expanded = (codes.astype(float) - 16 * step).clip(0, 219 * step)
        assert_is(read_all(path)[0], expanded, 219 * step)


def test_rgb_that_is_gray_is_read(tmp_path: Path) -> None:
    codes = codes_up_to(255, np.uint8)
    frame = frame_of("bgr0", [np.repeat(codes[..., None], 4, axis=2)])
    assert_is(read_all(write_video(tmp_path / "track.mkv", [frame]))[0], codes, 255)


@pytest.mark.parametrize(
    ("pixel_format", "depth"),
    [
        ("gbrp10le", 10),
        ("gbrap10le", 10),
        ("gbrap12le", 12),
        ("gbrap14le", 14),
        ("gbrap16le", 16),
    ],
)
def test_planes_with_alpha_are_exact(tmp_path: Path, pixel_format: str, depth: int) -> None:
    codes = codes_up_to(2**depth - 1, np.uint8 if depth == 8 else np.uint16)
    planes = [codes, codes, codes, *([codes[::-1].copy()] if pixel_format.startswith("gbra") else [])]
    path = write_video(tmp_path / "track.mkv", [frame_of(pixel_format, planes)])
    assert_is(read_all(path)[0], codes, 2**depth - 1)


def test_false_colors_are_no_track(tmp_path: Path) -> None:
    codes = codes_up_to(255, np.uint8)
    rgb = frame_of("bgr0", [np.stack([255 - codes, codes, codes, codes], axis=2)])
    yuv = frame_of("yuv420p", [codes, neutral(60, np.uint8), neutral(128, np.uint8)])
    for frame in (rgb, yuv):
        with pytest.raises(DisparityError, match=naming("Frame 0", tmp_path / "track.mkv", "gray")):
            read_all(write_video(tmp_path / "track.mkv", [frame]))


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_turned_track_is_turned_to_be_displayed(tmp_path: Path, rotation: int) -> None:
    codes = codes_up_to(255, np.uint8)
    path = write_video(tmp_path / "track.mkv", [frame_of("gray", [codes])], rotation=rotation)
    displayed = np.rot90(codes, rotation // 90)
    reader = open_gray(path)
    assert (reader.height, reader.width) == displayed.shape
    assert_is(read_all(path)[0], displayed, 255)


def test_reordered_frames_are_read_from_any_number_on(tmp_path: Path) -> None:
    chroma = 2 * [neutral(128, np.uint8, 32, 32)]
    frames = [
        frame_of("yuv420p", [np.full((64, 64), 16 + 7 * number, np.uint8), *chroma]) for number in range(30)
    ]
    path = write_video(tmp_path / "track.mp4", frames, "libx264", options={"bf": "3", "g": "10", "crf": "0"})
    for first in (0, 7, 29):
        numbered = list(open_gray(path).frames(first))
        assert [number for number, _ in numbered] == list(range(first, 30))
        for number, picture in numbered:
            assert picture.mean().item() == pytest.approx(7 * number / 219, abs=1e-4)


def test_pngs_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    for number in (1, 2, 10, 11):
        codes = np.full((HEIGHT, WIDTH), number, ">u2" if number % 2 else np.uint8)
        write_png_codes(tmp_path / f"d_{number}.png", "gray16be" if number % 2 else "gray", codes)
    reader = open_gray(tmp_path)
    assert reader.times is None and reader.frame_count == 4
    expected = [1 / 65535, 2 / 255, 10 / 255, 11 / 65535]
    assert [picture.mean().item() for picture in read_all(tmp_path)] == pytest.approx(expected)
    assert [number for number, _ in reader.frames(2)] == [2, 3]


@pytest.mark.parametrize(
    ("pixel_format", "channels", "dtype", "largest"),
    [
        ("gray", 1, np.uint8, 255),
        ("gray16be", 1, ">u2", 65535),
        ("rgb24", 3, np.uint8, 255),
        ("rgb48be", 3, ">u2", 65535),
        ("rgba64be", 4, ">u2", 65535),
        ("ya8", 2, np.uint8, 255),
        ("ya16be", 2, ">u2", 65535),
    ],
)
def test_every_kind_of_gray_png_is_exact(
    tmp_path: Path, pixel_format: str, channels: int, dtype: Any, largest: int
) -> None:
    codes = codes_up_to(largest, dtype)
    pixels = np.repeat(codes[..., None], channels, axis=2)
    path = write_png_codes(tmp_path / "still%02d.png", pixel_format, pixels)
    assert_is(read_all(path)[0], codes.astype(float), largest)


def test_folders_that_are_no_track_are_named(tmp_path: Path) -> None:
    with pytest.raises(DisparityError, match=naming(tmp_path, "PNG")):
        open_gray(tmp_path)
    write_png_codes(tmp_path / "1.png", "gray", codes_up_to(255, np.uint8))
    write_png_codes(tmp_path / "2.png", "gray", np.zeros((8, 8), np.uint8))
    with pytest.raises(DisparityError, match=naming("Frame 1", tmp_path, "8x8", "32x16")):
        read_all(tmp_path)
    (tmp_path / "2.png").write_bytes(b"no picture")
    with pytest.raises(DisparityError, match=naming(tmp_path / "2.png")):
        read_all(tmp_path)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.int32, np.float16, np.float32, np.float64, ">u2", ">f4"]
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("shape", [(3, HEIGHT, WIDTH), (3, 1, HEIGHT, WIDTH)])
def test_arrays_are_read(tmp_path: Path, dtype: Any, suffix: str, shape: tuple[int, ...]) -> None:
    largest = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    values = np.linspace(0, largest, 3 * HEIGHT * WIDTH).astype(dtype).reshape(shape)
    path = tmp_path / f"track{suffix}"
    if suffix == ".npy":
        np.save(path, values)
    else:
        np.savez_compressed(path, disparity=values)
    pictures = read_all(path)
    assert len(pictures) == 3 and open_gray(path).times is None
    for picture, value in zip(pictures, values.astype(float), strict=True):
        assert_is(picture, value.reshape(HEIGHT, WIDTH), largest)
    torch.testing.assert_close(read_all(path, 2)[0], pictures[2])


@pytest.mark.filterwarnings("error")  # of NumPy's arithmetic, which would stand beside the sentence
@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01, 1e300])
def test_values_that_are_no_disparity_are_named_by_frame(tmp_path: Path, value: float) -> None:
    values = np.full((4, HEIGHT, WIDTH), 0.5, np.float64)
    values[2, 3, 4] = value
    np.save(tmp_path / "track.npy", values)
    with pytest.raises(DisparityError, match=naming("Frame 2", tmp_path / "track.npy", 0, 1)):
        read_all(tmp_path / "track.npy")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((HEIGHT, WIDTH)), "T H W"),
        (np.zeros((2, 3, HEIGHT, WIDTH)), "T H W"),
        (np.zeros((0, HEIGHT, WIDTH)), "T H W"),
        (np.zeros((2, HEIGHT, WIDTH), complex), "real numbers"),
        (np.full((2, 2, 2), None), "real numbers"),
        (np.asfortranarray(np.zeros((2, HEIGHT, WIDTH))), "Fortran"),
    ],
)
def test_arrays_that_are_no_track_are_refused(tmp_path: Path, values: Any, message: str) -> None:
    np.save(tmp_path / "track.npy", values)
    with pytest.raises(DisparityError, match=message):
        open_gray(tmp_path / "track.npy")


def test_archives_of_several_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "track.npz", a=np.zeros((1, 4, 4)), b=np.zeros((1, 4, 4)))
    with pytest.raises(DisparityError, match=naming("track.npz", "one array", 2)):
        open_gray(tmp_path / "track.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damaged_arrays_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"track{suffix}"
    values = np.random.default_rng(0).random((3, HEIGHT, WIDTH))
    np.save(path, values) if suffix == ".npy" else np.savez_compressed(path, values)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DisparityError, match=naming(path)):
        read_all(path)
    path.write_bytes(b"no numbers")
    with pytest.raises(DisparityError, match=naming(path, "NumPy array")):
        open_gray(path)


def test_files_that_are_no_video_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DisparityError, match=naming(tmp_path / "missing.mkv", "exist")):
        open_gray(tmp_path / "missing.mkv")
    (tmp_path / "text.mkv").write_text("not a video at all\n" * 50)
    with pytest.raises(DisparityError, match=naming("text.mkv")):
        open_gray(tmp_path / "text.mkv")


@pytest.mark.parametrize("frame", [0, 2, 4])
def test_damage_in_one_of_our_tracks_is_noticed_when_it_is_opened(tmp_path: Path, frame: int) -> None:
    path = tmp_path / "track.mkv"
    with open_gray_writer(path, 64, 64, MILLISECOND) as writer:
        for number in range(5):
            writer.write(torch.rand(1, 64, 64), 40 * number)
    with av.open(str(path)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size][frame]
    flipped = bytearray(stored)
    flipped[len(stored) // 3] ^= 1
    path.write_bytes(path.read_bytes().replace(stored, flipped))
    with pytest.raises(DisparityError, match=naming(f"Frame {frame}", path, "damaged")):
        open_gray(path)


def test_ffv1_without_checksums_is_read(tmp_path: Path) -> None:
    codes = codes_up_to(65535)
    options = {"level": "3", "slicecrc": "0"}
    path = write_video(tmp_path / "track.mkv", 3 * [frame_of("gray16le", [codes])], options=options)
    assert_is(read_all(path)[2], codes, 65535)


def test_a_frame_that_cannot_be_decoded_is_left_out(tmp_path: Path) -> None:
    frames = [frame_of("gray", [np.full((HEIGHT, WIDTH), number, np.uint8)]) for number in range(20)]
    path = write_video(tmp_path / "track.mov", frames, "png")
    with av.open(str(path)) as container:
        stored = [bytes(packet) for packet in container.demux(video=0) if packet.size][2]
    path.write_bytes(path.read_bytes().replace(stored, bytes(len(stored))))
    assert [number for number, _ in open_gray(path).frames()] == [0, 1, *range(3, 20)]


def test_what_exists_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "track.mkv"
    path.write_text("precious")
    with pytest.raises(VideoError, match=naming(path, "exists")), open_gray_writer(path, 8, 8, MILLISECOND):
        pass
    assert path.read_text() == "precious"
    with open_gray_writer(path, 8, 8, MILLISECOND, overwrite=True) as writer:
        writer.write(torch.rand(1, 8, 8), 0)
    assert open_gray(path).frame_count == 1
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_a_track_that_was_not_finished(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        open_gray_writer(tmp_path / "track.mkv", 8, 8, MILLISECOND) as writer,
    ):
        writer.write(torch.rand(1, 8, 8), 0)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    with (
        files_of_at_most(20_000),
        pytest.raises(VideoError, match=naming(".mkv", "written")),
        open_gray_writer(tmp_path / "track.mkv", 64, 64, MILLISECOND) as writer,
    ):
        for number in range(20):
            writer.write(torch.rand(1, 64, 64), 40 * number)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "track.mkv"
    with (
        pytest.raises(VideoError, match=naming(target.parent, "exist")),
        open_gray_writer(target, 8, 8, MILLISECOND),
    ):
        pass
