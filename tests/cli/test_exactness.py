"""Pixels in focus, and all at K = 0, come back bit for bit in each kind of picture that loses nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from stills import HEIGHT, WIDTH, write_ramps

from any2bokeh.video.pictures.picture_files import picture_kind, read_picture_file
from any2bokeh.video.pictures.stored_picture import StoredPicture

NUMBERS = [1001, 1002]
KINDS = {
    "PNG, 8 bits": (".png", 8, np.uint8),
    "PNG, 16 bits": (".png", 16, np.uint16),
    "TIFF, 16 bits": (".tif", 16, np.uint16),
    "TIFF, float": (".tif", 32, np.float32),
    "DPX, 10 bits": (".dpx", 10, np.uint16),
    "DPX, 16 bits": (".dpx", 16, np.uint16),
    "EXR, half": (".exr", 16, np.float16),
    "EXR, float": (".exr", 32, np.float32),
}


def noise(bits: int, dtype: type, seed: int) -> np.ndarray:
    """Every code, or light from below black to far beyond white."""
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (generator.standard_normal((HEIGHT, WIDTH, 3)) ** 3 * 4).astype(dtype)
    return generator.integers(0, 2**bits, (HEIGHT, WIDTH, 3)).astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_in_focus_come_back_bit_for_bit(kind: str, tmp_path: Path, bokeh: Callable) -> None:
    suffix, bits, dtype = KINDS[kind]
    write_ramps(tmp_path / "d" / "d.%04d.png", NUMBERS)
    for number in NUMBERS:
        path = tmp_path / f"a.{number}{suffix}"
        picture_kind(path).write(path, StoredPicture(codes=noise(bits, dtype, number), bits=bits))
    how = ("refocus", tmp_path / f"a.%04d{suffix}", "--disparity", tmp_path / "d", "--focus", "0.5")
    for k in ("0", "100"):
        target = tmp_path / f"k{k}.%04d{suffix}"
        run = bokeh(*how, "--k", k, "--renderer", "lens", "--device", "cpu", "-o", target)
        assert run.code == 0, run.err
    for number in NUMBERS:
        before, unchanged, blurred = (
            read_picture_file(tmp_path / f"{name}.{number}{suffix}").codes for name in ("a", "k0", "k100")
        )
        assert before.dtype == unchanged.dtype == blurred.dtype == dtype
        np.testing.assert_array_equal(unchanged, before)
        middle = slice(WIDTH // 2 - 2, WIDTH // 2 + 2)
        np.testing.assert_array_equal(blurred[:, middle], before[:, middle])
        assert (blurred[:, :8] != before[:, :8]).mean() > 0.9
