"""Figures of agreement, against answers that are known."""

import pytest
import torch

from any2bokeh.lab.compact.scale_free import fitted_error, rank_correlation


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.3, 5.0), (-2.0, 1.0)])
def test_scale_and_shift_do_not_count_as_error(scale: float, shift: float) -> None:
    truth = torch.rand(1, 20, 30)
    assert fitted_error(scale * truth + shift, truth) == pytest.approx(0, abs=1e-6)


def test_a_constant_guess_errs_by_the_mean_distance_from_the_mean() -> None:
    truth = torch.tensor([0.0, 0.0, 0.0, 1.0])
    assert fitted_error(torch.full((4,), 0.7), truth) == pytest.approx((3 * 0.25 + 0.75) / 4)


def test_error_of_noise_is_that_of_the_noise() -> None:
    truth = torch.linspace(0, 1, 10_000)
    noise = 0.1 * torch.randn(10_000)
    assert fitted_error(truth + noise, truth) == pytest.approx(0.1 * (2 / torch.pi) ** 0.5, rel=0.1)


def test_ranks_count_and_not_values() -> None:
    truth = torch.rand(50)
    assert rank_correlation(truth.exp() ** 3, truth) == pytest.approx(1)
    assert rank_correlation(-truth, truth) == pytest.approx(-1)
    assert rank_correlation(torch.ones(50), truth) == 0


def test_rank_correlation_of_a_textbook_case_with_ties() -> None:
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: Pearson's correlation of the ranks is 4.5 / sqrt(4.5 * 5).
    guess, truth = torch.tensor([1.0, 2.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(guess, truth) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
