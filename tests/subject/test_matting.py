"""A mask brought to the picture's edges, on pictures whose coverage is known."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.errors import ShapeError
from any2bokeh.subject.matting import BAND, refine_edges

HEIGHT, WIDTH = 300, 560
REACH = round(BAND * WIDTH)  # 2 px
RED = torch.tensor([0.8, 0.2, 0.1])[:, None, None]
GRAY = torch.tensor([0.3, 0.35, 0.3])[:, None, None]


def disc(radius: float = 80) -> Tensor:
    """The coverage of a disc, ``1 H W``."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) - HEIGHT / 2, torch.arange(WIDTH) - WIDTH / 2, indexing="ij")
    return (radius - torch.hypot(x, y) + 0.5).clamp(0, 1)[None]


def pictured(coverage: Tensor, front: Tensor = RED, behind: Tensor = GRAY) -> Tensor:
    """The subject before a background, mixed in linear light, in code values."""
    return (coverage * front**2 + (1 - coverage) * behind**2).sqrt()


def noise(color: Tensor, height: float) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return (color + height * torch.randn(3, HEIGHT, WIDTH, generator=generator)).clamp(0, 1)


def error(found: Tensor, coverage: Tensor) -> float:
    return float((found - coverage).abs()[(coverage > 0) & (coverage < 1)].mean())


def test_a_hard_mask_gets_the_pictures_soft_edge() -> None:
    coverage = disc()
    found = refine_edges((coverage >= 0.5).float(), pictured(coverage))
    assert error(found, coverage) < 0.05
    assert error((coverage >= 0.5).float(), coverage) > 0.2


@pytest.mark.parametrize("beside_px", [-1, 1])
def test_a_mask_a_pixel_too_small_or_too_large_is_mended(beside_px: int) -> None:
    coverage = disc()
    mask = (disc(80 + beside_px) >= 0.5).float()
    found = refine_edges(mask, pictured(coverage))
    assert (found - coverage).abs().sum() < 0.3 * (mask - coverage).abs().sum()


def test_noise_does_not_make_the_edge_ragged() -> None:
    coverage = disc()
    picture = pictured(coverage, noise(RED, 0.03), noise(GRAY, 0.03))
    assert error(refine_edges((coverage >= 0.5).float(), picture), coverage) < 0.12


def test_a_small_part_of_the_background_that_resembles_the_subject_stays_background() -> None:
    dark, darkish, bright = (
        torch.tensor(color)[:, None, None]
        for color in ([0.2, 0.2, 0.22], [0.14, 0.24, 0.14], [0.8, 0.5, 0.5])
    )
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, :, :250] = 1
    picture = mask * dark + (1 - mask) * bright
    picture[:, 150:155, 250:254] = darkish
    assert refine_edges(mask, picture)[:, 150:155, 250:254].amax() < 0.3


def test_where_both_colors_are_alike_the_mask_is_believed() -> None:
    mask = (disc() >= 0.5).float()
    found = refine_edges(mask, noise(GRAY, 0.1))
    assert ((found >= 0.5) != (mask >= 0.5)).float().sum() < 0.02 * (2 * 3.14 * 80)


def test_nothing_changes_farther_from_the_outline_than_the_band() -> None:
    mask = (disc() >= 0.5).float()
    generator = torch.Generator().manual_seed(1)
    found = refine_edges(mask, torch.rand(3, HEIGHT, WIDTH, generator=generator))
    inner, outer = disc(80 - 2 * REACH - 1) == 1, disc(80 + 2 * REACH + 1) == 0
    assert (found[inner] == 1).all() and (found[outer] == 0).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_mask_without_an_outline_stays(value: float) -> None:
    mask = torch.full((1, HEIGHT, WIDTH), value)
    assert torch.equal(refine_edges(mask, pictured(disc())), mask)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (9, 7), (64, 48)])
def test_any_size_has_a_coverage(size: tuple[int, int]) -> None:
    mask = torch.zeros(1, *size)
    mask[:, size[0] // 3 : 1 + size[0] // 2, size[1] // 3 : 1 + size[1] // 2] = 1
    found = refine_edges(mask, torch.rand(3, *size))
    assert found.shape == mask.shape and found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("size", [(150, 280), (75, 140), (600, 1120)])
def test_a_mask_of_another_size_gets_the_pictures_edge(size: tuple[int, int]) -> None:
    coverage = disc()
    mask = (interpolate(coverage[None], size, mode="area")[0] >= 0.5).float()
    found = refine_edges(mask, pictured(coverage))
    assert error(found, coverage) < 0.15


def test_what_is_no_mask_is_refused() -> None:
    with pytest.raises(ShapeError, match="30"):
        refine_edges(torch.zeros(3, 30, 56), torch.zeros(3, HEIGHT, WIDTH))
