"""What is drawn on sheets: the tint, square pixels, focal planes, and words."""

from fractions import Fraction

import pytest
import torch

from any2bokeh.preview.moments import with_square_pixels
from any2bokeh.preview.pictures import TINT, focus_values, show_in_focus, with_readings
from any2bokeh.preview.sheet import LIGHT, Words, lettered
from any2bokeh.scene import Scene


def test_tint_covers_what_is_blurred_by_less_than_a_pixel() -> None:
    disparity = torch.tensor([0.5, 0.5 + 0.9 / 16, 0.5 + 1.1 / 16, 0.5 - 1.1 / 16]).view(1, 1, 4)
    scene = Scene(
        sharp=torch.full((3, 1, 4), 0.5),
        disparity=disparity,
        focus_disparity=0.5,
        blur_strength=16 * 1024 / 4,  # 16 pixels in this frame, 4 pixels wide
        pts=0,
    )
    picture = show_in_focus(scene)
    tinted = 0.25 + 0.5 * torch.tensor(TINT)
    torch.testing.assert_close(picture[:, 0, :2], tinted[:, None].expand(3, 2))
    torch.testing.assert_close(picture[:, 0, 2:], torch.full((3, 2), 0.5))


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(1), (48, 64)), (Fraction(3, 2), (48, 96)), (Fraction(3, 4), (64, 64))]
)
def test_pixels_become_square_without_losing_any(aspect: Fraction, size: tuple[int, int]) -> None:
    assert with_square_pixels(torch.zeros(3, 48, 64), aspect).shape[1:] == size


def test_focal_planes_are_spread_over_what_the_clip_holds() -> None:
    disparity = torch.linspace(0.2, 0.6, 200).expand(1, 200, 200).clone()
    disparity[0, 0, :50] = 1  # a speck
    assert focus_values([disparity, disparity], 5) == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6], abs=0.01)
    assert focus_values([torch.full((1, 20, 20), 0.5)], 3) == [0.5, 0.5, 0.5]


def test_readings_stand_where_they_were_read() -> None:
    plain = with_readings(torch.full((1, 540, 960), 0.5))
    ground = plain[:, 0, 0]
    is_written = ((plain - ground[:, None, None]).abs().amax(dim=0) > 0.2).float()
    rows, columns = is_written.nonzero().float().T
    assert rows.mean().item() == pytest.approx(270, abs=6)
    assert columns.mean().item() == pytest.approx(480, abs=6)
    for row in range(3):
        for column in range(5):
            cell = is_written[180 * row : 180 * (row + 1), 192 * column : 192 * (column + 1)]
            assert cell.sum() > 100
            assert cell[:40].sum() == 0 and cell[-40:].sum() == 0


def test_words_are_drawn_around_their_anchor() -> None:
    picture = lettered(torch.zeros(3, 60, 200), [Words(text="0.50", x=100, y=30, size_px=30, anchor="mm")])
    assert picture.max().item() == pytest.approx(max(LIGHT) / 255)
    rows, columns = picture[0].nonzero().float().T
    assert columns.mean().item() == pytest.approx(100, abs=3)
    assert rows.mean().item() == pytest.approx(30, abs=3)
