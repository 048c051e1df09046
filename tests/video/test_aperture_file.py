"""Reading the picture of an aperture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from any2bokeh.errors import SettingsError
from any2bokeh.video.aperture_file import read_aperture


def save(path: Path, array: np.ndarray, mode: str) -> Path:
    Image.fromarray(array).convert(mode).save(path)
    return path


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", ".png"), ("RGB", ".png"), ("RGBA", ".png"), ("L", ".tif")]
)
def test_white_is_open_and_codes_are_light_of_a_screen(tmp_path: Path, mode: str, suffix: str) -> None:
    codes = np.zeros((20, 30), np.uint8)
    codes[4:16, 5:15], codes[4:16, 15:25] = 255, 188
    picture = read_aperture(save(tmp_path / f"shape{suffix}", codes, mode))
    assert picture.light.shape == (12, 20)
    assert picture.light[6, 0] == 1
    assert picture.light[6, 15] == pytest.approx(0.5, abs=0.01)  # sRGB 188 is half of white


def test_what_is_transparent_is_closed(tmp_path: Path) -> None:
    codes = np.full((20, 20, 4), 255, np.uint8)
    codes[:, 10:, 3] = 0
    Image.fromarray(codes, "RGBA").save(tmp_path / "half.png")
    assert read_aperture(tmp_path / "half.png").light.shape == (20, 10)


def test_what_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.png", np.eye(64, dtype=np.uint8) * 255, "L")
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:60])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.txt").write_text("star")
    save(tmp_path / "black.png", np.zeros((8, 8), np.uint8), "L")
    for name in ("cut.png", "empty.png", "text.txt", "black.png", "missing.png"):
        with pytest.raises(SettingsError, match=name):
            read_aperture(tmp_path / name)
