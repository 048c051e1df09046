from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from any2bokeh.depth.upsample import upsample_disparity
from any2bokeh.errors import ShapeError

FAR, NEAR = 0.2, 0.6
HEIGHT, WIDTH = 144, 192


def bilinear(disparity: Tensor) -> Tensor:
    return F.interpolate(disparity[None], size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)[0]


def halve(disparity: Tensor, factor: int) -> Tensor:
    return F.interpolate(disparity[None], scale_factor=1 / factor, mode="area")[0]


def soften(disparity: Tensor) -> Tensor:
    """The ramps of three to four samples that an estimator draws at its edges."""
    return F.avg_pool2d(F.pad(disparity[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]


def grid() -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    return y, x


def slanted_edge(slope: float) -> Tensor:
    y, x = grid()
    return x - WIDTH / 2 > slope * (y - HEIGHT / 2)


def textured(mask: Tensor) -> Tensor:
    """A light and a dark surface, both with texture and some noise."""
    y, x = grid()
    texture = 0.06 * torch.sin(x / 3) * torch.sin(y / 4) + 0.01 * torch.randn(HEIGHT, WIDTH)
    light, dark = torch.tensor([0.7, 0.6, 0.5]), torch.tensor([0.25, 0.35, 0.3])
    return (torch.where(mask, light[:, None, None], dark[:, None, None]) + texture).clamp(0, 1)


def near_edge(truth: Tensor, radius: int) -> Tensor:
    window = 2 * radius + 1
    spread = F.max_pool2d(truth[None], window, 1, radius) + F.max_pool2d(-truth[None], window, 1, radius)
    return spread[0] > 0.5 * (NEAR - FAR)


@pytest.mark.parametrize("slope", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("factor", [2, 4])
def test_soft_edges_become_steps_where_the_picture_has_its_edge(slope: float, factor: int) -> None:
    mask = slanted_edge(slope)
    truth = torch.where(mask, NEAR, FAR)[None]
    small = soften(halve(truth, factor))
    around = near_edge(truth, 3 * factor)

    def off_by_a_tenth(result: Tensor) -> float:
        return ((result - truth).abs() > 0.1 * (NEAR - FAR))[around].float().mean().item()

    assert off_by_a_tenth(upsample_disparity(small, textured(mask))) < 0.02
    assert off_by_a_tenth(bilinear(small)) > 0.25


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_of_an_averaged_map_each_surface_keeps_its_area_whatever_the_colors_say(factor: int) -> None:
    y, x = grid()
    disc = (y - 71.3) ** 2 + (x - 90.6) ** 2 < 40**2
    truth = torch.where(disc, NEAR, FAR)[None]
    small = halve(truth, factor)
    # Half of the disc looks like the background.
    result = upsample_disparity(small, textured(disc & (x < 90)))
    kept = (halve(result, factor) - small).abs() * factor**2 / (NEAR - FAR)  # pixels too many in a sample
    assert kept.max() < 0.01
    # Where the picture shows the edge it is found to the pixel, elsewhere to within a sample's area.
    wrong = (result - truth).abs()[0] > 0.1
    assert not wrong[x < 86].any()
    assert wrong.sum() < 0.05 * near_edge(truth, 1).sum()


@pytest.mark.parametrize("sampled", ["nearest-exact", "bilinear"])
def test_a_map_that_was_not_averaged_is_not_held_to_its_areas(sampled: str) -> None:
    mask = slanted_edge(0.3)
    truth = torch.where(mask, NEAR, FAR)[None]
    drawn = soften(soften(truth)) if sampled == "bilinear" else truth
    small = F.interpolate(drawn[None], scale_factor=0.25, mode=sampled)
    result = upsample_disparity(small.view(1, HEIGHT // 4, WIDTH // 4), textured(mask))
    assert ((result - truth).abs() > 0.1)[near_edge(truth, 4)].float().mean() < 0.03


@pytest.mark.parametrize("shift", [-3, 3])
def test_an_edge_drawn_beside_the_object_moves_to_the_object(shift: int) -> None:
    mask = slanted_edge(0.3)
    truth = torch.where(mask, NEAR, FAR)[None]
    small = soften(halve(truth.roll(shift, dims=2), 2))[:, :, 4:-4]
    small = F.pad(small, (4, 4), mode="replicate")

    def wrong(result: Tensor) -> float:
        return ((result - truth).abs() > 0.5 * (NEAR - FAR))[near_edge(truth, 4)].float().mean().item()

    assert wrong(upsample_disparity(small, textured(mask))) < 0.3 * wrong(bilinear(small))


def test_nothing_stands_between_two_surfaces_even_where_the_picture_shows_no_edge() -> None:
    small = soften(halve(torch.where(slanted_edge(0.3), NEAR, FAR)[None], 2))
    result = upsample_disparity(small, torch.full((3, HEIGHT, WIDTH), 0.5))
    between = (result > FAR + 0.05) & (result < NEAR - 0.05)
    assert not between.any()
    assert ((result - bilinear(small)).abs() < 0.5 * (NEAR - FAR) + 0.02).all()


def test_three_surfaces_keep_their_own_disparities() -> None:
    _, x = grid()
    truth = torch.where(x < 80, 0.1, torch.where(x < 120, 0.45, 0.9))[None]
    colors = torch.where(x < 80, 0.1, torch.where(x < 120, 0.5, 0.9)).expand(3, -1, -1)
    result = upsample_disparity(soften(halve(truth, 2)), colors)
    assert ((result - truth).abs() < 0.02).float().mean() > 0.995


@pytest.mark.parametrize("slope", [0.0005, 0.004])
def test_a_slanted_surface_stays_straight_under_strong_texture(slope: float) -> None:
    y, _ = grid()
    truth = (0.1 + slope * y)[None]
    picture = torch.rand(3, HEIGHT, WIDTH).round()
    result = upsample_disparity(halve(truth, 2), picture)
    inside = slice(2, -2)  # beyond the outermost samples nothing says how it goes on
    assert ((result - truth)[:, inside].abs() < 1e-4).all()


def test_a_slanted_surface_goes_on_straight_up_to_a_step() -> None:
    y, x = grid()
    mask = slanted_edge(0.0)
    truth = torch.where(mask, 0.3 + 0.002 * y, 0.05 + 0.001 * x)[None]
    result = upsample_disparity(soften(halve(truth, 2)), textured(mask))
    around = near_edge(truth, 8)
    around[:, :8] = around[:, -8:] = False
    assert ((result - truth).abs()[around] < 0.01).float().mean() > 0.99


def test_where_a_floor_meets_a_wall_no_step_appears() -> None:
    y, _ = grid()
    truth = (0.2 + 0.006 * (y - HEIGHT / 2).clamp_min(0))[None]
    result = upsample_disparity(halve(truth, 2), torch.rand(3, HEIGHT, WIDTH).round())
    assert (result - truth)[:, 2:-2].abs().max() < 0.01


def test_a_constant_stays_exactly_constant() -> None:
    result = upsample_disparity(torch.full((1, 36, 48), 0.3), torch.rand(3, HEIGHT, WIDTH))
    assert (result == torch.full((1, HEIGHT, WIDTH), 0.3)).all()


def test_equal_sizes_give_the_track_itself() -> None:
    disparity = torch.rand(1, HEIGHT, WIDTH)
    assert torch.equal(upsample_disparity(disparity, torch.rand(3, HEIGHT, WIDTH)), disparity)


@pytest.mark.parametrize(
    ("h", "w"), [(72, 96), (36, 48), (50, 67), (143, 191), (1, 1), (1, 48), (2, 3), (160, 192), (400, 600)]
)
def test_values_stay_within_those_around(h: int, w: int) -> None:
    small = (torch.rand(1, h, w) > 0.5) * 0.5 + 0.2 * torch.rand(1, h, w)
    result = upsample_disparity(small, torch.rand(3, HEIGHT, WIDTH))
    assert result.shape == (1, HEIGHT, WIDTH) and result.dtype == torch.float32
    reach = 2 * 4 + 1  # three samples, and the fraction of one that a pixel is away from its own
    size = (HEIGHT, WIDTH)
    highest = F.interpolate(F.max_pool2d(small[None], reach, 1, 4), size=size, mode="nearest-exact")[0]
    lowest = -F.interpolate(F.max_pool2d(-small[None], reach, 1, 4), size=size, mode="nearest-exact")[0]
    assert (result <= highest + 1e-6).all() and (result >= lowest - 1e-6).all()


@pytest.mark.parametrize("factor", [2, 3.4])
def test_a_larger_track_is_reduced_without_mixing_surfaces(factor: float) -> None:
    large = F.interpolate(
        torch.where(slanted_edge(0.3), NEAR, FAR)[None, None], scale_factor=factor, mode="nearest-exact"
    )[0]
    result = upsample_disparity(large, torch.rand(3, HEIGHT, WIDTH))
    between = (result > FAR + 1e-6) & (result < NEAR - 1e-6)
    assert not between.any()
    assert ((result > 0.4)[0] == slanted_edge(0.3)).float().mean() > 0.99


def test_reducing_averages_noise_on_a_smooth_surface() -> None:
    large = 0.5 + 0.002 * torch.randn(1, 4 * HEIGHT, 4 * WIDTH)
    assert upsample_disparity(large, torch.rand(3, HEIGHT, WIDTH)).std() < 0.3 * large.std()


def test_noise_in_the_picture_moves_few_pixels_from_frame_to_frame() -> None:
    mask = slanted_edge(0.3)
    truth = torch.where(mask, NEAR, FAR)[None]
    small = soften(halve(truth, 2))
    clean = textured(mask)
    results = [upsample_disparity(small, clean + 0.02 * torch.randn(3, HEIGHT, WIDTH)) for _ in range(6)]
    jumps = [((a - b).abs() > 0.1)[near_edge(truth, 4)] for a, b in pairwise(results)]
    assert torch.stack(jumps).float().mean() < 0.01


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match="disparity"):
        upsample_disparity(torch.rand(3, 8, 8), torch.rand(3, 16, 16))
    with pytest.raises(ShapeError, match="picture"):
        upsample_disparity(torch.rand(1, 8, 8), torch.rand(1, 16, 16))
