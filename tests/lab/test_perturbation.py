"""Perturbed disparity: its size, its seed, its limits."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.lab.perturbation import Perturbation, PerturbSettings, perturb, smooth_fields

NOTHING = PerturbSettings(warp_px=0, noise=0, dilated=0, eroded=0)
FOCUS = 0.6


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def square(size: tuple[int, int] = (144, 256), frames: int = 3) -> tuple[Tensor, Tensor]:
    """Disparity of a near square before a far wall, and where it is."""
    mask = torch.zeros(frames, 1, *size, dtype=torch.bool)
    mask[..., size[0] // 4 : -size[0] // 4, size[1] // 4 : -size[1] // 4] = True
    return torch.where(mask, FOCUS, 0.1), mask


def perturbed(
    disparity: Tensor, settings: PerturbSettings, mask: Tensor | None = None, seed: int = 0
) -> Tensor:
    return perturb(disparity, torch.full((len(disparity),), FOCUS), settings, seeded(seed), mask)


def test_a_seed_gives_the_same_mistakes_and_another_one_others():
    disparity, _ = square()
    first = perturbed(disparity, PerturbSettings())
    assert torch.equal(first, perturbed(disparity, PerturbSettings()))
    assert not torch.equal(first, perturbed(disparity, PerturbSettings(), seed=1))
    assert torch.equal(disparity, square()[0])
    assert first.shape == disparity.shape and first.min() >= 0 and first.max() <= 1


def test_without_strength_nothing_changes():
    disparity, _ = square()
    assert torch.equal(perturbed(disparity, NOTHING), disparity)


@pytest.mark.parametrize("size", [(16, 24), (96, 160), (576, 1024)])
def test_warp_moves_edges_by_the_same_share_of_the_frame(size: tuple[int, int]):
    settings = replace(PerturbSettings(), noise=0, dilated=0, eroded=0)
    moved = Perturbation(settings, seeded())._displacement(torch.Size(size), max(size) / 1024)
    # Uniform noise has a deviation of 1/sqrt(3), of which smoothing leaves 1 / (2 sqrt(pi) sigma).
    wanted = 50 / (3**0.5 * 2 * torch.pi**0.5 * 4) * max(size) / 1024
    if min(size) > 50:
        assert float(moved.std()) == pytest.approx(wanted, rel=0.1)
    assert float(moved.abs().max()) < 6 * max(wanted, 0.1)


def test_warp_brings_no_disparity_that_was_not_there():
    disparity, _ = square()
    warped = perturbed(disparity, replace(NOTHING, warp_px=50))
    assert not torch.equal(warped, disparity)
    assert set(warped.unique().tolist()) == set(disparity.unique().tolist())


def test_waves_are_as_high_as_asked_and_have_no_offset():
    disparity = torch.full((1, 1, 288, 512), 0.5)
    change = perturbed(disparity, replace(NOTHING, noise=0.1)) - disparity
    assert float(change.abs().max()) == pytest.approx(0.1 * FOCUS, rel=1e-4)
    assert abs(float(change.mean())) < 0.01 * FOCUS
    assert change.diff(dim=3).square().mean() < 0.5 * change.square().mean()  # smooth: 2 if it were white


def test_dilation_makes_near_things_larger_and_erosion_smaller():
    disparity, mask = square((288, 512), frames=1)
    larger = perturbed(disparity, replace(NOTHING, dilated=1)) == FOCUS
    smaller = perturbed(disparity, replace(NOTHING, eroded=1)) == FOCUS
    assert bool((larger | mask).equal(larger)) and larger.sum() > mask.sum()
    assert bool((smaller & mask).equal(smaller)) and smaller.sum() < mask.sum()


def test_at_a_small_size_the_mean_radius_is_still_the_frames_share():
    perturbation = Perturbation(PerturbSettings(dilated=1, eroded=0), seeded())
    drawn = torch.tensor([perturbation._draw_radius_px(0.25) for _ in range(2000)], dtype=torch.float)
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.05)  # a quarter of 1, 2 or 3
    assert set(drawn.tolist()) == {0, 1}


def test_with_a_mask_only_that_thing_and_its_edge_change():
    disparity, mask = square()
    disparity[..., :20, :20] = 0.9  # another thing, far from the first
    changed = perturbed(disparity, PerturbSettings(), mask) != disparity
    rows, columns = changed.flatten(0, 1).any(0).nonzero().unbind(1)
    reach = 8
    assert changed.any()
    assert rows.min() >= 144 // 4 - reach and rows.max() < 144 * 3 // 4 + reach
    assert columns.min() >= 256 // 4 - reach and columns.max() < 256 * 3 // 4 + reach


def test_coherence_decides_how_much_a_frame_has_of_the_one_before():
    disparity = torch.full((6, 1, 96, 160), 0.5)

    def change_of_waves(coherence: float) -> float:
        waves = perturbed(disparity, replace(NOTHING, noise=0.1, coherence=coherence)) - disparity
        return float(waves.diff(dim=0).square().mean() / waves.square().mean())

    assert change_of_waves(1) == 0
    assert change_of_waves(0.8) == pytest.approx(2 * (1 - 0.8), rel=0.3)
    assert change_of_waves(0) == pytest.approx(2, rel=0.3)


def test_smoothing_keeps_the_mean_and_leaves_the_expected_height():
    white = torch.rand(1, 300, 300, generator=seeded()) - 0.5
    smoothed = smooth_fields(white, 3.0)
    assert float(smoothed.mean()) == pytest.approx(float(white.mean()), abs=1e-6)
    assert float(smoothed.std() / white.std()) == pytest.approx(1 / (2 * torch.pi**0.5 * 3), rel=0.1)


@pytest.mark.parametrize("wrong", [{"noise": -1}, {"dilated": 0.6, "eroded": 0.6}, {"coherence": 1.5}])
def test_wrong_settings_are_errors(wrong: dict[str, float]):
    with pytest.raises(SettingsError):
        PerturbSettings(**wrong)
