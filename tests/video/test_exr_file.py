"""EXR, held against the OpenEXR library itself."""

import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from any2bokeh.errors import VideoError
from any2bokeh.video.gray import open_gray
from any2bokeh.video.pictures.exr_file import read_exr_depth, read_exr_file
from any2bokeh.video.pictures.picture_files import picture_kind, read_picture_file

WIDTH, HEIGHT = 12, 8
RANDOM = np.random.default_rng(0)


def values(dtype: type = np.float16) -> np.ndarray:
    """Scene light with negative values and some far beyond white."""
    return (RANDOM.random((HEIGHT, WIDTH)) * 40 - 4).astype(dtype)


def write_exr(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    full = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
    with OpenEXR.File(full, dict(channels)) as file:  # it changes what it is given
        file.write(str(path))
    return path


def read_exr(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return dict(file.header()), {name: channel.pixels for name, channel in file.channels().items()}


def rewritten(path: Path) -> Path:
    """Read a file, make its picture and write that into another."""
    stored = read_picture_file(path)
    target = path.with_name("again.exr")
    picture_kind(target).write(target, stored.with_picture(stored.picture()))
    return target


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ"])
def test_light_alpha_and_compression_come_back_bit_for_bit(
    tmp_path: Path, dtype: type, compression: str
) -> None:
    channels = {name: values(dtype) for name in "RGBA"}
    kind = getattr(OpenEXR, f"{compression}_COMPRESSION")
    path = write_exr(tmp_path / "a.exr", channels, compression=kind)
    assert read_picture_file(path).transfer == "linear"
    header, read = read_exr(rewritten(path))
    assert header["compression"] == kind
    assert sorted(read) == sorted("RGBA")
    for name in "RGBA":
        assert read[name].dtype == dtype
        np.testing.assert_array_equal(read[name], channels[name])


def test_attributes_rate_and_pixel_aspect_go_along(tmp_path: Path) -> None:
    given = {
        "framesPerSecond": Fraction(24000, 1001),
        "pixelAspectRatio": 2.0,
        "owner": "a studio",
        "focus": 2.5,
        "chromaticities": tuple(
            float(number) for number in (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32, 0.34)
        ),
    }
    path = write_exr(tmp_path / "a.exr", {name: values() for name in "RGB"}, **given)
    stored = read_picture_file(path)
    assert (stored.frame_rate, stored.pixel_aspect) == (Fraction(24000, 1001), 2)
    before, _ = read_exr(path)
    after, _ = read_exr(rewritten(path))
    assert sorted(after) == sorted(before)
    for name in given:
        assert str(after[name]) == str(before[name])


def test_a_data_window_is_placed_in_its_display_and_overscan_is_kept(tmp_path: Path) -> None:
    window = np.array([-2, 1], np.int32), np.array([-2 + WIDTH - 1, HEIGHT], np.int32)
    display = np.array([0, 0], np.int32), np.array([19, 9], np.int32)
    path = write_exr(
        tmp_path / "a.exr", {name: values() for name in "RGB"}, dataWindow=window, displayWindow=display
    )
    stored = read_picture_file(path)
    assert stored.size == (22, 10)  # from -2 to 19
    _, channels = read_exr(path)
    np.testing.assert_array_equal(stored.codes[1 : 1 + HEIGHT, :WIDTH, 0], channels["R"])
    assert not stored.codes[:, WIDTH:].any() and not stored.codes[0].any()
    header, again = read_exr(rewritten(path))
    assert [corner.tolist() for corner in header["displayWindow"]] == [[0, 0], [19, 9]]
    assert [corner.tolist() for corner in header["dataWindow"]] == [[-2, 0], [19, 9]]
    np.testing.assert_array_equal(again["G"][1 : 1 + HEIGHT, :WIDTH], channels["G"])


@pytest.mark.parametrize("name", ["Z", "depth.Z", "depth.R"])
def test_depth_is_found_by_the_name_of_its_layer(tmp_path: Path, name: str) -> None:
    depth = np.abs(values(np.float32))
    path = write_exr(tmp_path / "a.exr", {"R": values(), "G": values(), "B": values(), name: depth})
    np.testing.assert_array_equal(read_exr_depth(path).codes[..., 0], depth)
    assert read_picture_file(path).codes.shape == (HEIGHT, WIDTH, 3)
    alone = write_exr(tmp_path / "z.exr", {name: depth})
    np.testing.assert_array_equal(read_exr_depth(alone).codes[..., 0], depth)
    with pytest.raises(VideoError, match=f"It has: {name}"):
        read_picture_file(alone)


def test_nothing_and_no_number_are_far(tmp_path: Path) -> None:
    depth = np.full((HEIGHT, WIDTH), 3, np.float32)
    depth[0, 0], depth[0, 1] = np.inf, np.nan
    reader = open_gray(write_exr(tmp_path / "z.0001.exr", {"Z": depth}))
    reader.no_number = np.inf
    ((_, picture),) = reader.frames()
    assert picture[0, 0, :3].tolist() == [np.inf, np.inf, 3]


def test_color_of_a_layer_or_of_another_part_is_found(tmp_path: Path) -> None:
    beauty = {f"beauty.{name}": values() for name in "RGB"}
    first = OpenEXR.Part({"type": OpenEXR.scanlineimage}, {"Z": values(np.float32)}, name="depth")
    second = OpenEXR.Part({"type": OpenEXR.scanlineimage}, dict(beauty), name="color")
    with OpenEXR.File([first, second]) as file:
        file.write(str(tmp_path / "a.exr"))
    stored = read_picture_file(tmp_path / "a.exr")
    np.testing.assert_array_equal(stored.codes[..., 1], beauty["beauty.G"])


def test_what_is_no_exr_or_was_cut_off_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.exr").write_bytes(b"no picture")
    with pytest.raises(VideoError, match="another kind"):
        read_picture_file(tmp_path / "a.exr")
    whole = write_exr(tmp_path / "b.exr", {name: values() for name in "RGB"})
    (tmp_path / "c.exr").write_bytes(whole.read_bytes()[:-60])
    with pytest.raises(VideoError, match="damaged"):
        read_picture_file(tmp_path / "c.exr")
    with pytest.raises(VideoError, match="does not exist"):
        read_picture_file(tmp_path / "d.exr")


def test_ids_are_refused_as_color(tmp_path: Path) -> None:
    ids = {name: np.zeros((HEIGHT, WIDTH), np.uint32) for name in "RGB"}
    with pytest.raises(VideoError, match="half or float"):
        read_picture_file(write_exr(tmp_path / "a.exr", ids))


def test_a_window_of_display_too_large_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    window = np.array([0, 0], np.int32), np.array([2**27, 2], np.int32)
    path = write_exr(tmp_path / "a.exr", {name: values() for name in "RGB"}, displayWindow=window)
    with pytest.raises(VideoError, match=str(2**27 + 1)):
        read_picture_file(path)


def write_damaged(path: Path) -> Path:
    """An EXR with a piece whose beginning was overwritten: the library warns of it."""
    light = {name: np.random.default_rng(0).random((64, 64)).astype(np.float32) for name in "RGB"}
    with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, light) as file:
        file.write(str(path))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    return path


def test_warnings_of_the_library_stay_off_stdout(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, usual = write_damaged(tmp_path / "a.exr"), sys.stdout
    with ThreadPoolExecutor(4) as pool:
        failures = [pool.submit(read_exr_file, path).exception() for _ in range(8)]
    assert {type(failure) for failure in failures} == {VideoError}
    assert capfd.readouterr().out == ""
    assert sys.stdout is usual
