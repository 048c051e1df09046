"""Color spaces of an OpenColorIO configuration, through the real command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import torch
from stills import WIDTH, stripes, write_ramps, write_sequence

from any2bokeh.optics.ocio_space import open_space
from any2bokeh.video.decode import probe_video
from any2bokeh.video.pictures.picture_files import read_picture_file

CONFIG = "ocio://studio-config-latest"
NUMBERS = [1001, 1002]
HOW = ("--focus", "0.5", "--k", "120", "--renderer", "lens", "--device", "cpu", "--ocio", CONFIG)


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    write_ramps(tmp_path / "d" / "d.%04d.png", NUMBERS)
    return tmp_path / "d"


def light_of(path: Path, space: str) -> np.ndarray:
    picture = torch.from_numpy(read_picture_file(path).picture())
    return open_space(CONFIG, space, path).decode(picture).numpy()


def test_log_codes_in_focus_stay_and_blur_is_of_light(ramp: Path, tmp_path: Path, bokeh: Callable) -> None:
    plates = write_sequence(tmp_path / "shot.%04d.png", NUMBERS)
    how = ("refocus", plates, "--disparity", ramp, *HOW, "--input-space", "S-Log3 S-Gamut3")
    assert bokeh(*how, "-o", tmp_path / "same.%04d.png").code == 0
    before, same = (read_picture_file(tmp_path / f"{name}.1002.png").codes for name in ("shot", "same"))
    middle = WIDTH // 2
    np.testing.assert_array_equal(same[:, middle - 2 : middle + 2], before[:, middle - 2 : middle + 2])
    assert abs(same[:, :8].astype(int) - before[:, :8]).mean() > 655
    assert bokeh(*how, "--output-space", "ACEScg", "-o", tmp_path / "cg.%04d.exr").code == 0
    with OpenEXR.File(str(tmp_path / "cg.1002.exr"), separate_channels=True) as file:
        made = np.stack([file.channels()[name].pixels for name in "RGB"]).astype(np.float32)
    np.testing.assert_allclose(
        made, light_of(tmp_path / "same.1002.png", "S-Log3 S-Gamut3"), rtol=2e-3, atol=1e-3
    )


def test_exr_of_another_linear_space_comes_back_bit_for_bit(
    ramp: Path, tmp_path: Path, bokeh: Callable
) -> None:
    for number in NUMBERS:
        light = (stripes(number) * 20 - 1).astype(np.float32)
        channels = {name: light[..., place].copy() for place, name in enumerate("RGB")}
        with OpenEXR.File({"type": OpenEXR.scanlineimage}, channels) as file:
            file.write(str(tmp_path / f"aces.{number}.exr"))
    how = ("refocus", tmp_path / "aces.%04d.exr", "--disparity", ramp, *HOW)
    run = bokeh(*how)
    assert run.code == 0 and "ACES2065-1" in run.err  # by the file rules, and told
    before, after = (
        read_picture_file(path).codes
        for path in (tmp_path / "aces.1002.exr", tmp_path / "aces.refocus" / "aces.refocus.1002.exr")
    )
    middle = WIDTH // 2
    np.testing.assert_array_equal(after[:, middle - 2 : middle + 2], before[:, middle - 2 : middle + 2])
    refused = bokeh(*how, "-o", tmp_path / "x.%04d.png")
    assert refused.code == 2 and "--output-space" in refused.err
    video = ("--output-space", "sRGB - Display", "-o", tmp_path / "x.mp4")
    assert bokeh(*how, *video).code == 0
    assert probe_video(tmp_path / "x.mp4").color.transfer == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--input-space", "ACEScg"), "--ocio"),
        (("--output-space", "ACEScg"), "--ocio"),
        (("--ocio", CONFIG, "--color", "slog3"), "--color"),
        (("--ocio", CONFIG, "--color-out", "srgb"), "--output-space"),
        (("--ocio", CONFIG, "--input-space", "slog3"), "S-Log3"),
        (("--ocio", CONFIG, "--input-space", "ACEScct", "--output-space", "acescgg"), "ACEScg"),
        (("--ocio", "none.ocio"), "none.ocio"),
    ],
)
def test_usage_errors(
    ramp: Path, tmp_path: Path, bokeh: Callable, options: tuple[str, ...], said: str
) -> None:
    plates = write_sequence(tmp_path / "shot.%04d.png", NUMBERS)
    run = bokeh("refocus", plates, "--disparity", ramp, "--focus", "0.5", "--k", "0", *options)
    assert run.code == 2 and said in run.err
