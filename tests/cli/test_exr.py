"""EXR through the real command, read back with the OpenEXR library."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from stills import HEIGHT, WIDTH, stripes, write_still

from any2bokeh.video.pictures.picture_files import read_picture_file

NUMBERS = [1001, 1002]
HOW = ("--focus", "0.5", "--k", "120", "--renderer", "lens", "--device", "cpu")
LAMP = slice(20, 23), slice(4, 7)  # far, so out of focus


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    """Half floats with a lamp of radiance 16, and depth from 1 m at the right to 10 m at the left."""
    depth = (1 / np.linspace(0.1, 1, WIDTH)).astype(np.float32)
    for number in NUMBERS:
        light = (stripes(number) ** 2.2).astype(np.float16)
        light[LAMP] = 16
        light[0, 0] = -0.25
        channels: dict[str, Any] = {name: light[..., place].copy() for place, name in enumerate("RGB")}
        channels |= {"A": np.ones((HEIGHT, WIDTH), np.float16)}
        channels |= {"Z": np.ascontiguousarray(np.broadcast_to(depth, (HEIGHT, WIDTH)))}
        header = {
            "compression": OpenEXR.PIZ_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "framesPerSecond": Fraction(25),
            "owner": "a studio",
        }
        with OpenEXR.File(header, channels) as file:
            file.write(str(tmp_path / f"shot.{number}.exr"))
    return tmp_path / "shot.####.exr"


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return dict(file.header()), {name: one.pixels.copy() for name, one in file.channels().items()}


def test_light_goes_through_the_lens_and_layers_stand_beside_it(
    plates: Path, tmp_path: Path, bokeh: Callable
) -> None:
    how = ("--disparity", plates, "--disparity-kind", "depth", "--aovs", "depth,coc,disparity")
    run = bokeh("refocus", plates, *how, *HOW)
    assert run.code == 0, run.err
    before, sharp = read(tmp_path / "shot.1002.exr")
    header, made = read(tmp_path / "shot.refocus" / "shot.refocus.1002.exr")
    assert header["compression"] == OpenEXR.PIZ_COMPRESSION
    assert (header["owner"], header["framesPerSecond"]) == ("a studio", 25)
    assert sorted(made) == ["A", "B", "G", "R", "coc", "depth.Z", "disparity"]
    assert {made[name].dtype for name in "RGBA"} == {np.dtype(np.float16)}
    np.testing.assert_array_equal(made["A"], sharp["A"])
    in_focus = abs(made["coc"][0]) < 0.3
    assert 2 <= in_focus.sum() < WIDTH / 2
    np.testing.assert_array_equal(made["G"][:, in_focus], sharp["G"][:, in_focus])
    assert made["R"].max() < 16 and made["R"][:, :16].max() > 1  # a disc, still brighter than white
    light = [channels["R"].astype(float)[8:36, :20].sum() for channels in (sharp, made)]
    assert light[1] == pytest.approx(light[0], rel=0.15)
    np.testing.assert_allclose(made["depth.Z"][:, 4:-4], sharp["Z"][:, 4:-4], rtol=0.02)
    np.testing.assert_allclose(made["coc"], (0.5 - made["disparity"]) * 120 * WIDTH / 1024, atol=0.01)
    assert before.keys() <= header.keys()


def test_a_depth_of_field_leaves_the_layer_of_depth_alone(
    plates: Path, tmp_path: Path, bokeh: Callable
) -> None:
    how = ("--disparity", plates, "--disparity-kind", "depth", "--aovs", "depth,coc", "--frames", "1001")
    run = bokeh("refocus", plates, *how, *HOW, "--dof-range", "0.4", "--far-strength", "0.5")
    assert run.code == 0, run.err
    _, sharp = read(tmp_path / "shot.1001.exr")
    _, made = read(tmp_path / "shot.refocus" / "shot.refocus.1001.exr")
    np.testing.assert_allclose(made["depth.Z"][:, 4:-4], sharp["Z"][:, 4:-4], rtol=0.02)
    assert (abs(made["coc"][0]) < 0.01).mean() > 0.3  # as wide as it was asked for


def test_k_0_gives_the_input_back(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("--disparity", plates, "--disparity-kind", "depth", "--focus", "0.5", "--k", "0")
    assert bokeh("refocus", plates, *how, "--frames", "1001", "--exr-compression", "zips").code == 0
    _, sharp = read(tmp_path / "shot.1001.exr")
    header, made = read(tmp_path / "shot.refocus" / "shot.refocus.1001.exr")
    assert header["compression"] == OpenEXR.ZIPS_COMPRESSION
    for name in "RGBA":
        np.testing.assert_array_equal(made[name], sharp[name])


def test_light_for_screens_ends_at_white_and_says_so(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("--disparity", plates, "--disparity-kind", "depth", "--focus", "0.5", "--k", "0")
    run = bokeh("refocus", plates, *how, "--frames", "1001", "-o", tmp_path / "out.%04d.png")
    assert run.code == 0 and "beyond white" in run.err
    shown = read_picture_file(tmp_path / "out.1001.png").picture()
    assert shown[:, 21, 5].tolist() == [1, 1, 1]
    np.testing.assert_allclose(shown.transpose(1, 2, 0)[40:], stripes(1001)[40:], atol=0.03)


def test_a_video_becomes_light_in_half(clip: Path, track: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = ("--disparity", track, "--focus", "0.5", "--k", "0")
    assert bokeh("refocus", clip, *how, "-o", tmp_path / "v.%04d.exr").code == 0
    _, made = read(tmp_path / "v.0001.exr")
    assert made["R"].dtype == np.float16
    expected = ((stripes() + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(made["G"].mean(), expected[..., 1].mean(), rtol=0.05)


def test_the_subject_s_matte_is_a_layer(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    mask = np.zeros((HEIGHT, WIDTH, 1), np.float32)
    mask[12:36, 20:44] = 1
    for number in NUMBERS:
        write_still(tmp_path / "mask" / f"m.{number}.png", mask, 8)
    how = ("--disparity", plates, "--disparity-kind", "depth", "--k", "40", "--device", "cpu")
    run = bokeh("refocus", plates, *how, "--focus-mask", tmp_path / "mask", "--aovs", "subject,coc")
    assert run.code == 0, run.err
    _, made = read(tmp_path / "shot.refocus" / "shot.refocus.1002.exr")
    assert sorted(made) == ["A", "B", "G", "R", "coc", "subject.A"]
    assert made["subject.A"][16:32, 24:40].min() > 0.99
    assert made["subject.A"][:6].max() == 0
    assert abs(made["coc"][16:32, 24:40]).max() < 0.5  # it is held sharp
    none = bokeh("refocus", plates, *how, "--focus", "0.5", "--aovs", "subject")
    assert none.code == 2 and "--aovs subject" in none.err


def test_layers_need_an_exr_and_depth_needs_distances(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    how = (
        "refocus",
        plates,
        "--disparity",
        plates,
        "--disparity-kind",
        "depth",
        "--focus",
        "0.5",
        "--k",
        "0",
    )
    assert bokeh(*how, "--aovs", "coc", "-o", tmp_path / "o.%04d.png").code == 2
    assert bokeh(*how, "--aovs", "beauty").code == 2
    assert bokeh("refocus", plates, "--depth", "compact", *HOW, "--aovs", "depth").code == 2


def test_a_damaged_file_leaves_the_json_whole(plates: Path, bokeh: Callable) -> None:
    path = Path(str(plates).replace("####", "1002"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    run = bokeh("refocus", plates, "--disparity", plates, "--disparity-kind", "depth", *HOW, "--json")
    assert run.code == 1
    [failure] = json.loads(run.out)["results"]
    assert "shot.1002.exr" in failure["error"]


def test_a_sun_that_is_no_number_is_named(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    _, channels = read(tmp_path / "shot.1002.exr")
    channels["G"][7, 11] = np.nan
    with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, dict(channels)) as file:
        file.write(str(tmp_path / "shot.1002.exr"))
    run = bokeh(
        "refocus", plates, "--disparity", plates, "--disparity-kind", "depth", "--focus", "0.5", "--k", "0"
    )
    assert run.code == 1 and "shot.1002.exr" in run.err and "11,7" in run.err


def test_focus_and_f_number_are_those_of_the_pictures(plates: Path, tmp_path: Path, bokeh: Callable) -> None:
    for number, focus in zip(NUMBERS, (2.0, 5.0), strict=True):
        header, channels = read(tmp_path / f"shot.{number}.exr")
        kept = {name: header[name] for name in ("compression", "type")}
        with OpenEXR.File(kept | {"focus": focus, "aperture": 2.8}, dict(channels)) as file:
            file.write(str(tmp_path / f"shot.{number}.exr"))
    how = ("--disparity", plates, "--disparity-kind", "depth", "--focus-track", plates, "--device", "cpu")
    run = bokeh("refocus", plates, *how, "--save-focus-track", tmp_path / "f.csv", "--aovs", "depth,coc")
    assert run.code == 0, run.err
    assert "2 to 5 m, f/2.8" in run.err
    rows = [line.split(",") for line in (tmp_path / "f.csv").read_text().splitlines()]
    assert [float(row[3]) for row in rows[1:]] == pytest.approx([2, 5])
    for number, focus_m in zip(NUMBERS, (2.0, 5.0), strict=True):
        _, made = read(tmp_path / "shot.refocus" / f"shot.refocus.{number}.exr")
        # A lens of 50 mm on 36 mm: r = f^2 / 2N * z_f / (z_f - f) * (1 / z_f - 1 / z).
        scale_m = 0.05**2 / 5.6 * focus_m / (focus_m - 0.05)
        expected = scale_m * (1 / focus_m - 1 / made["depth.Z"]) / 0.036 * WIDTH
        np.testing.assert_allclose(made["coc"], expected, atol=0.01)
    refused = bokeh("refocus", plates, "--depth", "compact", "--focus-track", plates)
    assert refused.code == 2 and "distances in meters" in refused.err
