"""Fréchet distances of features: known in closed form, and windows over a clip."""

import pytest
import torch
from torch import Tensor

from any2bokeh.lab.evaluation.frechet import FeatureWindows, frechet_distance
from any2bokeh.lab.evaluation.metric_networks import Watcher


@pytest.mark.parametrize("count", [40, 3000])  # fewer and more than there are features
def test_a_shift_is_its_square_and_a_spread_that_of_its_difference(count: int) -> None:
    features = torch.randn(count, 50)
    shift = torch.linspace(-1, 1, 50)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(features, features + shift) == pytest.approx(float(shift @ shift), rel=1e-5)
    spread = float(features.var(dim=0).sum())  # of S and 4 S: tr(S + 4 S - 2 * 2 S) = tr S
    centered = features - features.mean(0)
    assert frechet_distance(centered, 2 * centered) == pytest.approx(spread, rel=1e-5)


def test_gaussians_of_independent_features_have_the_distance_of_the_formula() -> None:
    one, other = torch.tensor([1.0, 2, 0.5]), torch.tensor([3.0, 1, 0.5])
    first, second = torch.randn(200_000, 3) * one, torch.randn(200_000, 3) * other
    expected = float((one - other).square().sum())
    assert frechet_distance(first, second) == pytest.approx(expected, rel=0.02)


def test_one_window_has_no_spread() -> None:
    assert frechet_distance(torch.randn(1, 4), torch.randn(9, 4)) is None


def counting(frames: int, step: int) -> Watcher:
    def look(pictures: Tensor) -> Tensor:
        return pictures[:, 0, 0, 0]

    return Watcher(name="counting", frames=frames, step=step, side_px=2, look=look)


def windows(watcher: Watcher, frames: int) -> list[list[int]]:
    seen = FeatureWindows(watcher)
    for number in range(frames):
        seen.add(torch.full((3, 4, 6), number / 100))
    return (seen.features() * 100).round().int().tolist()


def test_windows_begin_every_step_as_far_as_they_fit() -> None:
    assert windows(counting(4, 2), 9) == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert windows(counting(3, 3), 6) == [[0, 1, 2], [3, 4, 5]]
    assert windows(counting(3, 3), 2) == [[0, 1, 1]]
