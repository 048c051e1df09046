import numpy as np
import pytest

from any2bokeh.video.chroma import downsample, upsample

SIZES = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 5), (6, 4), (64, 64), (65, 63), (66, 130), (129, 7)]


@pytest.mark.slow
@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("depth", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("size", SIZES)
def test_down_undoes_up_to_the_last_bit(size: tuple[int, int], depth: int, lines: bool) -> None:
    height, width = size
    top, kind = 2**depth - 1, np.uint8 if depth == 8 else np.uint16
    half = (height + 1) // 2 if lines else height, (width + 1) // 2
    noise = np.random.default_rng(depth).integers(0, top + 1, half).astype(kind)
    extremes = np.where(noise > top // 2, top, 0).astype(kind)
    for chroma in (noise, extremes):
        full, back = np.empty(size, kind), np.empty(half, kind)
        upsample(chroma, full, lines=lines, top=top)
        downsample(full, back, lines=lines, top=top)
        np.testing.assert_array_equal(back, chroma)


def test_a_slope_stays_a_slope_at_its_place() -> None:
    # Across, chroma stands on every second column; downwards half a line below every second line.
    rows, columns = np.mgrid[0:20, 0:30]
    chroma = (40 + 4 * columns + 8 * rows).astype(np.uint16)
    full = np.empty((40, 60), np.uint16)
    upsample(chroma, full, lines=True, top=1023)
    rows, columns = np.mgrid[0:40, 0:60]
    expected = 40 + 4 * columns / 2 + 8 * (rows - 0.5) / 2
    np.testing.assert_array_equal(full[2:-2, :-1], expected[2:-2, :-1])


@pytest.mark.parametrize("lines", [True, False])
def test_a_flat_field_stays_flat_to_the_border(lines: bool) -> None:
    full = np.full((37, 53), 77, np.uint8)
    half = np.empty((19 if lines else 37, 27), np.uint8)
    downsample(full, half, lines=lines, top=255)
    assert (half == 77).all()


def test_detail_finer_than_chroma_averages_out_instead_of_aliasing() -> None:
    full = np.empty((64, 64), np.uint8)
    full[:, 0::2], full[:, 1::2] = 50, 150  # stripes of one column
    half = np.empty((32, 32), np.uint8)
    downsample(full, half, lines=True, top=255)
    assert abs(int(half[:, 1:-1].mean()) - 100) <= 1
