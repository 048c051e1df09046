"""Where a correction of the lens counts, and the areas that are looked at for it."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from any2bokeh.render.small.correction import (
    CELL_PX,
    FULL_CHANGE,
    LIT_PX,
    MARGIN_PX,
    Area,
    areas_to_correct,
    correction_cells,
    correction_share,
    largest_around,
    lens_view,
)
from any2bokeh.render.small.correction_network import COARSEST

HEIGHT, WIDTH = 96, 160
EDGE = 80  # the column from which on things are farther


def two_surfaces(near_px: float, far_px: float) -> Tensor:
    """CoC of a nearer surface on the left and a farther one on the right."""
    coc = torch.full((1, 1, HEIGHT, WIDTH), near_px)
    coc[..., EDGE:] = far_px
    return coc


def cells_of(sharp: Tensor, through_lens: Tensor, coc: Tensor) -> Tensor:
    view = lens_view(sharp, through_lens, coc, torch.zeros_like(coc), torch.zeros_like(coc))
    return correction_cells(view)


def changed_by(amount: float) -> tuple[Tensor, Tensor]:
    """A gray picture, and a lens's that is another everywhere."""
    sharp = torch.full((1, 3, HEIGHT, WIDTH), 0.2)
    return sharp, sharp + amount


@pytest.mark.parametrize("coc_px", [4.0, 12.0, 24.0])
def test_it_counts_as_far_from_an_edge_as_its_blur_reaches(coc_px: float) -> None:
    share = correction_share(cells_of(*changed_by(0.1), two_surfaces(0.0, coc_px)))[0, 0]
    counts = torch.nonzero(share.amax(0) > 0)[:, 0]
    for end in (int(EDGE - counts.min()), int(counts.max() + 1 - EDGE)):
        assert coc_px <= end <= coc_px + 3 * CELL_PX
    assert share[:, EDGE - 1 : EDGE + 1].min() == 1


def test_a_slope_without_an_end_has_none() -> None:
    slope = torch.linspace(-15, 15, WIDTH).expand(1, 1, HEIGHT, WIDTH)
    assert cells_of(*changed_by(0.1), slope).max() == 0


def test_it_counts_as_much_as_the_lens_changed() -> None:
    edge = two_surfaces(0.0, 12)
    full = cells_of(*changed_by(FULL_CHANGE), edge)
    torch.testing.assert_close(cells_of(*changed_by(FULL_CHANGE / 4), edge), full / 4)
    assert torch.equal(cells_of(*changed_by(0.4), edge), full)
    assert cells_of(*changed_by(0), edge).max() == 0


def test_discs_of_clipped_lights_stay_as_the_lens_drew_them() -> None:
    sharp, lens = changed_by(0.1)
    full = cells_of(sharp, lens, two_surfaces(LIT_PX, 10.0))[0, 0]
    sharp[..., 40:48, 88:96] = 1
    cells = cells_of(sharp, lens, two_surfaces(LIT_PX, 10.0))[0, 0]
    assert cells[44 // CELL_PX, 92 // CELL_PX] == 0 < full[44 // CELL_PX, 92 // CELL_PX]
    assert torch.equal(cells[64 // CELL_PX :], full[64 // CELL_PX :])
    sharp[..., 40:48, 88:96] = 0.2
    sharp[..., 40:48, 64:72] = 1  # hardly blurred
    assert torch.equal(cells_of(sharp, lens, two_surfaces(LIT_PX, 10.0))[0, 0], full)


def test_areas_hold_all_cells_with_margins_on_the_networks_grid() -> None:
    cells = torch.zeros(576 // CELL_PX, 1024 // CELL_PX)
    places = [(10, 12), (11, 12), (100, 200), (20, 150)]
    for row, column in places:
        cells[row, column] = 0.5
    areas = areas_to_correct(cells)
    assert len(areas) == 3
    held = sum(int((area_of_cells(area, cells) > 0).sum()) for area in areas)
    assert held == len(places)
    for area in areas:
        assert all(side % COARSEST == 0 for side in (area.top, area.bottom, area.left, area.right))
        assert not any(area.meets(other) for other in areas if other is not area)
        rows, columns = torch.nonzero(area_of_cells(area, cells) > 0).T * CELL_PX
        for first, last, start, end, whole in (
            (rows.min(), rows.max(), area.top, area.bottom, 576),
            (columns.min(), columns.max(), area.left, area.right, 1024),
        ):
            begin = start + int(first)
            assert start == 0 or begin - start >= MARGIN_PX
            assert end == whole or end - (start + int(last)) > MARGIN_PX


def test_no_area_where_nothing_counts_and_one_where_much_does() -> None:
    cells = torch.zeros(576 // CELL_PX, 1024 // CELL_PX)
    assert areas_to_correct(cells) == []
    cells[:, ::16] = 1
    assert areas_to_correct(cells) == [Area(0, 576, 0, 1024)]


def area_of_cells(area: Area, cells: Tensor) -> Tensor:
    rows, columns = (
        slice(area.top // CELL_PX, area.bottom // CELL_PX),
        slice(area.left // CELL_PX, area.right // CELL_PX),
    )
    return cells[rows, columns]


def test_the_largest_around_is_that_of_pooling() -> None:
    images = torch.randn(2, 1, 40, 56)
    for radius in (1, 4):
        pooled = max_pool2d(images, 2 * radius + 1, 1, radius)
        assert torch.equal(largest_around(images, radius), pooled)
